// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

/** Which part of the world an item belongs to; seeds of different parts never meet. */
public enum Split {
  /** What a model learns from. */
  TRAIN,
  /** What is looked at while it learns; pairs of colour and shape as in training. */
  VALIDATION,
  /** What it is judged by; about a third of the things have pairs of colour and shape that training never shows. */
  TEST;

  /**
   * The seed of an item.
   *
   * @param stream the run, stage or task that the item is for
   * @param index its number there
   * @return a seed
   */
  public long seed(long stream, long index) {
    return Rng.mix(ordinal() + 1, stream, index);
  }
}
