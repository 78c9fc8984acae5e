// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import java.util.Arrays;
import java.util.List;

/**
 * A matrix that lies row by row in an array of values, whose first values are set.
 *
 * @param values the array, changed
 * @param offset of the first element
 * @param rows outputs
 * @param columns inputs
 */
record Matrix(float[] values, int offset, int rows, int columns) {
  /** The matrix of a weight. */
  static Matrix of(float[] values, List<Weights.Entry> entries, Part part, String name) {
    Weights.Entry entry = entries.stream().filter(e -> e.part() == part && e.name().equals(name)).findFirst().orElseThrow();
    return new Matrix(values, (int) entry.offset(), (int) entry.shape()[0], (int) entry.shape()[1]);
  }

  double[] row(int row) {
    double[] vector = new double[columns];
    for (int i = 0; i < columns; i++) {
      vector[i] = values[offset + row * columns + i];
    }
    return vector;
  }

  void add(int row, double[] vector, double scale) {
    for (int i = 0; i < columns; i++) {
      values[offset + row * columns + i] += (float) (scale * vector[i]);
    }
  }

  void addColumn(int column, double[] vector, double scale) {
    for (int row = 0; row < vector.length; row++) {
      values[offset + row * columns + column] += (float) (scale * vector[row]);
    }
  }

  /** Multiplies some rows. */
  void scale(int from, int count, float factor) {
    for (int i = offset + from * columns; i < offset + (from + count) * columns; i++) {
      values[i] *= factor;
    }
  }

  void clearColumns(int from, int count) {
    for (int i = offset; i < offset + rows * columns; i += columns) {
      Arrays.fill(values, i + from, i + from + count, 0);
    }
  }

  /** Takes what is written along orthonormal directions away. */
  void removeOutputs(double[][] directions) {
    for (double[] direction : directions) {
      for (int column = 0; column < columns; column++) {
        double part = 0;
        for (int row = 0; row < rows; row++) {
          part += values[offset + row * columns + column] * direction[row];
        }
        addColumn(column, direction, -part);
      }
    }
  }
}
