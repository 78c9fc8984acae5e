// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import java.util.Arrays;

/** Numbers with a shape: row-major float32. Immutable. */
public final class FloatTensor {
  private final long[] shape;
  private final float[] values;

  FloatTensor(long[] shape, float[] values) {
    this.shape = shape;
    this.values = values;
  }

  /**
   * The length of each dimension.
   *
   * @return a copy
   */
  public long[] shape() {
    return shape.clone();
  }

  /**
   * The numbers, row by row.
   *
   * @return a copy
   */
  public float[] values() {
    return values.clone();
  }

  /** The shape, for people. */
  @Override
  public String toString() {
    return "float32" + Arrays.toString(shape);
  }
}
