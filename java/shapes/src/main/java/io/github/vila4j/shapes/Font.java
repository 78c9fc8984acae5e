// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

import java.util.HashMap;
import java.util.Map;

/** Capital letters and digits on a grid of five by seven cells. */
final class Font {
  static final int WIDTH = 5;
  static final int HEIGHT = 7;

  private static final String[] GLYPHS = {
    "A.###.#...##...#######...##...##...#", "B####.#...##...#####.#...##...#####.", "C.###.#...##....#....#....#...#.###.",
    "D####.#...##...##...##...##...#####.", "E######....#....####.#....#....#####", "F######....#....####.#....#....#....",
    "G.###.#...##....#.####...##...#.###.", "H#...##...##...#######...##...##...#", "I.###...#....#....#....#....#...###.",
    "J..###...#....#....#....#.#..#..##..", "K#...##..#.#.#..##...#.#..#..#.#...#", "L#....#....#....#....#....#....#####",
    "M#...###.###.#.##...##...##...##...#", "N#...###..##.#.##..###...##...##...#", "O.###.#...##...##...##...##...#.###.",
    "P####.#...##...#####.#....#....#....", "Q.###.#...##...##...##.#.##..#..##.#", "R####.#...##...#####.#.#..#..#.#...#",
    "S.#####....#.....###.....#....#####.", "T#####..#....#....#....#....#....#..", "U#...##...##...##...##...##...#.###.",
    "V#...##...##...##...##...#.#.#...#..", "W#...##...##...##...##.#.###.###...#", "X#...##...#.#.#...#...#.#.#...##...#",
    "Y#...##...#.#.#...#....#....#....#..", "Z#####....#...#...#...#...#....#####",
    "0.###.#..###.#.##.#.###..##...#.###.", "1..#...##....#....#....#....#...###.", "2.###.#...#....#...#...#...#...#####",
    "3####.....#....#.###.....#....#####.", "4...#...##..#.#.#..#.#####...#....#.", "5######....####.....#....##...#.###.",
    "6.###.#....#....####.#...##...#.###.", "7#####....#...#...#...#....#....#...", "8.###.#...##...#.###.#...##...#.###.",
    "9.###.#...##...#.####....#....#.###."
  };
  private static final Map<Character, String> CELLS = new HashMap<>();

  static {
    for (String glyph : GLYPHS) {
      CELLS.put(glyph.charAt(0), glyph.substring(1));
    }
  }

  private Font() {}

  /**
   * Whether a cell of a character is inked.
   *
   * @param character a letter of any case or a digit
   * @param column 0 to 4
   * @param row 0 to 6
   */
  static boolean inked(char character, int column, int row) {
    String cells = CELLS.get(Character.toUpperCase(character));
    if (cells == null) {
      throw new IllegalArgumentException("character '" + character + "' has no glyph, expected a letter or digit");
    }
    return cells.charAt(row * WIDTH + column) == '#';
  }
}
