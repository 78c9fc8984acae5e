// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

import java.util.ArrayList;
import java.util.List;

/** The words of the world that name no property. */
public final class Words {
  /** Words that are written in images. */
  public static final List<String> WRITTEN =
      List.of(
          "cat", "dog", "sun", "moon", "tree", "fish", "bird", "book", "door", "rain", "snow", "wind", "ship", "road", "lamp",
          "milk", "tea", "cup", "hat", "key", "map", "net", "owl", "pen", "fox", "box", "jam", "zoo", "ice", "egg", "go", "up", "no", "yes",
          "stop", "exit", "open", "sale", "menu", "taxi");

  /** Made-up labels. */
  /** Made-up words that stand for whatever a prompt's examples say. */
  public static final List<String> LABELS = labels();

  /** What counts images. */
  static final List<String> ORDINALS = List.of("first", "second", "third", "fourth", "fifth");

  private Words() {}

  private static List<String> labels() {
    List<String> words = new ArrayList<>();
    String begin = "bdfgklmnpstvwz";
    String middle = "aeiou";
    String end = "bkmpxz";
    for (int i = 0; words.size() < 60; i++) {
      String word =
          "" + begin.charAt(i * 5 % begin.length()) + middle.charAt(i * 3 % middle.length()) + end.charAt(i * 7 / 4 % end.length());
      if (!words.contains(word) && !WRITTEN.contains(word)) {
        words.add(word);
      }
    }
    return List.copyOf(words);
  }
}
