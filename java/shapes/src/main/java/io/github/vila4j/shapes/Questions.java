// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.function.Predicate;

/** Asks about one scene. Each method returns null where the scene has nothing to ask about in that way. */
final class Questions {
  private Questions() {}

  private static String colourWord(Rng rng) {
    return rng.chance(0.75) ? "colour" : "color";
  }

  /** The things that alone have what {@code same} compares. */
  private static List<Thing> unique(Scene scene, Function<Thing, Object> same) {
    List<Thing> found = new ArrayList<>();
    for (Thing thing : scene.things()) {
      if (scene.things().stream().filter(other -> same.apply(other).equals(same.apply(thing))).count() == 1) {
        found.add(thing);
      }
    }
    return found;
  }

  private static Turn count(Scene scene, String what, Predicate<Thing> accepted) {
    return new Turn("How many " + what + " are there?", Long.toString(scene.things().stream().filter(accepted).count()));
  }

  static Turn caption(Rng rng, Scene scene) {
    return new Turn(rng.pick("Describe the image.", "What is in the image?", "What do you see?"), scene.caption());
  }

  static Turn colour(Rng rng, Scene scene) {
    List<Thing> things = unique(scene, Thing::shape);
    if (things.isEmpty() || rng.chance(0.2)) {
      if (scene.things().isEmpty()) {
        return null;
      }
      Thing thing = rng.pick(scene.things());
      String what = thing.shape().word() + " " + thing.place().phrase();
      return new Turn("What " + colourWord(rng) + " is the " + what + "?", thing.colour().word());
    }
    Thing thing = rng.pick(things);
    return new Turn("What " + colourWord(rng) + " is the " + thing.shape().word() + "?", thing.colour().word());
  }

  static Turn shape(Rng rng, Scene scene) {
    List<Thing> things = unique(scene, Thing::colour);
    if (things.isEmpty() || rng.chance(0.3)) {
      if (scene.things().isEmpty()) {
        return null;
      }
      Thing thing = rng.pick(scene.things());
      return new Turn("What shape is " + thing.place().phrase() + "?", thing.shape().word());
    }
    Thing thing = rng.pick(things);
    String colour = thing.colour().word();
    return new Turn(rng.pick("What shape is " + colour + "?", "What is the " + colour + " shape?"), thing.shape().word());
  }

  static Turn countOf(Rng rng, Scene scene, Thing like) {
    return switch (rng.below(3)) {
      case 0 -> count(scene, "shapes", t -> true);
      case 1 -> count(scene, like.shape().plural(), t -> t.shape() == like.shape());
      default -> count(scene, like.colour().word() + " shapes", t -> t.colour() == like.colour());
    };
  }

  static Turn count(Rng rng, Scene scene, SceneMaker maker) {
    return countOf(rng, scene, scene.things().isEmpty() || rng.chance(0.2) ? maker.thing() : rng.pick(scene.things()));
  }

  /** A question that can be answered whatever the colours are. */
  static Turn ofShapes(Rng rng, Scene scene, SceneMaker maker) {
    Thing like = scene.things().isEmpty() || rng.chance(0.2) ? maker.thing() : rng.pick(scene.things());
    List<Thing> alone = unique(scene, Thing::shape);
    int kind = scene.things().isEmpty() ? 0 : rng.below(6);
    if (kind == 4 && scene.things().contains(like)) {
      return new Turn("What shape is " + like.place().phrase() + "?", like.shape().word());
    }
    if (kind == 5 && !alone.isEmpty()) {
      Thing thing = rng.pick(alone);
      return new Turn("Where is the " + thing.shape().word() + "?", thing.place().words());
    }
    return kind == 0 ? count(scene, "shapes", t -> true) : count(scene, like.shape().plural(), t -> t.shape() == like.shape());
  }

  static Turn where(Rng rng, Scene scene) {
    List<Thing> shapes = unique(scene, Thing::shape);
    List<Thing> colours = unique(scene, Thing::colour);
    List<Thing> pairs = unique(scene, t -> t.colour().word() + t.shape().word());
    int kind = rng.below(3);
    if (kind == 0 && !shapes.isEmpty()) {
      Thing thing = rng.pick(shapes);
      return new Turn("Where is the " + thing.shape().word() + "?", thing.place().words());
    }
    if (kind == 1 && !colours.isEmpty()) {
      Thing thing = rng.pick(colours);
      return new Turn("Where is the " + thing.colour().word() + " shape?", thing.place().words());
    }
    if (pairs.isEmpty()) {
      return null;
    }
    Thing thing = rng.pick(pairs);
    return new Turn("Where is the " + thing.colour().word() + " " + thing.shape().word() + "?", thing.place().words());
  }

  static Turn relation(Rng rng, Scene scene) {
    List<Thing> things = rng.shuffled(unique(scene, Thing::shape));
    for (int i = 0; i + 1 < things.size(); i++) {
      Thing a = things.get(i);
      Thing b = things.get(i + 1);
      boolean across = a.place().column() != b.place().column();
      boolean along = a.place().row() != b.place().row();
      if (across && (!along || rng.chance(0.5))) {
        boolean left = rng.chance(0.5);
        boolean right = left == a.place().column() < b.place().column();
        return yesNo("Is the " + a.shape().word() + (left ? " left of the " : " right of the ") + b.shape().word() + "?", right);
      }
      if (along) {
        boolean above = rng.chance(0.5);
        boolean right = above == a.place().row() < b.place().row();
        return yesNo("Is the " + a.shape().word() + (above ? " above the " : " below the ") + b.shape().word() + "?", right);
      }
    }
    return null;
  }

  private static Turn yesNo(String question, boolean answer) {
    return new Turn(question, answer ? "yes" : "no");
  }

  static Turn read(Rng rng, Scene scene) {
    return scene.text().isEmpty() ? null : new Turn(rng.pick("What does the text say?", "Read the text."), scene.text());
  }

  static Turn look(Rng rng, Scene scene) {
    List<Thing> things = unique(scene, Thing::shape);
    if (things.isEmpty()) {
      return null;
    }
    Thing thing = rng.pick(things);
    return rng.chance(0.5)
        ? new Turn("Is the " + thing.shape().word() + " solid, striped or dotted?", thing.texture().word())
        : new Turn("Is the " + thing.shape().word() + " large or small?", thing.sizeWord());
  }

  /** Any question that the scene allows, captions included. */
  static Turn any(SceneMaker maker, Scene scene) {
    Rng rng = maker.rng();
    while (true) {
      Turn turn =
          switch (rng.below(18)) {
            case 0, 1 -> caption(rng, scene);
            case 2, 3, 4 -> colour(rng, scene);
            case 5, 6, 7 -> shape(rng, scene);
            case 8, 9, 10 -> count(rng, scene, maker);
            case 11, 12, 13 -> where(rng, scene);
            case 14, 15 -> relation(rng, scene);
            case 16 -> look(rng, scene);
            default -> read(rng, scene);
          };
      if (turn != null) {
        return turn;
      }
    }
  }
}
