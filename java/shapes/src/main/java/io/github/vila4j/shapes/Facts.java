// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

import java.util.ArrayList;
import java.util.List;

/** Questions that need no image. */
final class Facts {
  private static final List<Turn> KNOWN = known();

  private Facts() {}

  private static List<Turn> known() {
    List<Turn> facts = new ArrayList<>();
    String[][] pairs = {
      {"How many sides does a triangle have?", "3"},
      {"How many sides does a square have?", "4"},
      {"How many points does a star have?", "5"},
      {"How many corners does a circle have?", "0"},
      {"How many bars does a cross have?", "2"},
      {"Which shape has a hole?", "ring"},
      {"Which shape has three sides?", "triangle"},
      {"Which shape has four sides?", "square"},
      {"Which shape has five points?", "star"},
      {"What is the opposite of left?", "right"},
      {"What is the opposite of right?", "left"},
      {"What is the opposite of top?", "bottom"},
      {"What is the opposite of bottom?", "top"},
      {"What is the opposite of large?", "small"},
      {"What is the opposite of small?", "large"},
      {"What is the opposite of yes?", "no"},
      {"What is the opposite of same?", "different"},
      {"What colour do red and yellow make?", "orange"},
      {"What colour do blue and yellow make?", "green"},
      {"What colour do red and blue make?", "purple"},
      {"What colour is a banana?", "yellow"},
      {"What colour is a tomato?", "red"},
      {"What colour is grass?", "green"},
      {"What colour is coal?", "black"},
      {"What colour is the sky?", "blue"},
      {"What colour is a pig?", "pink"},
      {"What colour is a carrot?", "orange"},
      {"What colour is a plum?", "purple"},
      {"Is a circle round?", "yes"},
      {"Is a square round?", "no"},
      {"Is a ring round?", "yes"},
      {"Is a triangle round?", "no"}
    };
    for (String[] pair : pairs) {
      facts.add(new Turn(pair[0], pair[1]));
    }
    return List.copyOf(facts);
  }

  /** A sum or difference of numbers below ten. */
  static Turn sum(Rng rng) {
    int a = rng.below(10);
    int b = rng.below(10);
    if (rng.chance(0.5)) {
      return new Turn("What is " + a + " plus " + b + "?", Integer.toString(a + b));
    }
    return new Turn("What is " + Math.max(a, b) + " minus " + Math.min(a, b) + "?", Integer.toString(Math.abs(a - b)));
  }

  /** A known fact, or how two numbers compare or follow each other. */
  static Turn fact(Rng rng) {
    if (rng.chance(0.6)) {
      return rng.pick(KNOWN);
    }
    int a = rng.below(9);
    if (rng.chance(0.5)) {
      return new Turn("What number comes after " + a + "?", Integer.toString(a + 1));
    }
    int b = (a + 1 + rng.below(8)) % 9;
    return new Turn("Which is more, " + a + " or " + b + "?", Integer.toString(Math.max(a, b)));
  }
}
