// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

import java.util.Locale;

/** The colour of a thing. */
public enum Colour {
  /** Red. */
  RED(214, 32, 38),
  /** Orange. */
  ORANGE(245, 134, 20),
  /** Yellow. */
  YELLOW(240, 216, 30),
  /** Green. */
  GREEN(34, 145, 58),
  /** Cyan. */
  CYAN(45, 200, 214),
  /** Blue. */
  BLUE(32, 64, 205),
  /** Purple. */
  PURPLE(126, 40, 160),
  /** Pink. */
  PINK(246, 140, 190),
  /** Black. */
  BLACK(22, 22, 24);

  private final int red;
  private final int green;
  private final int blue;

  Colour(int red, int green, int blue) {
    this.red = red;
    this.green = green;
    this.blue = blue;
  }

  /**
   * The name.
   *
   * @return for example "red"
   */
  public String word() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Red, green and blue, 0 to 255. */
  int[] rgb() {
    return new int[] {red, green, blue};
  }

  /**
   * Whether this colour on that shape is kept out of training.
   *
   * @param shape the shape
   * @return true for one colour of each shape
   */
  public boolean heldOutOn(Shape shape) {
    return ordinal() == (2 * shape.ordinal() + 1) % values().length;
  }
}
