// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vila4j.shapes.Item;
import io.github.vila4j.shapes.Items;
import io.github.vila4j.shapes.Split;
import io.github.vila4j.shapes.Task;
import io.github.vila4j.shapes.text.BytePairs;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AbstractTensor;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** What an untrained model's last states before an answer hold of images in words. */
class FirstValuesTest {
  private static final BytePairs TOKENIZER = TokenizerFiles.learn();
  private static final int LEARNT = 400;
  private static final int ASKED = 150;
  private static final double RIDGE = 1e-3;

  /** Operations of this size are slower with more. */
  @BeforeAll
  static void oneThread() {
    torch.set_num_threads(1);
  }

  /** The states before the answers of some items, [items][hidden]. */
  private static float[][] states(List<Item> items, PropertyWords words) {
    ModelShape shape = ModelShape.demo(TOKENIZER.size());
    float[][] states = new float[items.size()][];
    try (PointerScope scope = new PointerScope();
        AutoGradMode off = new AutoGradMode(false);
        Weights weights = new Weights(shape, words, 1)) {
      Network network = new Network(weights, false);
      for (int n = 0; n < states.length; n++) {
        try (PointerScope inner = new PointerScope()) {
          Batch batch = Batch.of(List.of(Sequence.chat(TOKENIZER, items.get(n))), shape, TOKENIZER);
          Tensor rows = Losses.rows(network, batch, Losses.imageTokens(network, batch, shape), shape);
          states[n] = Weights.toArray(rows.index_select(0, AbstractTensor.create(new long[] {batch.picked()[0]}, 1)).contiguous());
        }
      }
    }
    return states;
  }

  /**
   * How well a count is a linear function of the states: the correlation with what a ridge regression over the first items says
   * of the others.
   */
  private static double told(List<Item> items, PropertyWords words) {
    float[][] states = states(items, words);
    int size = states[0].length + 1;
    float[] rows = new float[items.size() * size];
    float[] values = new float[items.size()];
    for (int n = 0; n < items.size(); n++) {
      System.arraycopy(states[n], 0, rows, n * size, size - 1);
      rows[(n + 1) * size - 1] = 1;
      values[n] = Float.parseFloat(items.get(n).expected());
    }
    try (PointerScope scope = new PointerScope()) {
      Tensor all = AbstractTensor.create(rows, items.size(), size);
      Tensor x = all.narrow(0, 0, LEARNT);
      Tensor y = AbstractTensor.create(values, items.size(), 1);
      Tensor squares = x.t().matmul(x);
      Tensor ridge = torch.eye(size).mul(new Scalar(RIDGE)).mul(squares.trace()).div(new Scalar((double) size));
      Tensor solution = torch.linalg_solve(squares.add(ridge), x.t().matmul(y.narrow(0, 0, LEARNT)));
      Tensor said = all.narrow(0, LEARNT, ASKED).matmul(solution);
      Tensor both = torch.cat(new TensorVector(said, y.narrow(0, LEARNT, ASKED)), 1);
      return Weights.toArray(torch.corrcoef(both.t()).contiguous())[1];
    }
  }

  @Test
  void anUntrainedModelCountsThingsOfAKind() {
    List<Item> items = new ArrayList<>();
    for (int i = 0; items.size() < LEARNT + ASKED; i++) {
      Item item = Items.of(Split.VALIDATION, Task.VQA_COUNT, i);
      if (!item.turns().get(0).question().contains("many shapes")) {
        items.add(item);
      }
    }
    double with = told(items, PropertyWords.of(TOKENIZER));
    double without = told(items, PropertyWords.NONE);
    assertTrue(with > 0.82 && without < 0.78, with + ", and " + without + " without words of properties");
  }
}
