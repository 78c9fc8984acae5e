// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

import java.util.Locale;

/** What a thing is. */
public enum Shape {
  /** A disc. */
  CIRCLE,
  /** An upright square. */
  SQUARE,
  /** A triangle with its tip up. */
  TRIANGLE,
  /** A star of five points. */
  STAR,
  /** A cross of two bars. */
  CROSS,
  /** A disc with a hole. */
  RING,
  /** A heart. */
  HEART;

  /** The corners of a star of five points, the outer ones on the unit circle and the first at its top. */
  private static final double[][] STAR_CORNERS = {
    {0, -1}, {0.2245, -0.3090}, {0.9511, -0.3090}, {0.3633, 0.1180}, {0.5878, 0.8090},
    {0, 0.3820}, {-0.5878, 0.8090}, {-0.3633, 0.1180}, {-0.9511, -0.3090}, {-0.2245, -0.3090}
  };

  /**
   * The name.
   *
   * @return for example "cross"
   */
  public String word() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * The name of several.
   *
   * @return for example "crosses"
   */
  public String plural() {
    return this == CROSS ? "crosses" : word() + "s";
  }

  /**
   * Whether a point belongs to the shape.
   *
   * @param x to the right, in units of the radius from the centre
   * @param y down, likewise
   * @return true inside
   */
  boolean contains(double x, double y) {
    double square = x * x + y * y;
    return switch (this) {
      case CIRCLE -> square <= 0.95;
      case SQUARE -> Math.abs(x) <= 0.84 && Math.abs(y) <= 0.84;
      case TRIANGLE -> y <= 0.8 && y >= -0.95 && Math.abs(x) <= (y + 0.95) / 1.75;
      case STAR -> inStar(x, y);
      case CROSS -> Math.abs(x) <= 0.3 && Math.abs(y) <= 0.95 || Math.abs(y) <= 0.3 && Math.abs(x) <= 0.95;
      case RING -> square <= 1 && square >= 0.3;
      case HEART -> inHeart(x * 1.2, (0.15 - y) * 1.2);
    };
  }

  /** Even-odd rule. */
  private static boolean inStar(double x, double y) {
    boolean inside = false;
    for (int i = 0, j = STAR_CORNERS.length - 1; i < STAR_CORNERS.length; j = i++) {
      double[] a = STAR_CORNERS[i];
      double[] b = STAR_CORNERS[j];
      if (a[1] > y != b[1] > y && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0]) {
        inside = !inside;
      }
    }
    return inside;
  }

  /** The curve (x^2 + y^2 - 1)^3 = x^2 y^3. */
  private static boolean inHeart(double x, double y) {
    double a = x * x + y * y - 1;
    return a * a * a <= x * x * y * y * y;
  }
}
