// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import io.github.vila4j.shapes.Colour;
import io.github.vila4j.shapes.Shape;
import io.github.vila4j.shapes.Texture;
import io.github.vila4j.shapes.text.BytePairs;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Ids of the words that name properties.
 *
 * @param same the ids of one word each, first as it stands within a sentence, then as it begins an answer and in the plural
 * @param counted how many of these, from the first, say what is counted
 * @param asked how many, from the first, say which thing is asked for
 * @param kinds how many name a colour, a shape, a place, and a texture or a size, in this order
 * @param blank the id that every image token has when it is put into words; -1 where {@code same} is empty
 */
record PropertyWords(List<int[]> same, int counted, int asked, int[] kinds, int blank) {
  /** No words, for a model without a tokenizer. */
  static final PropertyWords NONE = new PropertyWords(List.of(), 0, 0, new int[0], -1);

  /** The words of the world that are one token each. */
  static PropertyWords of(BytePairs tokenizer) {
    List<List<String>> words = List.of(
        Arrays.stream(Colour.values()).map(Colour::word).toList(),
        Arrays.stream(Shape.values()).map(Shape::word).toList(),
        List.of("top", "bottom", "left", "right", "centre"),
        Stream.concat(Arrays.stream(Texture.values()).map(Texture::word), Stream.of("large", "small")).toList());
    List<int[]> same = new ArrayList<>();
    int[] kinds = new int[words.size()];
    for (int kind = 0; kind < kinds.length; kind++) {
      for (String word : words.get(kind)) {
        int[] inside = tokenizer.encode(" " + word);
        if (inside.length == 1) {
          same.add(forms(tokenizer, word, inside[0]));
          kinds[kind]++;
        }
      }
    }
    int counted = kinds[0] + kinds[1];
    return new PropertyWords(List.copyOf(same), counted, counted + kinds[2], kinds, tokenizer.encode(ToldImages.BLANK)[0]);
  }

  /** The id of a word within a sentence, and its other forms that are one token. */
  private static int[] forms(BytePairs tokenizer, String word, int inside) {
    Set<Integer> ids = new LinkedHashSet<>(List.of(inside));
    for (String form : List.of(word, " " + plural(word))) {
      int[] other = tokenizer.encode(form);
      if (other.length == 1) {
        ids.add(other[0]);
      }
    }
    return ids.stream().mapToInt(Integer::intValue).toArray();
  }

  private static String plural(String word) {
    return Arrays.stream(Shape.values()).filter(shape -> shape.word().equals(word)).map(Shape::plural).findFirst().orElse(word);
  }
}
