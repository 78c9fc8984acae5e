// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import io.github.vila4j.shapes.Item;
import io.github.vila4j.shapes.Scene;
import io.github.vila4j.shapes.Turn;
import io.github.vila4j.shapes.text.BytePairs;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * One sequence of the language model: ids with places for images, and what is learnt from.
 *
 * @param ids a token per position; {@link #IMAGE} stands for all tokens of the next scene
 * @param weights how much the loss of predicting each id counts; 0 for none
 * @param scenes what the images show, in order
 * @param named whether they are drawn in colours that have a name
 */
record Sequence(int[] ids, float[] weights, List<Scene> scenes, boolean named) {
  static final int IMAGE = -1;
  /** How much is learnt from a made-up label where it stands for the first time: it cannot be known. */
  static final float UNKNOWN_LABEL = 0.1f;
  /** How much is learnt from text that answers nothing, where text alone is learnt. */
  static final float REST = 0.1f;
  /** How much is learnt from the phrases of recall and from those that follow labels. */
  private static final float PHRASE = 0.3f;

  /** Positions once each image takes {@code imageTokens}. */
  int length(int imageTokens) {
    return ids.length + scenes.size() * (imageTokens - 1);
  }

  /** The same with its images drawn in colours that have no name. */
  Sequence inUnnamedColours() {
    return new Sequence(ids, weights, scenes, false);
  }

  /** Puts ids together. */
  private static final class Builder {
    private final BytePairs tokenizer;
    private final List<Integer> ids = new ArrayList<>();
    private final List<Float> weights = new ArrayList<>();

    Builder(BytePairs tokenizer) {
      this.tokenizer = tokenizer;
    }

    Builder image() {
      ids.add(IMAGE);
      weights.add(0f);
      return this;
    }

    /** Text whose every token counts {@code weight}. */
    Builder text(String text, float weight) {
      for (int id : tokenizer.encode(text)) {
        ids.add(id);
        weights.add(weight);
      }
      return this;
    }

    /** Text with marks of images; the texts between them are tokenized alone, as VILA does. */
    Builder marked(String text, float weight) {
      int from = 0;
      for (int at = text.indexOf(Item.MARK); at >= 0; at = text.indexOf(Item.MARK, from)) {
        text(text.substring(from, at), weight).image();
        from = at + Item.MARK.length();
      }
      return text(text.substring(from), weight);
    }

    /** Text of an answer; the longer it is, the less each token counts. */
    Builder answer(String text, float weight) {
      int length = tokenizer.encode(text).length;
      return text(text, (float) (weight / Math.sqrt(length)));
    }

    /** A label, the phrase that follows it, or none where that is empty, and a line end. */
    Builder label(String label, float weight, String phrase) {
      text(label, weight);
      return phrase.isEmpty() ? text("\n", REST) : text(" " + phrase + "\n", PHRASE);
    }

    Sequence build(List<Scene> scenes) {
      float[] values = new float[weights.size()];
      for (int i = 0; i < values.length; i++) {
        values[i] = weights.get(i);
      }
      return new Sequence(ids.stream().mapToInt(Integer::intValue).toArray(), values, scenes, true);
    }
  }

  private static Builder prompt(BytePairs tokenizer, Item item, float rest, boolean lastOnly, boolean withLast) {
    Builder builder = new Builder(tokenizer);
    String text = TokenizerFiles.BEGIN + "system\nAnswer the questions." + TokenizerFiles.END;
    for (int i = 0; i < item.turns().size(); i++) {
      Turn turn = item.turns().get(i);
      boolean last = i == item.turns().size() - 1;
      text += TokenizerFiles.BEGIN + "user\n" + turn.question() + TokenizerFiles.END + TokenizerFiles.BEGIN + "assistant\n";
      builder.marked(text, rest);
      text = "";
      if (last && !withLast) {
        break;
      }
      if (last || !lastOnly) {
        builder.answer(turn.answer() + TokenizerFiles.END, isUnknown(item, i) ? UNKNOWN_LABEL : 1);
      } else {
        builder.text(turn.answer() + TokenizerFiles.END, 0);
      }
    }
    return builder;
  }

  /** Whether a turn's answer is a made-up label that no turn before it has. */
  private static boolean isUnknown(Item item, int turn) {
    String label = item.turns().get(turn).answer();
    boolean last = turn == item.turns().size() - 1;
    return item.task().name().startsWith("ICL_LABEL")
        && !last
        && item.turns().subList(0, turn).stream().noneMatch(other -> other.answer().equals(label));
  }

  /** A conversation in the template hermes-2, learning from its answers. */
  static Sequence chat(BytePairs tokenizer, Item item) {
    return chat(tokenizer, item, 0);
  }

  /** The same where each token of all other text counts {@code rest}. */
  static Sequence chat(BytePairs tokenizer, Item item, float rest) {
    return prompt(tokenizer, item, rest, false, true).build(item.scenes());
  }

  /** The same as plain lines of questions and answers. */
  static Sequence lines(BytePairs tokenizer, Item item, float rest) {
    Builder builder = new Builder(tokenizer);
    for (Turn turn : item.turns()) {
      builder.marked(turn.question() + "\n", rest).answer(turn.answer() + "\n", 1);
    }
    return builder.build(item.scenes());
  }

  /** A conversation up to where its last answer starts. */
  static Sequence prompt(BytePairs tokenizer, Item item) {
    return prompt(tokenizer, item, 0, true, false).build(item.scenes());
  }

  /** A document of images, each followed by a text and a line end; {@code weights} say how much is learnt from each text. */
  static Sequence document(BytePairs tokenizer, List<Scene> scenes, List<String> texts, List<Float> weights) {
    Builder builder = new Builder(tokenizer);
    for (int i = 0; i < scenes.size(); i++) {
      builder.image().answer(texts.get(i) + "\n", weights.get(i));
    }
    return builder.build(scenes);
  }

  /** A document of images, each followed by its label, which a line end or a short phrase about the image follows. */
  static Sequence labelled(
      BytePairs tokenizer, List<Scene> scenes, List<String> labels, List<Float> weights, boolean echo, boolean drawn) {
    Builder builder = new Builder(tokenizer);
    for (int i = 0; i < scenes.size(); i++) {
      Scene scene = scenes.get(i);
      Builder shown = drawn ? builder.image() : builder.text("[" + scene.caption() + "]", REST);
      shown.label(labels.get(i), weights.get(i), echo ? scene.summary() : "");
    }
    return builder.build(drawn ? scenes : List.of());
  }

  /**
   * Phrases in brackets and their labels; a label counts little where it stands for the first time. With {@code echo} each label is
   * followed by its phrase, so that where a label stands, what it stands for is looked up.
   */
  static Sequence recall(BytePairs tokenizer, List<Turn> lines, boolean echo) {
    Builder builder = new Builder(tokenizer);
    for (int i = 0; i < lines.size(); i++) {
      Turn line = lines.get(i);
      boolean known = lines.subList(0, i).contains(line);
      builder.text("[" + line.question() + "]", PHRASE);
      builder.label(line.answer(), known ? 1 : UNKNOWN_LABEL, echo ? line.question() : "");
    }
    return builder.build(List.of());
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Sequence sequence
        && Arrays.equals(ids, sequence.ids)
        && Arrays.equals(weights, sequence.weights)
        && scenes.equals(sequence.scenes)
        && named == sequence.named;
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(ids);
  }
}
