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

/**
 * Ids of the words that name properties.
 *
 * @param same the ids of one word each, first as it stands within a sentence, then as it begins an answer and in the plural
 * @param counted how many of these, from the first, say what is counted
 * @param asked how many, from the first, say which thing is asked for
 * @param blank the id that every image token has when it is put into words; -1 where {@code same} is empty
 */
record PropertyWords(List<int[]> same, int counted, int asked, int blank) {
  /** No words, for a model without a tokenizer. */
  static final PropertyWords NONE = new PropertyWords(List.of(), 0, 0, -1);

  /** The words of the world that are one token each. */
  static PropertyWords of(BytePairs tokenizer) {
    List<String> words = new ArrayList<>();
    Arrays.stream(Colour.values()).map(Colour::word).forEach(words::add);
    Arrays.stream(Shape.values()).map(Shape::word).forEach(words::add);
    int looks = words.size();
    words.addAll(List.of("top", "bottom", "left", "right", "centre"));
    int askedFor = words.size();
    Arrays.stream(Texture.values()).map(Texture::word).forEach(words::add);
    words.addAll(List.of("large", "small"));
    List<int[]> same = new ArrayList<>();
    int counted = 0;
    int asked = 0;
    for (String word : words) {
      int[] inside = tokenizer.encode(" " + word);
      if (inside.length != 1) {
        continue;
      }
      asked += words.indexOf(word) < askedFor ? 1 : 0;
      counted += words.indexOf(word) < looks ? 1 : 0;
      Set<Integer> ids = new LinkedHashSet<>(List.of(inside[0]));
      for (String form : List.of(word, " " + plural(word))) {
        int[] other = tokenizer.encode(form);
        if (other.length == 1) {
          ids.add(other[0]);
        }
      }
      same.add(ids.stream().mapToInt(Integer::intValue).toArray());
    }
    return new PropertyWords(List.copyOf(same), counted, asked, tokenizer.encode(ToldImages.BLANK)[0]);
  }

  private static String plural(String word) {
    return Arrays.stream(Shape.values()).filter(shape -> shape.word().equals(word)).map(Shape::plural).findFirst().orElse(word);
  }
}
