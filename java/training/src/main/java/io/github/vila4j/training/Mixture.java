// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import io.github.vila4j.shapes.Item;
import io.github.vila4j.shapes.Items;
import io.github.vila4j.shapes.Rng;
import io.github.vila4j.shapes.Scene;
import io.github.vila4j.shapes.Task;
import io.github.vila4j.shapes.Turn;
import io.github.vila4j.shapes.text.BytePairs;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** What the stages are fed with. */
final class Mixture {
  private static final Task[] QUESTIONS = {
    Task.VQA_COLOUR, Task.VQA_SHAPE, Task.VQA_COUNT, Task.VQA_WHERE, Task.VQA_RELATION, Task.VQA_LOOK, Task.VQA_READ, Task.CAPTION
  };
  private static final Task[] SEVERAL = {Task.MULTI_SAME, Task.MULTI_CHANGED, Task.MULTI_CHANGED, Task.MULTI_MORE, Task.MULTI_ODD};
  private static final Task[] FEW_SHOT = {
    Task.ICL_LABEL_2, Task.ICL_LABEL_4, Task.ICL_LABEL_4, Task.ICL_LABEL_8, Task.ICL_RULE_2, Task.ICL_RULE_4, Task.ICL_RULE_8
  };
  private static final Task[] TEXT = {Task.TEXT_SUM, Task.TEXT_FACT, Task.TEXT_SCENE};
  /** Facts are learnt first, sums and scenes last. */
  private static final Task[] LATER_TEXT = {Task.TEXT_SUM, Task.TEXT_SUM, Task.TEXT_FACT, Task.TEXT_SCENE, Task.TEXT_SCENE};

  private Mixture() {}

  /** A sequence for a stage; {@code progress} through the stage is 0 to 1. */
  static Sequence next(Stage stage, Items items, BytePairs tokenizer, double progress) {
    Rng rng = items.rng();
    int draw = rng.below(100);
    return switch (stage.kind()) {
      case PATCHES, PROJECTOR -> throw new IllegalArgumentException("images have no sequence");
      case LANGUAGE -> language(items, tokenizer, draw);
      case INTERLEAVED -> {
        int most = mostThings(progress);
        if (draw < 8) {
          yield counted(items, tokenizer);
        }
        if (draw < 31) {
          yield conversation(items, tokenizer, true, rng.between(5, 12), most);
        }
        if (draw < 34) {
          yield document(items, tokenizer, rng.between(2, 4), most);
        }
        if (draw < 50) {
          yield labelled(items, tokenizer, true, rng.between(3, 9));
        }
        if (draw < 62) {
          yield fewShot(items, tokenizer, 0.4);
        }
        if (draw < 82) {
          yield several(items, tokenizer);
        }
        yield text(items, tokenizer, LATER_TEXT);
      }
      case PAIRS -> draw < 50 ? document(items, tokenizer, 1, 6) : conversation(items, tokenizer, true, rng.between(3, 7), 6);
      case TUNING, TUNING_ON_SHAPES -> {
        if (stage.text() && draw < 20) {
          yield text(items, tokenizer, LATER_TEXT);
        }
        if (stage.kind() == Stage.Kind.TUNING_ON_SHAPES && draw < 38) {
          yield Sequence.chat(tokenizer, items.ofShapes(rng.between(3, 7))).inUnnamedColours();
        }
        yield tuning(items, tokenizer, rng.below(stage.fewShot() ? 100 : 75));
      }
    };
  }

  /** How many things a scene has at most: few where a stage begins. */
  private static int mostThings(double progress) {
    return progress < 0.1 ? 2 : progress < 0.25 ? 4 : 6;
  }

  private static Sequence tuning(Items items, BytePairs tokenizer, int draw) {
    Rng rng = items.rng();
    if (draw < 12) {
      return counted(items, tokenizer);
    }
    if (draw < 37) {
      return Sequence.chat(tokenizer, items.conversation(rng.between(3, 9), 6));
    }
    if (draw < 44) {
      return Sequence.chat(tokenizer, items.make(rng.pick(QUESTIONS)));
    }
    if (draw < 48) {
      return Sequence.chat(tokenizer, items.make(Task.CHAT));
    }
    if (draw < 75) {
      return several(items, tokenizer);
    }
    if (draw < 90) {
      return fewShot(items, tokenizer, 0.4);
    }
    return labelled(items, tokenizer, true, rng.between(3, 9));
  }

  /** Phrases with their labels, again and again. */
  private static Sequence recalled(Items items, BytePairs tokenizer) {
    Rng rng = items.rng();
    return Sequence.recall(tokenizer, items.recall(rng.between(2, 6), rng.between(8, 20)), rng.chance(0.5));
  }

  /** Every task with images that are told in words, and text without images. */
  private static Sequence language(Items items, BytePairs tokenizer, int draw) {
    Rng rng = items.rng();
    if (draw < 4) {
      return recalled(items, tokenizer);
    }
    if (draw < 20) {
      return labelled(items, tokenizer, true, rng.between(5, 14));
    }
    if (draw < 38) {
      return fewShot(items, tokenizer, 0.4);
    }
    if (draw < 46) {
      return counted(items, tokenizer);
    }
    if (draw < 62) {
      return conversation(items, tokenizer, true, rng.between(5, 12), 6);
    }
    if (draw < 78) {
      return several(items, tokenizer);
    }
    if (draw < 84) {
      return conversation(items, tokenizer, false, rng.between(3, 7), 6);
    }
    return text(items, tokenizer, TEXT);
  }

  /** Examples and a question, with this probability as turns of their own. */
  private static Sequence fewShot(Items items, BytePairs tokenizer, double turns) {
    Item item = items.make(items.rng().pick(FEW_SHOT));
    return Sequence.chat(tokenizer, items.rng().chance(turns) ? item.shotsAsTurns() : item);
  }

  private static Sequence several(Items items, BytePairs tokenizer) {
    Item item = items.rng().chance(0.6) ? items.compared() : items.make(items.rng().pick(SEVERAL));
    return Sequence.chat(tokenizer, items.rng().chance(0.2) ? item.imagesOnLines() : item);
  }

  /** How many there are of this and that. */
  private static Sequence counted(Items items, BytePairs tokenizer) {
    Item item = items.counted(items.rng().between(3, 7));
    return items.rng().chance(0.7) ? Sequence.chat(tokenizer, item) : Sequence.lines(tokenizer, item, 0);
  }

  /** Questions without images, one after the other. */
  private static Sequence text(Items items, BytePairs tokenizer, Task[] tasks) {
    List<Turn> turns = new ArrayList<>();
    for (int more = items.rng().between(1, 12); more > 0; more--) {
      turns.addAll(items.make(items.rng().pick(tasks)).turns());
    }
    return Sequence.chat(tokenizer, new Item(Task.CHAT, List.of(), turns), Sequence.REST);
  }

  /** Several questions about a scene, drawn or told, half of them as a conversation and half as plain lines. */
  private static Sequence conversation(Items items, BytePairs tokenizer, boolean drawn, int questions, int most) {
    Item item = items.conversation(questions, most);
    item = drawn ? item : item.inWords();
    float rest = drawn ? 0 : Sequence.REST;
    return items.rng().chance(0.5) ? Sequence.chat(tokenizer, item, rest) : Sequence.lines(tokenizer, item, rest);
  }

  private static Sequence document(Items items, BytePairs tokenizer, int images, int most) {
    List<Scene> scenes = new ArrayList<>();
    for (int i = 0; i < images; i++) {
      scenes.add(items.scene(most));
    }
    return Sequence.document(tokenizer, scenes, scenes.stream().map(Scene::caption).toList(), Collections.nCopies(images, 1f));
  }

  /** Images or their descriptions with labels that an unspoken rule gives them. */
  private static Sequence labelled(Items items, BytePairs tokenizer, boolean drawn, int images) {
    Item item = items.labelled(images);
    List<String> labels = new ArrayList<>();
    for (String line : item.turns().get(0).question().split(Item.MARK)) {
      if (!line.isBlank()) {
        labels.add(line.strip());
      }
    }
    labels.add(item.expected());
    List<Float> weights = new ArrayList<>();
    for (int i = 0; i < labels.size(); i++) {
      boolean known = item.task().name().startsWith("ICL_RULE") || labels.subList(0, i).contains(labels.get(i));
      weights.add(known ? 1 : Sequence.UNKNOWN_LABEL);
    }
    return Sequence.labelled(tokenizer, item.scenes(), labels, weights, items.rng().chance(0.5), drawn);
  }
}
