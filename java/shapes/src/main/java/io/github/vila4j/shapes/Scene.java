// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

import java.util.List;
import java.util.stream.Collectors;

/**
 * What an image shows. Immutable.
 *
 * @param things in reading order, each in a place of its own
 * @param text what is written in the image, or empty
 * @param textRow the row of places that the text takes, 0 to 2; -1 without text
 * @param width of the image in pixels
 * @param height of the image in pixels
 * @param seed decides the background, the clutter, the noise and how the text lies
 */
public record Scene(List<Thing> things, String text, int textRow, int width, int height, long seed) {
  /**
   * Copies the list.
   *
   * @param things in reading order
   * @param text what is written, or empty
   * @param textRow its row, or -1
   * @param width in pixels
   * @param height in pixels
   * @param seed any number
   */
  public Scene {
    things = things.stream().sorted((a, b) -> a.place().compareTo(b.place())).toList();
  }

  /**
   * Whether a colour and a shape that training keeps apart meet here.
   *
   * @return true when a thing has such a pair
   */
  public boolean hasHeldOut() {
    return things.stream().anyMatch(thing -> thing.colour().heldOutOn(thing.shape()));
  }

  /**
   * The whole scene in words.
   *
   * @return for example "a small red circle at the left and a large blue star at the top"
   */
  public String caption() {
    List<String> parts =
        things.stream().map(thing -> "a " + thing.phrase() + " " + thing.place().phrase()).collect(Collectors.toList());
    if (!text.isEmpty()) {
      parts.add("the text " + text);
    }
    if (parts.isEmpty()) {
      return "nothing";
    }
    String last = parts.remove(parts.size() - 1);
    return parts.isEmpty() ? last : String.join(", ", parts) + " and " + last;
  }

  /**
   * How many things there are and what the first of them is.
   *
   * @return for example "2 striped red circle"; "0" without things
   */
  public String summary() {
    if (things.isEmpty()) {
      return "0";
    }
    Thing first = things.get(0);
    String texture = first.texture() == Texture.SOLID ? "" : first.texture().word() + " ";
    return things.size() + " " + texture + first.colour().word() + " " + first.shape().word();
  }

  /** The same scene with other things. */
  Scene with(List<Thing> others, long newSeed) {
    return new Scene(others, text, textRow, width, height, newSeed);
  }
}
