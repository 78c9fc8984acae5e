// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.vila4j.shapes.Colour;
import io.github.vila4j.shapes.Place;
import io.github.vila4j.shapes.Scene;
import io.github.vila4j.shapes.Shape;
import io.github.vila4j.shapes.Texture;
import io.github.vila4j.shapes.Thing;
import io.github.vila4j.shapes.text.BytePairs;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AbstractTensor;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;

class ToldImagesTest {
  private static final BytePairs TOKENIZER = TokenizerFiles.learn();
  private static final ModelShape SHAPE = ModelShape.small(TOKENIZER.size());

  private static Map<Long, String> words(ToldImages told) {
    Map<Long, String> words = new TreeMap<>();
    for (int i = 0; i < told.ids().length; i++) {
      String word = TOKENIZER.decode(new int[] {(int) told.ids()[i]});
      if (word.charAt(0) >= ' ') {
        words.merge(told.tokens()[i], word, String::concat);
      }
    }
    return words;
  }

  @Test
  void thingsAreToldWhereTheirMiddleIsAndTheLastTokenTellsOfAll() {
    Thing star = new Thing(Shape.STAR, Colour.PINK, Texture.SOLID, true, Place.TOP_RIGHT, 0, 0, 0.14);
    Thing ring = new Thing(Shape.RING, Colour.PINK, Texture.DOTTED, true, Place.LEFT, 0, -0.02, 0.13);
    Scene none = new Scene(List.of(), "42", 2, 112, 112, 5);
    ToldImages told = ToldImages.of(List.of(new Scene(List.of(star, ring), "", -1, 112, 112, 5), none), TOKENIZER, SHAPE);
    assertEquals(
        Map.of(
            12L, " solid large pink star top right", 1L, " large dotted pink ring left", 15L, "2 pink large", 19L, "4", 23L, "2", 31L,
            "0"),
        words(told));
    assertEquals(2, alike(told, 12, 0), "of its colour");
    assertEquals(1, alike(told, 12, 1), "of its shape");
    assertEquals(2, alike(told, 1, 0), "of its colour");
    assertEquals(2, alike(told, 15, 0), "of all");
    assertEquals(0, alike(told, 31, 0), "of all");
  }

  /** How many things a token says are alike; 0 where it does not say. */
  private static int alike(ToldImages told, long token, int property) {
    for (int count = 1; count <= ToldImages.MOST_ALIKE; count++) {
      int id = TOKENIZER.encode(ToldImages.alike(property, count))[0];
      for (int i = 0; i < told.ids().length; i++) {
        if (told.tokens()[i] == token && told.ids()[i] == id) {
          return count;
        }
      }
    }
    return 0;
  }

  /** What is compared by position must be equally long. */
  @Test
  void tokensThatSayNothingAndTheLastAreEquallyLong() {
    Thing star = new Thing(Shape.STAR, Colour.PINK, Texture.SOLID, true, Place.TOP_RIGHT, 0, 0, 0.14);
    ToldImages told = ToldImages.of(List.of(new Scene(List.of(star), "", -1, 112, 112, 5)), TOKENIZER, SHAPE);
    double[] squares = new double[SHAPE.imageTokens()];
    for (int i = 0; i < told.ids().length; i++) {
      squares[(int) told.tokens()[i]] += told.weights()[i] * told.weights()[i];
    }
    for (int token = 0; token < squares.length; token++) {
      if (token != 12) {
        assertEquals(ToldImages.LENGTH, Math.sqrt(squares[token]), 1e-6, "token " + token);
      }
    }
  }

  /** Tokens that say nothing are as long as those of a thing, so that position heads see all alike. */
  @Test
  void everyTokenHasABlankAndSaysSomething() {
    ToldImages told = ToldImages.of(List.of(new Scene(List.of(), "", -1, 112, 112, 5)), TOKENIZER, SHAPE);
    int blank = TOKENIZER.encode(ToldImages.BLANK)[0];
    int nothing = TOKENIZER.encode(ToldImages.NOTHING)[0];
    for (long token = 0; token < SHAPE.imageTokens(); token++) {
      int blanks = 0;
      int nothings = 0;
      for (int i = 0; i < told.ids().length; i++) {
        blanks += told.tokens()[i] == token && told.ids()[i] == blank ? 1 : 0;
        nothings += told.tokens()[i] == token && told.ids()[i] == nothing ? 1 : 0;
      }
      assertEquals(1, blanks, "blanks of token " + token);
      assertEquals(token == SHAPE.imageTokens() - 1 ? 0 : 1, nothings, "token " + token);
    }
  }

  /** Only the patches around a thing's middle differ from the others: the projector's token that sees them is the one that tells. */
  @Test
  void tokensAreThoseOfTheProjector() {
    try (PointerScope scope = new PointerScope();
        Weights weights = new Weights(SHAPE, 1)) {
      Network network = new Network(weights, false);
      for (Place place : Place.values()) {
        Thing thing = new Thing(Shape.STAR, Colour.PINK, Texture.SOLID, true, place, 0.01, 0.01, 0.14);
        Scene scene = new Scene(List.of(thing), "", -1, 112, 112, 5);
        float[] features = new float[SHAPE.patches() * SHAPE.visionHidden()];
        int patch = (int) (thing.centreY() * SHAPE.grid()) * SHAPE.grid() + (int) (thing.centreX() * SHAPE.grid());
        for (int c = 0; c < SHAPE.visionHidden(); c++) {
          features[patch * SHAPE.visionHidden() + c] = c % 7 - 3;
        }
        Tensor tokens = network.project(AbstractTensor.create(features, 1, SHAPE.patches(), SHAPE.visionHidden()));
        float[] values = Weights.toArray(tokens.contiguous());
        int odd = -1;
        for (int token = 0; token < SHAPE.imageTokens(); token++) {
          float value = values[token * SHAPE.hidden()];
          float other = values[(token + 1) % SHAPE.imageTokens() * SHAPE.hidden()];
          float third = values[(token + 2) % SHAPE.imageTokens() * SHAPE.hidden()];
          odd = value != other && other == third ? token : odd;
        }
        assertEquals(" solid large pink star " + place.words() + (odd == 15 ? "1 pink star solid large" : ""),
            words(ToldImages.of(List.of(scene), TOKENIZER, SHAPE)).get((long) odd));
      }
    }
  }

  @Test
  void tokensAreSumsOfRows() {
    try (PointerScope scope = new PointerScope();
        Weights weights = new Weights(SHAPE, 1)) {
      ToldImages told = new ToldImages(1, new long[] {3, 3, 0}, new long[] {5, 9, 5}, new float[] {0.5f, 2, 1});
      float[] sums = Weights.toArray(new Network(weights, false).told(told).contiguous());
      float[] table = Weights.toArray(weights.get(Part.WORDS, "weight"));
      float[] expected = new float[SHAPE.imageTokens() * SHAPE.hidden()];
      for (int i = 0; i < SHAPE.hidden(); i++) {
        expected[i] = table[5 * SHAPE.hidden() + i];
        expected[3 * SHAPE.hidden() + i] = 0.5f * table[5 * SHAPE.hidden() + i] + 2 * table[9 * SHAPE.hidden() + i];
      }
      assertArrayEquals(expected, sums, 1e-6f);
    }
  }
}
