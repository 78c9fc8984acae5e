// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import io.github.vila4j.shapes.Item;
import io.github.vila4j.shapes.Items;
import io.github.vila4j.shapes.Rng;
import io.github.vila4j.shapes.Scene;
import io.github.vila4j.shapes.Task;
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

  private Mixture() {}

  /** A sequence for a stage; {@code progress} through the stage is 0 to 1. */
  static Sequence next(Stage stage, Items items, BytePairs tokenizer, double progress) {
    Rng rng = items.rng();
    int draw = rng.below(100);
    return switch (stage.kind()) {
      case PATCHES -> throw new IllegalArgumentException("images have no sequence");
      case LANGUAGE -> language(items, tokenizer, draw, progress);
      case PROJECTOR -> draw < 30 ? document(items, tokenizer, 1, 3) : conversation(items, tokenizer, true, 3);
      case INTERLEAVED -> {
        int most = progress < 0.1 ? 2 : progress < 0.25 ? 4 : 6;
        if (draw < 45) {
          yield conversation(items, tokenizer, true, most);
        }
        if (draw < 50) {
          yield document(items, tokenizer, rng.between(2, 4), most);
        }
        if (draw < 80) {
          yield labelled(items, tokenizer, true, rng.between(5, 14));
        }
        if (draw < 92) {
          yield Sequence.chat(tokenizer, items.make(rng.pick(SEVERAL)));
        }
        yield language(items, tokenizer, rng.below(100), 1);
      }
      case PAIRS -> draw < 50 ? document(items, tokenizer, 1, 6) : conversation(items, tokenizer, true, 6);
      case TUNING ->
          stage.text() && draw < 15
              ? Sequence.chat(tokenizer, items.make(rng.pick(TEXT)))
              : tuning(items, tokenizer, rng.below(stage.fewShot() ? 100 : 75));
    };
  }

  private static Sequence tuning(Items items, BytePairs tokenizer, int draw) {
    Rng rng = items.rng();
    if (draw < 35) {
      return Sequence.chat(tokenizer, items.conversation(rng.between(2, 6), 6));
    }
    if (draw < 50) {
      return Sequence.chat(tokenizer, items.make(rng.pick(QUESTIONS)));
    }
    if (draw < 55) {
      return Sequence.chat(tokenizer, items.make(Task.CHAT));
    }
    if (draw < 75) {
      Item item = items.make(rng.pick(SEVERAL));
      return Sequence.chat(tokenizer, rng.chance(0.5) ? item.imagesOnLines() : item);
    }
    if (draw < 90) {
      Item item = items.make(rng.pick(FEW_SHOT));
      return Sequence.chat(tokenizer, rng.chance(0.3) ? item.shotsAsTurns() : item);
    }
    return labelled(items, tokenizer, true, rng.between(3, 9));
  }

  /** Text only: much recall at first, because looking up what stood before is what everything in context rests on. */
  private static Sequence language(Items items, BytePairs tokenizer, int draw, double progress) {
    Rng rng = items.rng();
    if (draw < (progress < 0.2 ? 10 : 2)) {
      return Sequence.repeated(tokenizer, items.labels(rng.between(3, 8)), rng.between(2, 4));
    }
    if (draw < (progress < 0.3 ? 40 : 10)) {
      return Sequence.recall(tokenizer, items.recall(rng.between(2, 6), rng.between(8, 20)), rng.chance(0.5));
    }
    int other = rng.below(60);
    if (other < 22) {
      return conversation(items, tokenizer, false, progress < 0.25 ? 1 : progress < 0.4 ? 2 : progress < 0.6 ? 3 : 6);
    }
    if (other < 37) {
      return labelled(items, tokenizer, false, progress < 0.3 ? rng.between(3, 5) : rng.between(3, 9));
    }
    if (other < 41) {
      return Sequence.chat(tokenizer, items.make(rng.pick(SEVERAL)).inWords(), Sequence.REST);
    }
    if (other < 46) {
      return Sequence.chat(tokenizer, items.make(rng.pick(FEW_SHOT)).inWords(), Sequence.REST);
    }
    return Sequence.chat(tokenizer, items.make(rng.pick(TEXT)), Sequence.REST);
  }

  /** Several questions about a scene, drawn or told, half of them as a conversation and half as plain lines. */
  private static Sequence conversation(Items items, BytePairs tokenizer, boolean drawn, int most) {
    Item item = items.conversation(items.rng().between(3, 7), most);
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
