// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vila4j.shapes.Item;
import io.github.vila4j.shapes.Items;
import io.github.vila4j.shapes.Split;
import io.github.vila4j.shapes.Task;
import io.github.vila4j.shapes.text.BytePairs;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AbstractTensor;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What an untrained model answers about images in words. */
class FirstValuesTest {
  private static final BytePairs TOKENIZER = TokenizerFiles.learn();
  private static final int ASKED = 60;

  /** Operations of this size are slower with more. */
  @BeforeAll
  static void oneThread() {
    torch.set_num_threads(1);
  }

  /** Of the first ids of a task's answers, the share that an untrained model ranks first of all ids. */
  private static double right(Task task, PropertyWords words) {
    ModelShape shape = ModelShape.demo(TOKENIZER.size());
    int right = 0;
    try (PointerScope scope = new PointerScope();
        AutoGradMode off = new AutoGradMode(false);
        Weights weights = new Weights(shape, words, 1)) {
      Network network = new Network(weights, false);
      for (int n = 0; n < ASKED; n++) {
        try (PointerScope inner = new PointerScope()) {
          Item item = Items.of(Split.VALIDATION, task, n);
          Batch batch = Batch.of(List.of(Sequence.chat(TOKENIZER, item)), shape, TOKENIZER);
          Tensor rows = Losses.rows(network, batch, Losses.imageTokens(network, batch, shape), shape);
          Tensor row = rows.index_select(0, AbstractTensor.create(new long[] {batch.picked()[0]}, 1));
          float[] logits = Weights.toArray(network.logits(row).contiguous());
          int best = 0;
          for (int id = 1; id < logits.length; id++) {
            best = logits[id] > logits[best] ? id : best;
          }
          right += best == batch.targets()[0] ? 1 : 0;
        }
      }
    }
    return right / (double) ASKED;
  }

  @ParameterizedTest
  @CsvSource({
      "VQA_COLOUR,0.75", "VQA_SHAPE,0.75", "VQA_COUNT,0.85", "VQA_WHERE,0.6", "MULTI_SAME,0.9", "MULTI_CHANGED,0.6",
      "ICL_LABEL_4,0.75", "ICL_LABEL_8,0.65"
  })
  void anUntrainedModelFindsCountsComparesAndLooksUpLabels(Task task, double least) {
    double with = right(task, PropertyWords.of(TOKENIZER));
    double without = right(task, PropertyWords.NONE);
    assertTrue(with >= least && without < 0.2, with + ", and " + without + " without words of properties");
  }
}
