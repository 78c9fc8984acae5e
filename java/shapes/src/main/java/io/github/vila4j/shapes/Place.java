// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

/** One of the nine parts of an image, row by row. */
public enum Place {
  /** Above and to the left. */
  TOP_LEFT("top left"),
  /** Above. */
  TOP("top"),
  /** Above and to the right. */
  TOP_RIGHT("top right"),
  /** To the left. */
  LEFT("left"),
  /** In the middle. */
  CENTRE("centre"),
  /** To the right. */
  RIGHT("right"),
  /** Below and to the left. */
  BOTTOM_LEFT("bottom left"),
  /** Below. */
  BOTTOM("bottom"),
  /** Below and to the right. */
  BOTTOM_RIGHT("bottom right");

  private final String words;

  Place(String words) {
    this.words = words;
  }

  /**
   * The name.
   *
   * @return for example "top left"
   */
  public String words() {
    return words;
  }

  /**
   * The name as the place of something.
   *
   * @return for example "at the top left"
   */
  public String phrase() {
    return (this == CENTRE ? "in the " : "at the ") + words;
  }

  /** 0 to 2, from the left. */
  int column() {
    return ordinal() % 3;
  }

  /** 0 to 2, from the top. */
  int row() {
    return ordinal() / 3;
  }
}
