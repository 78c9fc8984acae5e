// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Predicate;

/** Makes up scenes. Not thread-safe. */
final class SceneMaker {
  private static final int[][] SIZES = {
    {112, 112}, {112, 112}, {128, 128}, {144, 112}, {112, 144}, {128, 112}, {112, 128}, {160, 128}, {120, 150}, {96, 96}
  };
  private static final double HELD_OUT_SHARE = 0.3;

  /** Which pairs of colour and shape things have. */
  enum Pairs {
    /** Those that training draws. */
    DRAWN,
    /** All alike. */
    ALL,
    /** All, those that training never draws more often. */
    MORE_HELD_OUT
  }

  private final Rng rng;
  private final Pairs pairs;

  SceneMaker(Rng rng, Pairs pairs) {
    this.rng = rng;
    this.pairs = pairs;
  }

  /** A thing anywhere. */
  Thing thing() {
    return thing(any -> true);
  }

  /** A thing whose looks are accepted; its place is arbitrary. */
  Thing thing(Predicate<Thing> accepted) {
    boolean wantsHeldOut = pairs == Pairs.MORE_HELD_OUT && rng.chance(HELD_OUT_SHARE);
    for (int attempt = 0; ; attempt++) {
      boolean large = rng.chance(0.5);
      Thing thing =
          new Thing(
              rng.pick(Shape.values()), rng.pick(Colour.values()), texture(), large, rng.pick(Place.values()), jitter(), jitter(),
              radius(large));
      boolean isHeldOut = thing.colour().heldOutOn(thing.shape());
      boolean wanted = isHeldOut || !wantsHeldOut || attempt > 500;
      if (wanted && (!isHeldOut || pairs != Pairs.DRAWN) && accepted.test(thing)) {
        return thing;
      }
    }
  }

  /** A radius of a large or small thing. */
  double radius(boolean large) {
    return large ? rng.between(0.125, 0.15) : rng.between(0.075, 0.092);
  }

  private Texture texture() {
    return rng.chance(0.5) ? Texture.SOLID : rng.pick(Texture.STRIPED, Texture.DOTTED);
  }

  private double jitter() {
    return rng.between(-0.03, 0.03);
  }

  /** Things in an image of any size, each moved to a place of its own; at most nine. */
  Scene scene(List<Thing> things) {
    List<Place> places = rng.shuffled(Arrays.asList(Place.values()));
    List<Thing> placed = new ArrayList<>();
    for (Thing thing : things) {
      placed.add(thing.with(places.get(placed.size())));
    }
    return scene(placed, "", -1);
  }

  /** Some things of any kind. */
  Scene scene(int count) {
    return scene(count, any -> true);
  }

  /** Some things of an accepted kind. */
  Scene scene(int count, Predicate<Thing> accepted) {
    List<Thing> things = new ArrayList<>();
    while (things.size() < count) {
      things.add(thing(accepted));
    }
    return scene(things);
  }

  /** Some things and a text in a row of places that they leave free. */
  Scene written(int count, String text) {
    int row = rng.below(3);
    List<Place> places = rng.shuffled(Arrays.stream(Place.values()).filter(place -> place.row() != row).toList());
    List<Thing> things = new ArrayList<>();
    while (things.size() < count) {
      things.add(thing().with(places.get(things.size())));
    }
    return scene(things, text, row);
  }

  private Scene scene(List<Thing> placed, String text, int row) {
    int[] size = SIZES[rng.below(SIZES.length)];
    return new Scene(placed, text, row, size[0], size[1], rng.nextLong());
  }

  /** A word or a number of one to three digits. */
  String text() {
    return rng.chance(0.7) ? rng.pick(Words.WRITTEN) : Integer.toString(rng.below(rng.pick(10, 100, 1000)));
  }

  /** A scene of any kind: one to {@code most} things, sometimes a text and at most three. */
  Scene any(int most) {
    return rng.chance(0.12) ? written(rng.below(Math.min(3, most) + 1), text()) : scene(rng.between(1, most));
  }

  Rng rng() {
    return rng;
  }
}
