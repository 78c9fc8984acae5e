// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.DoubleStream;

/** Directions in the space of a token, drawn from a seed. Not thread-safe. */
final class Directions {
  private final int size;
  private final Random random;

  Directions(int size, long seed) {
    this.size = size;
    random = new Random(seed);
  }

  /** Any direction. */
  double[] any() {
    return unit(normal());
  }

  /** Orthonormal vectors at right angles to {@code others}, which are orthonormal. */
  double[][] apart(int count, double[]... others) {
    if (count > size - others.length) {
      throw new IllegalArgumentException(count + " directions beside " + others.length + ", expected at most " + size + " in all");
    }
    double[][] found = new double[count][];
    for (int n = 0; n < count; n++) {
      found[n] = rest(normal(), others, found, n);
    }
    return found;
  }

  private double[] normal() {
    return DoubleStream.generate(random::nextGaussian).limit(size).toArray();
  }

  /** What a vector has at right angles to others and to the first {@code count} of some more, at length 1. */
  static double[] rest(double[] vector, double[][] others, double[][] more, int count) {
    for (double[] other : others) {
      remove(vector, other);
    }
    for (int i = 0; i < count; i++) {
      remove(vector, more[i]);
    }
    return unit(vector);
  }

  static double[][] joined(double[][]... parts) {
    return Arrays.stream(parts).flatMap(Arrays::stream).toArray(double[][]::new);
  }

  /** Each direction, longer. */
  static double[][] times(double[][] directions, double scale) {
    return Arrays.stream(directions).map(d -> Arrays.stream(d).map(x -> scale * x).toArray()).toArray(double[][]::new);
  }

  static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  static void remove(double[] vector, double[] direction) {
    add(vector, direction, -dot(vector, direction));
  }

  static void add(double[] vector, double[] direction, double scale) {
    for (int i = 0; i < vector.length; i++) {
      vector[i] += scale * direction[i];
    }
  }

  static double[] unit(double[] vector) {
    double length = Math.sqrt(dot(vector, vector));
    return Arrays.stream(vector).map(v -> v / length).toArray();
  }
}
