// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

import java.util.Locale;

/** How a thing is filled. */
public enum Texture {
  /** Evenly. */
  SOLID,
  /** With pale stripes. */
  STRIPED,
  /** With pale dots. */
  DOTTED;

  /**
   * The name.
   *
   * @return for example "striped"
   */
  public String word() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * Whether a point has the pale second colour.
   *
   * @param x to the right, in units of the radius from the centre
   * @param y down, likewise
   * @return true on a stripe or dot
   */
  boolean isPale(double x, double y) {
    return switch (this) {
      case SOLID -> false;
      case STRIPED -> fraction((x + y) * 1.15 + 10.3) < 0.42;
      case DOTTED -> {
        double u = fraction(x * 1.45 + 10.5) - 0.5;
        double v = fraction(y * 1.45 + 10.5) - 0.5;
        yield u * u + v * v < 0.075;
      }
    };
  }

  private static double fraction(double value) {
    return value - (long) value;
  }
}
