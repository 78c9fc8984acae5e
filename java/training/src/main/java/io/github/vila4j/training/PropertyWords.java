// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import io.github.vila4j.shapes.Colour;
import io.github.vila4j.shapes.Shape;
import io.github.vila4j.shapes.Texture;
import io.github.vila4j.shapes.Words;
import io.github.vila4j.shapes.text.BytePairs;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Ids of the words that name properties.
 *
 * @param same the ids of one word each, first as it stands within a sentence, then as it begins an answer and in the plural
 * @param asked how many, from the first, say which thing is asked for
 * @param kinds how many name a colour, a shape, a place, and a texture or a size, in this order
 * @param asking the ids of words that ask: for a kind each, in the order of {@code kinds}, then, as {@link #COUNT} and the others
 *     say, for a count, a change, a comparison
 * @param changes the ids of answers that say what changed: a property of each kind, something that came, something that went
 * @param compared the ids of answers that say that images differ and that they do not
 * @param alike the ids that say that 1, 2 and so on things have one colour, and one shape: {@link ToldImages#alike}
 * @param numbers the ids of "0", "1", "2" and so on as they begin an answer
 * @param labels the first ids of made-up labels
 * @param blank the id that every image token has when it is put into words; -1 where {@code same} is empty
 * @param all the id that the last one has; -1 where {@code same} is empty
 * @param nothing the id that one has that says nothing else; -1 where {@code same} is empty
 */
record PropertyWords(
    List<int[]> same, int asked, int[] kinds, List<int[]> asking, int[] changes, int[] compared, int[][] alike, int[] numbers,
    int[] labels, int blank, int all, int nothing) {
  /** Which words of {@code asking} ask for a count, a change, a comparison. */
  static final int COUNT = 3;
  static final int CHANGE = 4;
  static final int SAME = 5;
  /** No words, for a model without a tokenizer. */
  static final PropertyWords NONE =
      new PropertyWords(List.of(), 0, new int[0], List.of(), new int[0], new int[0], new int[0][], new int[0], new int[0], -1, -1, -1);

  private static final List<List<String>> ASKING =
      List.of(List.of(" colour", " color"), List.of(" shape"), List.of("Where"), List.of(" many"), List.of(" changed"), List.of(" same"));

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
    List<int[]> asking = ASKING.stream()
        .map(forms -> forms.stream().map(tokenizer::encode).filter(ids -> ids.length == 1).mapToInt(ids -> ids[0]).toArray())
        .toList();
    int[] changes = first(tokenizer, List.of("colour", "shape", "place", "size", "added", "removed"));
    int[] compared = first(tokenizer, List.of("different", "same"));
    int[][] alike = new int[ToldImages.ALIKE][];
    for (int property = 0; property < alike.length; property++) {
      int of = property;
      alike[property] = numbers(1, n -> tokenizer.encode(ToldImages.alike(of, n))[0]);
    }
    int[] numbers = numbers(0, n -> tokenizer.encode(Integer.toString(n))[0]);
    int[] labels = first(tokenizer, Words.LABELS);
    int all = tokenizer.encode(ToldImages.ALL)[0];
    int nothing = tokenizer.encode(ToldImages.NOTHING)[0];
    int blank = tokenizer.encode(ToldImages.BLANK)[0];
    int asked = kinds[0] + kinds[1] + kinds[2];
    return new PropertyWords(List.copyOf(same), asked, kinds, asking, changes, compared, alike, numbers, labels, blank, all, nothing);
  }

  private static int[] first(BytePairs tokenizer, List<String> words) {
    return words.stream().mapToInt(word -> tokenizer.encode(word)[0]).toArray();
  }

  private static int[] numbers(int least, IntUnaryOperator id) {
    return IntStream.rangeClosed(least, ToldImages.MOST_ALIKE).map(id).toArray();
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
