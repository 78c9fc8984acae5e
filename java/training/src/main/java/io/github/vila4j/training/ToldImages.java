// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import io.github.vila4j.shapes.Scene;
import io.github.vila4j.shapes.Texture;
import io.github.vila4j.shapes.Thing;
import io.github.vila4j.shapes.text.BytePairs;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * Image tokens put into words: each is the weighted sum of rows of a table. Every token has the row of {@link #BLANK}; the one that
 * holds a thing's middle also those of the thing's words, and of how many things have its colour and its shape; those in the row of a
 * written text one part of it each, in order; the last one says how many things there are and what they have in common; the rest
 * {@link #NOTHING}.
 *
 * @param images how many, N
 * @param tokens the number of a token among N * tokens of an image, of each word
 * @param ids the word's row
 * @param weights how much of it
 */
record ToldImages(int images, long[] tokens, long[] ids, float[] weights) {
  /** A text whose row no other text has. */
  static final String BLANK = "\0";
  /** What tokens have that say nothing else, so that they are as long as the others. */
  static final String NOTHING = "\1";
  /** The properties of which a thing's token tells how many things have the same: its colour and its shape. */
  static final int ALIKE = 2;
  /** The most things that are told to be alike; more are told as these. */
  static final int MOST_ALIKE = 7;
  /** What the last token has, which tells of all things; as much of it as makes it as long as the others. */
  static final String ALL = "\2";
  private static final int FIRST_ALIKE = 14;
  private static final float PART = 0.6f;
  private static final float WHOLE = 1;
  /** How much the last token says of each property that all things have. */
  private static final float COMMON = 0.8f;
  /** The length of the ten words of a thing. */
  private static final float ALONE = 1.9f;
  /** The length of such a token. */
  static final double LENGTH = Math.hypot(1, ALONE);

  /** Collects words. */
  private static final class Builder {
    private final BytePairs tokenizer;
    private final List<Long> tokens = new ArrayList<>();
    private final List<Integer> ids = new ArrayList<>();
    private final List<Float> weights = new ArrayList<>();

    Builder(BytePairs tokenizer) {
      this.tokenizer = tokenizer;
    }

    void id(long token, int id, float weight) {
      tokens.add(token);
      ids.add(id);
      weights.add(weight);
    }

    void words(long token, String text, float weight) {
      for (int id : tokenizer.encode(text)) {
        id(token, id, weight);
      }
    }

    ToldImages build(int images) {
      float[] values = new float[weights.size()];
      for (int i = 0; i < values.length; i++) {
        values[i] = weights.get(i);
      }
      return new ToldImages(
          images, tokens.stream().mapToLong(Long::longValue).toArray(), ids.stream().mapToLong(Integer::longValue).toArray(), values);
    }
  }

  /** The tokens of some scenes, in order; as {@code mlp_downsample} has them, column by column. */
  static ToldImages of(List<Scene> scenes, BytePairs tokenizer, ModelShape shape) {
    Builder builder = new Builder(tokenizer);
    int perImage = shape.imageTokens();
    for (int n = 0; n < scenes.size(); n++) {
      long first = (long) n * perImage;
      for (int token = 0; token < perImage; token++) {
        builder.words(first + token, BLANK, WHOLE);
      }
      tell(builder, scenes.get(n), first, shape.grid() / 2);
      for (int token = 0; token < perImage; token++) {
        if (Collections.frequency(builder.tokens, first + token) == 1) {
          builder.words(first + token, NOTHING, ALONE);
        }
      }
    }
    return builder.build(scenes.size());
  }

  /** What says that {@code count} things, 1 to {@link #MOST_ALIKE}, have one colour (property 0) or shape (1); no text has it. */
  static String alike(int property, int count) {
    return Character.toString(FIRST_ALIKE + property * MOST_ALIKE + count - 1);
  }

  private static void tell(Builder builder, Scene scene, long first, int side) {
    for (Thing thing : scene.things()) {
      int column = Math.min(side - 1, (int) (thing.centreX() * side));
      int row = Math.min(side - 1, (int) (thing.centreY() * side));
      long token = first + (long) column * side + row;
      builder.words(token, (thing.texture() == Texture.SOLID ? " solid " : " ") + thing.phrase(), PART);
      builder.words(token, " " + thing.place().words(), PART);
      builder.words(token, alike(0, alike(scene, other -> other.colour() == thing.colour())), PART);
      builder.words(token, alike(1, alike(scene, other -> other.shape() == thing.shape())), PART);
    }
    if (!scene.text().isEmpty()) {
      int row = (scene.textRow() * 2 + 1) * side / 6;
      int[] parts = builder.tokenizer.encode(scene.text());
      for (int i = 0; i < parts.length; i++) {
        builder.id(first + Math.min(i, side - 1) * (long) side + row, parts[i], ALONE);
      }
    }
    long last = first + (long) side * side - 1;
    int begin = builder.weights.size();
    builder.words(last, Integer.toString(scene.things().size()), PART);
    if (!scene.things().isEmpty()) {
      builder.words(last, alike(0, alike(scene, thing -> true)), PART);
    }
    common(builder, last, scene, thing -> thing.colour().word());
    common(builder, last, scene, thing -> thing.shape().word());
    common(builder, last, scene, thing -> thing.texture().word());
    common(builder, last, scene, Thing::sizeWord);
    double rest = ALONE * ALONE;
    for (float weight : builder.weights.subList(begin, builder.weights.size())) {
      rest -= weight * weight;
    }
    builder.words(last, ALL, (float) Math.sqrt(Math.max(0, rest)));
  }

  /** How many things are like one, as it is told. */
  static int alike(Scene scene, Predicate<Thing> counted) {
    return Math.toIntExact(Math.min(MOST_ALIKE, scene.things().stream().filter(counted).count()));
  }

  private static void common(Builder builder, long token, Scene scene, Function<Thing, String> property) {
    List<String> values = scene.things().stream().map(property).distinct().toList();
    if (values.size() == 1) {
      builder.words(token, " " + values.get(0), COMMON);
    }
  }
}
