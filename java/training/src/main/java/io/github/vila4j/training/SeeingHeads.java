// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import static io.github.vila4j.training.Directions.joined;

import java.util.Arrays;
import java.util.List;

/**
 * First values that let the language model see what looking up does not show: how an image token differs from that at the same place
 * of the image before, what a text asks for, and which image token has the properties that are asked for; and feed-forward layers that
 * multiply what is found with what is asked for, and say the product.
 */
final class SeeingHeads {
  /** How much the blank of an image token counts as a key where the images behind the first are seen. */
  private static final double LATER_ONLY = 12;
  /** The size of an answer's word. */
  static final double ANSWERS = 30;
  /** The size of the square of a difference. */
  private static final double SQUARES = 0.02;
  /** The size of the mean difference of two images. */
  private static final double CHANGE = 0.8;
  /** How much less a token is seen that differs from text rather than from an image. */
  private static final double LATER = 4;
  /** How much more one is seen that differs. */
  private static final double FOCUS = 1.5;
  /** What the score of a token at hand is where recent tokens are seen. */
  private static final double RECENT = 25;
  /** The angle that the heads of recent tokens turn by a token, about. */
  private static final double NEAR = 0.06;
  /** How strongly image tokens are preferred to text, as a query and as a key. */
  private static final double SEEN = 3;
  private static final double SEEN_KEY = 60;
  /** How strongly image tokens that say nothing are preferred to those that say what is not asked for. */
  private static final double NOTHING_KEY = 1;
  /** How much less such a token is seen than others of an image where things are looked for, in parts of how much more than text. */
  private static final double NOT_ALL = 0.5;
  /** How strongly it is preferred where what it looked up is copied. */
  private static final double LAST_KEY = 40;
  /** How much more position counts there, because tokens behind a few blocks are longer. */
  private static final double FAR = 6;
  /** The size of what is copied. */
  private static final double CARRIES = 2;
  /** How strongly the token that tells of all things is preferred where nothing is asked for. */
  private static final double ALL = 12;
  /** The size of how many things are alike. */
  private static final double ALIKE = 1;
  /** How strongly text that names a property is preferred to other text. */
  private static final double NAMED = 2.5;
  /** The size of what is asked for. */
  private static final double ASKED = 0.3;
  /** What an image token's blank takes away from what it says of properties, so that it does not pass for text that names some. */
  private static final double OF_A_THING = 5;
  /** How strongly the properties that are asked for are compared. */
  private static final double MATCHES = 8;
  /** The size of the properties that are found. */
  private static final double SAYS = 1;

  private final float[] values;
  private final List<Weights.Entry> entries;
  private final ModelShape shape;
  private final double[] constant;
  private final double[] image;

  /** Where {@code asked} and {@code found} are both at hand, their product is written along {@code word}. */
  record Answer(double[] asked, double[] found, double[] word) {}

  /** The numbers of directions that mark tokens. */
  static final class Marks {
    /** Where it is written that nothing was found. */
    static final int NONE = 0;
    /** What the last token of an image has. */
    static final int LAST = 1;
    /** What tokens of an image have that say nothing. */
    static final int NOTHING = 2;
    static final int COUNT = 3;

    private Marks() {}
  }

  /** {@code constant} is the direction that all tokens have, {@code image} the one that image tokens have. */
  SeeingHeads(float[] values, List<Weights.Entry> entries, ModelShape shape, double[] constant, double[] image) {
    this.values = values;
    this.entries = entries;
    this.shape = shape;
    this.constant = constant;
    this.image = image;
  }

  private HeadGroup group(int block, int group) {
    return new HeadGroup(values, entries, shape, block, group);
  }

  /**
   * Heads that subtract what they read of the token an image ago from what they read of the token itself. Both look at the token itself
   * where it is text, so that text holds no difference.
   */
  void difference(int block, int group, double[][] read, double[][] to) {
    HeadGroup heads = group(block, group);
    int pairs = HeadGroup.pairs(shape);
    double size = HeadGroup.positionSize(shape);
    // What an image token has of the constant, by its blank; text has no blank.
    double[] ofImage = new double[image.length];
    double[] ofText = constant.clone();
    for (int i = 0; i < image.length; i++) {
      ofImage[i] = FirstValues.CONSTANT * ToldImages.LENGTH * image[i];
      ofText[i] -= ofImage[i];
    }
    heads.read(read);
    heads.clearWritten();
    for (int pair = 0; pair < pairs; pair++) {
      heads.key(pair, constant, size);
      heads.query(0, pair, constant, size);
      double turned = shape.imageTokens() * HeadGroup.angle(pair, shape.headDim());
      heads.query(1, pair, ofText, size);
      heads.query(1, pair, ofImage, size * Math.cos(turned));
      heads.query(1, pair + shape.headDim() / 2, ofImage, -size * Math.sin(turned));
    }
    heads.writeOf(0, to, HeadGroup.WRITES / HeadGroup.grown(shape));
    heads.writeOf(1, to, -HeadGroup.WRITES / HeadGroup.grown(shape));
  }

  /**
   * Heads that see the tokens of the images behind the first, above all those that differ: the mean of what they read there is written.
   *
   * @param noImageBefore what tokens have that no image token precedes by an image
   * @param all what the last token of an image has, which is not seen
   * @param changes what tokens have that differ from that one
   */
  void meanOfLater(int block, int group, double[] noImageBefore, double[] all, double[][] changes, double[][] read, double[][] to) {
    double[] later = image.clone();
    for (int i = 0; i < later.length; i++) {
      later[i] -= LATER * noImageBefore[i] + NOT_ALL * all[i];
      for (double[] change : changes) {
        later[i] += FOCUS * change[i];
      }
    }
    HeadGroup heads = group(block, group);
    int slowest = shape.headDim() / 2 - 1;
    heads.key(slowest, later, LATER_ONLY);
    heads.queries(slowest, constant, 1);
    heads.read(read);
    heads.clearWritten();
    heads.write(to, CHANGE);
  }

  /** A feed-forward layer that says what is found where it is asked for. */
  void answer(int block, List<Answer> answers, double size) {
    clearNeurons(block, 2 * answers.size());
    for (int i = 0; i < answers.size(); i++) {
      Answer answer = answers.get(i);
      product(block, i, answer.asked, answer.found, answer.word, size);
    }
  }

  /** A feed-forward layer that writes the sum of squares of each run of {@code counts[i]} differences along {@code sums[i]}. */
  void squares(int block, double[][] differences, int[] counts, double[][] sums) {
    clearNeurons(block, 2 * differences.length);
    int i = 0;
    for (int kind = 0; kind < counts.length; kind++) {
      for (int end = i + counts[kind]; i < end; i++) {
        product(block, i, differences[i], differences[i], sums[kind], SQUARES);
      }
    }
  }

  private void clearNeurons(int block, int neurons) {
    if (neurons > shape.ffn()) {
      throw new IllegalArgumentException(neurons + " neurons, expected at most " + shape.ffn());
    }
    for (String name : List.of("gate_proj", "up_proj")) {
      feedForward(block, name).scale(0, neurons, 0);
    }
    feedForward(block, "down_proj").clearColumns(0, neurons);
  }

  private Matrix feedForward(int block, String name) {
    return Matrix.of(values, entries, Part.LLM, "model.layers." + block + ".mlp." + name + ".weight");
  }

  /** silu(a) b - silu(-a) b = a b, so that two neurons make a product. */
  private void product(int block, int number, double[] a, double[] b, double[] to, double size) {
    Matrix gate = feedForward(block, "gate_proj");
    Matrix up = feedForward(block, "up_proj");
    Matrix down = feedForward(block, "down_proj");
    for (int sign = 1, neuron = 2 * number; sign >= -1; sign -= 2, neuron++) {
      gate.add(neuron, a, sign);
      up.add(neuron, b, 1);
      down.addColumn(neuron, to, sign * size);
    }
  }

  /**
   * Heads that each see the last few tokens of text, above all those of one kind of words: the mean of what is read there is written, by
   * head n along {@code to[n]} what the words {@code words[n]} have.
   */
  void recent(int block, int group, double[][][] words, double[][][] to) {
    HeadGroup heads = group(block, group);
    int d = shape.headDim();
    double size = Math.sqrt(RECENT * Math.sqrt(d)) / HeadGroup.constantPart(shape);
    heads.key(near(), constant, size);
    heads.queries(near(), constant, size);
    heads.read(joined(words));
    heads.clearWritten();
    for (int n = 0, first = 0; n < words.length; first += words[n++].length) {
      double[] named = Directions.times(new double[][] {image}, -OF_A_THING)[0];
      for (double[] word : words[n]) {
        Directions.add(named, word, 1);
      }
      // The two halves of the pair that turns least.
      int slowest = (n + 1) * d / 2 - 1;
      heads.key(slowest, named, NAMED);
      heads.query(n, slowest, constant, NAMED);
      for (int i = 0; i < words[n].length; i++) {
        heads.writeOne(n, first + i, to[n][i], ASKED);
      }
    }
  }

  /** Heads that see the last token of the nearest image, and copy some of it. */
  void carry(int block, int group, double[] all, double[][] copied) {
    HeadGroup heads = group(block, group);
    int d = shape.headDim();
    double size = FAR * Math.sqrt(RECENT * Math.sqrt(d)) / HeadGroup.constantPart(shape);
    heads.clearQueriesAndKeys();
    // Two pairs, so that no image far away seems as near as the nearest.
    for (int pair = near() + 1; pair <= near() + 2; pair++) {
      heads.key(pair, constant, size);
      heads.queries(pair, constant, size);
    }
    heads.key(d / 2 - 1, all, LAST_KEY);
    heads.queries(d / 2 - 1, constant, SEEN);
    heads.read(copied);
    heads.clearWritten();
    heads.write(copied, CARRIES);
  }

  /** A pair that turns little from a token to the next, and much from an image to another. */
  private int near() {
    int pair = 0;
    while (HeadGroup.angle(pair + 1, shape.headDim()) > NEAR) {
      pair++;
    }
    return pair;
  }

  /** The dimensions of a head from the one that turns least: the first for the image, the others for properties. */
  private int[] slow() {
    int d = shape.headDim();
    int[] slow = new int[d];
    for (int i = 0; i < d; i++) {
      slow[i] = d / 2 - 1 - i / 2 + i % 2 * (d / 2);
    }
    return slow;
  }

  /** Heads that look for the image token with the properties that are asked for, and say all of its properties. */
  void match(int block, int group, double[][] asked, double[][] properties, double[] all) {
    HeadGroup heads = group(block, group);
    int[] slow = slow();
    heads.clearQueriesAndKeys();
    heads.key(slow[0], image, SEEN_KEY);
    heads.key(slow[0], all, -NOT_ALL * SEEN_KEY);
    heads.queries(slow[0], constant, SEEN);
    for (int i = 0; i < Math.min(asked.length, slow.length - 1); i++) {
      heads.key(slow[1 + i], properties[i], MATCHES);
      heads.queries(slow[1 + i], asked[i], MATCHES);
    }
    heads.read(properties);
    heads.clearWritten();
    heads.write(properties, SAYS);
  }

  /**
   * Heads of which each looks for an image token with a property of one kind that is asked for, and copies how many things have it; where
   * none of the kind is asked for, or none has it, tokens are seen that say nothing, but by the first head the one that tells of all
   * things where nothing is asked for at all.
   *
   * @param kinds how many properties are of the kind of each head
   * @param marks directions, numbered by {@link Marks}
   * @param alike what says how many, kind by kind
   */
  void alike(
      int block, int group, int[] kinds, double[][] asked, double[][] properties, double[][] marks, double[][] alike) {
    HeadGroup heads = group(block, group);
    int[] slow = slow();
    heads.clearQueriesAndKeys();
    heads.clearWritten();
    heads.key(slow[0], image, SEEN_KEY);
    heads.key(slow[0], marks[Marks.NOTHING], NOTHING_KEY);
    heads.queries(slow[0], constant, SEEN);
    int last = slow[1 + Arrays.stream(kinds).sum()];
    heads.key(last, marks[Marks.LAST], MATCHES);
    heads.query(0, last, constant, ALL);
    int perKind = alike.length / kinds.length;
    for (int head = 0, i = 0; head < kinds.length; head++) {
      for (int end = i + kinds[head]; i < end; i++) {
        heads.key(slow[1 + i], properties[i], MATCHES);
        heads.query(head, slow[1 + i], asked[i], MATCHES);
        heads.query(0, last, asked[i], -MATCHES);
      }
      for (int n = 0; n < perKind; n++) {
        heads.writeOne(head, head * perKind + n, alike[head * perKind + n], ALIKE);
      }
      heads.writeOne(head, alike.length, marks[Marks.NONE], ALIKE);
    }
    heads.read(joined(alike, new double[][] {marks[Marks.NOTHING]}));
  }
}
