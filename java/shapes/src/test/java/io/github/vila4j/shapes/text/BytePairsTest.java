// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class BytePairsTest {
  private static final List<String> SPECIALS = List.of("<|a|>", "<|b|>");

  @Test
  void learnsTheMostFrequentPairsFirst() {
    BytePairs pairs = BytePairs.learn(List.of("abab ab ab", "abc"), 3, 2, SPECIALS);
    assertEquals(List.of("a b", "Ġ ab"), pairs.merges());
    assertEquals(256 + 2 + 2, pairs.size());
    assertArrayEquals(new int[] {pairs.id("ab"), pairs.id("ab"), pairs.id("Ġab"), pairs.id("c")}, pairs.encode("abab abc"));
  }

  @Test
  void roundTripsAnyText() {
    BytePairs pairs = BytePairs.learn(List.of("What colour is the star? 12", "Größe"), 60, 1, SPECIALS);
    for (String text : List.of("What colour is the star? 12", "größer,  \t\n日本 😀 x1y2", "")) {
      assertEquals(text, pairs.decode(pairs.encode(text)));
    }
    int first = 256 + pairs.merges().size();
    assertArrayEquals(new int[] {first, pairs.id("x"), first + 1}, pairs.encode("<|a|>x<|b|>"));
    assertEquals("x", pairs.decode(pairs.encode("<|a|>x<|b|>")));
    assertTrue(pairs.encode("What colour").length == 2);
  }
}
