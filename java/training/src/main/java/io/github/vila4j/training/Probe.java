// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import io.github.vila4j.shapes.Colour;
import io.github.vila4j.shapes.Scene;
import io.github.vila4j.shapes.Shape;
import io.github.vila4j.shapes.Texture;
import io.github.vila4j.shapes.Thing;
import io.github.vila4j.shapes.Words;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.ToIntFunction;

/**
 * What the heads of the first stage tell apart. Those of a patch: the thing it shows, whether it holds a thing's middle, how many
 * things are like it, and the text in its row. Those of the image, which its last four patches learn: how many things there are and
 * what all have in common.
 */
enum Probe {
  /** The colour of the thing that a patch shows; 0 for none. */
  COLOUR(1 + Colour.values().length),
  /** Its shape. */
  SHAPE(1 + Shape.values().length),
  /** Its texture. */
  TEXTURE(1 + Texture.values().length),
  /** 1 for small, 2 for large. */
  SIZE(3),
  /** 1 where a patch holds a thing's middle. */
  MIDDLE(2),
  /** How many things have the colour of the thing that a patch shows; 0 for none. */
  ALIKE_COLOUR(1 + ToldImages.MOST_ALIKE),
  /** How many have its shape. */
  ALIKE_SHAPE(1 + ToldImages.MOST_ALIKE),
  /** The word that is written in a patch's row; the last class is a number. */
  WORD(2 + Words.WRITTEN.size()),
  /** The first digit of a number that is written in a patch's row, plus 1. */
  DIGIT_1(11),
  /** Its second digit. */
  DIGIT_2(11),
  /** Its third digit. */
  DIGIT_3(11),
  /** How many things there are. */
  COUNT(10),
  /** The colour of all things, plus 1; 0 where they differ. */
  ALL_COLOUR(1 + Colour.values().length),
  /** Their shape. */
  ALL_SHAPE(1 + Shape.values().length),
  /** Their texture. */
  ALL_TEXTURE(1 + Texture.values().length),
  /** Their size. */
  ALL_SIZE(3);

  /** The label of a patch from which nothing is learnt. */
  static final long NOT_ASKED = -100;

  private final int classes;

  Probe(int classes) {
    this.classes = classes;
  }

  int classes() {
    return classes;
  }

  /**
   * How much its loss counts. That of a patch is a mean over patches that mostly show nothing, so that the others would outweigh it by
   * far.
   */
  double weight() {
    return ordinal() >= COUNT.ordinal() ? 0.07 : ordinal() >= WORD.ordinal() ? 0.2 : 1;
  }

  /** The name of its weights. */
  String key() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Sets the labels of a scene's patches, [probe][from + patch]; those of colours only where it is drawn in colours with a name. */
  static void label(Scene scene, boolean named, ModelShape shape, long[][] labels, int from) {
    for (int patch = 0; patch < shape.patches(); patch++) {
      patch(scene, shape.grid(), patch, labels, from + patch);
      if (!named && labels[COLOUR.ordinal()][from + patch] != 0) {
        labels[COLOUR.ordinal()][from + patch] = NOT_ASKED;
        labels[ALIKE_COLOUR.ordinal()][from + patch] = NOT_ASKED;
      }
    }
    for (Probe probe : values()) {
      if (probe.ordinal() < COUNT.ordinal()) {
        continue;
      }
      Arrays.fill(labels[probe.ordinal()], from, from + shape.patches(), NOT_ASKED);
      if (probe == ALL_COLOUR && !named) {
        continue;
      }
      int last = shape.grid() - 1;
      for (int row = last - 1; row <= last; row++) {
        for (int column = last - 1; column <= last; column++) {
          labels[probe.ordinal()][from + row * shape.grid() + column] = ofAll(probe, scene.things());
        }
      }
    }
  }

  private static long ofAll(Probe probe, List<Thing> things) {
    return switch (probe) {
      case COUNT -> things.size();
      case ALL_COLOUR -> common(things, thing -> thing.colour().ordinal());
      case ALL_SHAPE -> common(things, thing -> thing.shape().ordinal());
      case ALL_TEXTURE -> common(things, thing -> thing.texture().ordinal());
      default -> common(things, thing -> thing.large() ? 1 : 0);
    };
  }

  private static long common(List<Thing> things, ToIntFunction<Thing> property) {
    int[] values = things.stream().mapToInt(property).distinct().toArray();
    return values.length == 1 ? 1 + values[0] : 0;
  }

  /** A patch shows the nearest thing that reaches its middle, or whose middle it holds. */
  private static void patch(Scene scene, int grid, int patch, long[][] labels, int at) {
    double shorter = Math.min(scene.width(), scene.height());
    double x = (patch % grid + 0.5) / grid;
    double y = (patch / grid + 0.5) / grid;
    Thing shown = null;
    double nearest = Double.MAX_VALUE;
    for (Thing thing : scene.things()) {
      double dx = thing.centreX() - x;
      double dy = thing.centreY() - y;
      double distance = Math.hypot(dx * scene.width(), dy * scene.height()) / shorter;
      boolean holds = Math.abs(dx) <= 0.5 / grid && Math.abs(dy) <= 0.5 / grid;
      if ((distance < thing.radius() || holds) && distance < nearest) {
        shown = thing;
        nearest = distance;
      }
      if (holds) {
        labels[MIDDLE.ordinal()][at] = 1;
      }
    }
    if (shown != null) {
      labels[COLOUR.ordinal()][at] = 1 + shown.colour().ordinal();
      labels[SHAPE.ordinal()][at] = 1 + shown.shape().ordinal();
      labels[TEXTURE.ordinal()][at] = 1 + shown.texture().ordinal();
      labels[SIZE.ordinal()][at] = shown.large() ? 2 : 1;
      Thing like = shown;
      labels[ALIKE_COLOUR.ordinal()][at] = ToldImages.alike(scene, thing -> thing.colour() == like.colour());
      labels[ALIKE_SHAPE.ordinal()][at] = ToldImages.alike(scene, thing -> thing.shape() == like.shape());
    }
    if (!scene.text().isEmpty() && (int) (y * 3) == scene.textRow()) {
      int word = Words.WRITTEN.indexOf(scene.text());
      labels[WORD.ordinal()][at] = word < 0 ? WORD.classes - 1 : 1 + word;
      for (int i = 0; word < 0 && i < Math.min(3, scene.text().length()); i++) {
        labels[DIGIT_1.ordinal() + i][at] = 1 + Character.digit(scene.text().charAt(i), 10);
      }
    }
  }
}
