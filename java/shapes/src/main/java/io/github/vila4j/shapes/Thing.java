// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

/**
 * One thing of a scene.
 *
 * @param shape what it is
 * @param colour its colour
 * @param texture how it is filled
 * @param large or small
 * @param place the part of the image it is in
 * @param dx how far its centre is to the right of the place's middle, in parts of the image's width
 * @param dy how far below, in parts of the height
 * @param radius in parts of the image's shorter side
 */
public record Thing(Shape shape, Colour colour, Texture texture, boolean large, Place place, double dx, double dy, double radius) {
  /**
   * The size.
   *
   * @return "large" or "small"
   */
  public String sizeWord() {
    return large ? "large" : "small";
  }

  /**
   * The thing with its size and looks, without an article.
   *
   * @return for example "small striped red circle"
   */
  public String phrase() {
    return sizeWord() + " " + (texture == Texture.SOLID ? "" : texture.word() + " ") + colour.word() + " " + shape.word();
  }

  /**
   * The middle.
   *
   * @return in parts of the image's width, from the left
   */
  public double centreX() {
    return (place.column() * 2 + 1) / 6.0 + dx;
  }

  /**
   * The middle.
   *
   * @return in parts of the image's height, from the top
   */
  public double centreY() {
    return (place.row() * 2 + 1) / 6.0 + dy;
  }

  /** The same thing in another shape. */
  Thing with(Shape other) {
    return new Thing(other, colour, texture, large, place, dx, dy, radius);
  }

  /** The same thing in another colour. */
  Thing with(Colour other) {
    return new Thing(shape, other, texture, large, place, dx, dy, radius);
  }

  /** The same thing filled in another way. */
  Thing with(Texture other) {
    return new Thing(shape, colour, other, large, place, dx, dy, radius);
  }

  /** The same thing elsewhere. */
  Thing with(Place other) {
    return new Thing(shape, colour, texture, large, other, dx, dy, radius);
  }

  /** The same thing, large or small with this radius. */
  Thing with(boolean isLarge, double newRadius) {
    return new Thing(shape, colour, texture, isLarge, place, dx, dy, newRadius);
  }
}
