// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import io.github.vila4j.shapes.Accuracy;
import io.github.vila4j.shapes.Item;
import io.github.vila4j.shapes.Task;

/**
 * What became of the items of one task.
 *
 * @param own right answers by PyTorch
 * @param heldOut those to items that show pairs of colour and shape that training never showed
 * @param engine right answers by the engine; none asked where it was not
 * @param same answers of both that are the same, letter by letter
 */
record Verdict(Accuracy own, Accuracy heldOut, Accuracy engine, Accuracy same) {
  /** The least share of answers that must be the same. */
  static final double LEAST_SAME = 0.995;

  static final Verdict NONE = new Verdict(new Accuracy(0, 0), new Accuracy(0, 0), new Accuracy(0, 0), new Accuracy(0, 0));

  /** One more item; {@code byEngine} is null where the engine was not asked. */
  Verdict plus(Item item, String answer, String byEngine) {
    boolean right = Task.isRight(item, answer);
    return new Verdict(
        own.plus(right), item.hasHeldOut() ? heldOut.plus(right) : heldOut,
        byEngine == null ? engine : engine.plus(Task.isRight(item, byEngine)),
        byEngine == null ? same : same.plus(byEngine.equals(answer)));
  }

  boolean agrees() {
    return same.share() >= LEAST_SAME;
  }
}
