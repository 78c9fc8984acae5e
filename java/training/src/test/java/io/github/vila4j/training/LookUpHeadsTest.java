// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vila4j.shapes.Colour;
import io.github.vila4j.shapes.Item;
import io.github.vila4j.shapes.Items;
import io.github.vila4j.shapes.Split;
import io.github.vila4j.shapes.Task;
import io.github.vila4j.shapes.text.BytePairs;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AbstractTensor;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;

class LookUpHeadsTest {
  private static final int PAIRS = 8;
  private static final int SEQUENCES = 256;
  private static final int ASKED = 100;

  /** Pairs of ids, then one of the first ids: how often the untrained model ranks its second id over those of the other pairs. */
  private static double recalled(ModelShape shape, long seed) {
    Random random = new Random(seed);
    List<Integer> ids = new ArrayList<>();
    for (int id = 0; id < shape.vocab(); id++) {
      ids.add(id);
    }
    int length = 2 * PAIRS + 1;
    long[] rows = new long[SEQUENCES * length];
    int[] asked = new int[SEQUENCES];
    for (int s = 0; s < SEQUENCES; s++) {
      Collections.shuffle(ids, random);
      for (int i = 0; i < 2 * PAIRS; i++) {
        rows[s * length + i] = ids.get(i);
      }
      asked[s] = random.nextInt(PAIRS);
      rows[s * length + 2 * PAIRS] = ids.get(2 * asked[s]);
    }
    int right = 0;
    try (PointerScope scope = new PointerScope();
        AutoGradMode off = new AutoGradMode(false);
        Weights weights = new Weights(shape, seed)) {
      Network network = new Network(weights, false);
      Tensor x = network.embed(AbstractTensor.create(rows, rows.length), null).view(SEQUENCES, length, shape.hidden());
      Tensor last = network.language(x).narrow(1, length - 1, 1).reshape(SEQUENCES, shape.hidden());
      float[] logits = Weights.toArray(network.logits(last).contiguous());
      for (int s = 0; s < SEQUENCES; s++) {
        int best = 0;
        for (int pair = 1; pair < PAIRS; pair++) {
          double value = logits[s * shape.vocab() + (int) rows[s * length + 2 * pair + 1]];
          best = value > logits[s * shape.vocab() + (int) rows[s * length + 2 * best + 1]] ? pair : best;
        }
        right += best == asked[s] ? 1 : 0;
      }
    }
    return right / (double) SEQUENCES;
  }

  /** Of scenes in words, how often the untrained model ranks the colour of a named shape over all other colours. */
  private static double colours(BytePairs tokenizer, long seed) {
    ModelShape shape = ModelShape.demo(tokenizer.size());
    List<Integer> ids = Arrays.stream(Colour.values()).map(c -> tokenizer.encode(c.word())[0]).toList();
    List<Sequence> asked = new ArrayList<>();
    List<Integer> answers = new ArrayList<>();
    for (int i = 0; asked.size() < ASKED; i++) {
      Item item = Items.of(Split.VALIDATION, Task.VQA_COLOUR, i);
      if (tokenizer.encode(item.expected()).length == 1) {
        asked.add(Sequence.chat(tokenizer, item));
        answers.add(tokenizer.encode(item.expected())[0]);
      }
    }
    int right = 0;
    try (PointerScope scope = new PointerScope();
        AutoGradMode off = new AutoGradMode(false);
        Weights weights = new Weights(shape, PropertyWords.of(tokenizer), seed)) {
      Network network = new Network(weights, false);
      for (int n = 0; n < ASKED; n++) {
        Batch batch = Batch.of(asked.subList(n, n + 1), shape, tokenizer);
        Tensor rows = Losses.rows(network, batch, Losses.imageTokens(network, batch, shape), shape);
        Tensor first = rows.index_select(0, AbstractTensor.create(new long[] {batch.picked()[0]}, 1));
        float[] logits = Weights.toArray(network.logits(first).contiguous());
        int best = ids.stream().max(Comparator.comparingDouble(id -> logits[id])).orElseThrow();
        right += best == answers.get(n) ? 1 : 0;
      }
    }
    return right / (double) ASKED;
  }

  @Test
  void anUntrainedModelFindsTheColourOfANamedShapeInAnImageInWords() {
    BytePairs tokenizer = TokenizerFiles.learn();
    for (long seed = 1; seed <= 3; seed++) {
      double share = colours(tokenizer, seed);
      assertTrue(share > 0.4, "seed " + seed + ": " + share + ", chance is " + 1.0 / Colour.values().length);
    }
  }

  @Test
  void anUntrainedModelLooksUpWhatFollowed() {
    for (long seed = 1; seed <= 3; seed++) {
      double demo = recalled(ModelShape.demo(600), seed);
      double small = recalled(ModelShape.small(600), seed);
      assertTrue(demo > 0.2, "demo model, seed " + seed + ": " + demo + ", chance is " + 1.0 / PAIRS);
      assertTrue(small > 0.2, "small model, seed " + seed + ": " + small + ", chance is " + 1.0 / PAIRS);
    }
  }
}
