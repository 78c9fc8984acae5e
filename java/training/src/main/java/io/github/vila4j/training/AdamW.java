// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import static org.bytedeco.pytorch.global.torch.cat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AbstractTensor;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, 2019) and clipping of the gradient's norm. Vectors do not decay.
 */
final class AdamW implements AutoCloseable {
  private static final double BETA1 = 0.9;
  private static final double BETA2 = 0.95;
  private static final double EPS = 1e-8;
  private static final double DECAY = 0.02;
  private static final double CLIP = 1;

  /** A part's place in the array of all weights. */
  private record Range(long offset, long size, List<Weights.Entry> entries) {}

  private final Weights weights;
  private final List<Range> ranges = new ArrayList<>();
  private final Tensor mean;
  private final Tensor square;
  private final Tensor decays;
  private int steps;

  AdamW(Weights weights, Set<Part> parts) {
    this.weights = weights;
    float[] decaying = new float[(int) weights.flat().numel()];
    for (Part part : Part.values()) {
      List<Weights.Entry> entries = weights.entries().stream().filter(entry -> entry.part() == part).toList();
      for (Weights.Entry entry : entries) {
        if (entry.shape().length > 1) {
          Arrays.fill(decaying, (int) entry.offset(), (int) entry.offset() + entry.size(), 1);
        }
      }
      if (parts.contains(part)) {
        Weights.Entry last = entries.get(entries.size() - 1);
        long offset = entries.get(0).offset();
        ranges.add(new Range(offset, last.offset() + last.size() - offset, entries));
      }
    }
    try (PointerScope scope = new PointerScope()) {
      mean = AbstractTensor.create(new float[decaying.length], decaying.length);
      square = AbstractTensor.create(new float[decaying.length], decaying.length);
      decays = AbstractTensor.create(decaying, decaying.length);
      mean.retainReference();
      square.retainReference();
      decays.retainReference();
    }
  }

  /** One step with the gradients of the last backward pass, which are cleared; returns their norm before clipping. */
  double step(double rate) {
    steps++;
    try (PointerScope scope = new PointerScope();
        AutoGradMode off = new AutoGradMode(false)) {
      List<Tensor> gradients = new ArrayList<>();
      double total = 0;
      for (Range range : ranges) {
        Tensor gradient = gradient(range);
        double norm = gradient.norm().item_float();
        total += norm * norm;
        gradients.add(gradient);
      }
      double norm = Math.sqrt(total);
      if (!Double.isFinite(norm)) {
        throw new IllegalStateException("the gradient is not finite at step " + steps);
      }
      double clip = Math.min(1, CLIP / (norm + 1e-6));
      double correction1 = 1 - Math.pow(BETA1, steps);
      double correction2 = 1 - Math.pow(BETA2, steps);
      for (int i = 0; i < ranges.size(); i++) {
        Range range = ranges.get(i);
        Tensor gradient = gradients.get(i);
        Tensor m = mean.narrow(0, range.offset, range.size);
        Tensor v = square.narrow(0, range.offset, range.size);
        Tensor p = weights.flat().narrow(0, range.offset, range.size);
        m.mul_(new Scalar(BETA1)).add_(gradient, new Scalar((1 - BETA1) * clip));
        v.mul_(new Scalar(BETA2)).addcmul_(gradient, gradient, new Scalar((1 - BETA2) * clip * clip));
        Tensor spread = v.sqrt().mul_(new Scalar(1 / Math.sqrt(correction2))).add_(new Scalar(EPS));
        p.addcmul_(p, decays.narrow(0, range.offset, range.size), new Scalar(-rate * DECAY));
        p.addcdiv_(m, spread, new Scalar(-rate / correction1));
      }
      return norm;
    }
  }

  private Tensor gradient(Range range) {
    TensorVector parts = new TensorVector();
    for (Weights.Entry entry : range.entries) {
      Tensor gradient = weights.get(entry.part(), entry.name()).mutable_grad();
      if (gradient.defined()) {
        parts.push_back(gradient.reshape(-1));
      } else {
        parts.push_back(torch.zeros(entry.size()));
      }
    }
    Tensor all = cat(parts, 0);
    for (Weights.Entry entry : range.entries) {
      Tensor gradient = weights.get(entry.part(), entry.name()).mutable_grad();
      if (gradient.defined()) {
        gradient.zero_();
      }
    }
    return all;
  }

  int steps() {
    return steps;
  }

  float[] mean() {
    return Weights.toArray(mean);
  }

  float[] square() {
    return Weights.toArray(square);
  }

  /** Goes on from a saved state. */
  void set(int stepCount, float[] means, float[] squares) {
    steps = stepCount;
    Weights.fill(mean, means);
    Weights.fill(square, squares);
  }

  @Override
  public void close() {
    mean.close();
    square.close();
    decays.close();
  }
}
