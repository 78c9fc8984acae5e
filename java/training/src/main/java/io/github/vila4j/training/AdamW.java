// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AbstractTensor;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, 2019) and clipping of the gradient's norm. Vectors do not decay.
 */
final class AdamW implements AutoCloseable {
  private static final double BETA1 = 0.9;
  private static final double BETA2 = 0.95;
  private static final double EPS = 1e-8;
  private static final double DECAY = 0.02;
  private static final double CLIP = 1;

  /** A weight that is changed: its values, their mean and mean square gradients. */
  private record Slot(Weights.Entry entry, double pace, Tensor value, Tensor mean, Tensor square) {
    boolean decays() {
      return entry.shape().length > 1;
    }
  }

  private final Tensor mean;
  private final Tensor square;
  private final List<Slot> slots = new ArrayList<>();
  private int steps;

  /** {@code pace} is a weight's part of the rate. */
  AdamW(Weights weights, Set<Part> parts, ToDoubleFunction<Weights.Entry> pace) {
    long length = weights.flat().numel();
    try (PointerScope scope = new PointerScope()) {
      mean = AbstractTensor.create(new float[(int) length], length);
      square = AbstractTensor.create(new float[(int) length], length);
      mean.retainReference();
      square.retainReference();
      for (Weights.Entry entry : weights.entries()) {
        if (parts.contains(entry.part())) {
          slots.add(new Slot(entry, pace.applyAsDouble(entry), part(weights.flat(), entry), part(mean, entry), part(square, entry)));
        }
      }
    }
  }

  private static Tensor part(Tensor all, Weights.Entry entry) {
    Tensor part = all.narrow(0, entry.offset(), entry.size());
    part.retainReference();
    return part;
  }

  /**
   * One step with the sum of the views' gradients, which are cleared. The work is shared out by weights, so that the result does not
   * depend on the number of workers.
   *
   * @return the gradient's norm before clipping
   */
  double step(double rate, List<Weights> views, Workers workers) {
    steps++;
    double total = workers.sum(slots.size(), i -> gather(slots.get(i).entry, views));
    double norm = Math.sqrt(total);
    if (!Double.isFinite(norm)) {
      throw new IllegalStateException("the gradient is not finite at step " + steps);
    }
    double clip = Math.min(1, CLIP / (norm + 1e-6));
    workers.each(slots.size(), i -> change(slots.get(i), views.get(0), rate * slots.get(i).pace, clip));
    return norm;
  }

  /** Adds the views' gradients of a weight to that of the first; returns the square of the sum's norm. */
  private static double gather(Weights.Entry entry, List<Weights> views) {
    try (PointerScope scope = new PointerScope();
        AutoGradMode off = new AutoGradMode(false)) {
      Tensor sum = views.get(0).get(entry.part(), entry.name()).mutable_grad();
      for (Weights view : views.subList(1, views.size())) {
        Tensor gradient = view.get(entry.part(), entry.name()).mutable_grad();
        if (gradient.defined()) {
          if (sum.defined()) {
            sum.add_(gradient);
          } else {
            sum.put(gradient);
          }
          gradient.reset();
        }
      }
      double norm = sum.defined() ? sum.norm().item_float() : 0;
      return norm * norm;
    }
  }

  private void change(Slot slot, Weights view, double rate, double clip) {
    try (PointerScope scope = new PointerScope();
        AutoGradMode off = new AutoGradMode(false)) {
      Tensor held = view.get(slot.entry.part(), slot.entry.name()).mutable_grad();
      slot.mean.mul_(new Scalar(BETA1));
      slot.square.mul_(new Scalar(BETA2));
      if (held.defined()) {
        Tensor gradient = held.reshape(-1);
        slot.mean.add_(gradient, new Scalar((1 - BETA1) * clip));
        slot.square.addcmul_(gradient, gradient, new Scalar((1 - BETA2) * clip * clip));
        held.reset();
      }
      Tensor spread = slot.square.sqrt().mul_(new Scalar(1 / Math.sqrt(1 - Math.pow(BETA2, steps)))).add_(new Scalar(EPS));
      if (slot.decays()) {
        slot.value.mul_(new Scalar(1 - rate * DECAY));
      }
      slot.value.addcdiv_(slot.mean, spread, new Scalar(-rate / (1 - Math.pow(BETA1, steps))));
    }
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
    for (Slot slot : slots) {
      slot.value.close();
      slot.mean.close();
      slot.square.close();
    }
    mean.close();
    square.close();
  }
}
