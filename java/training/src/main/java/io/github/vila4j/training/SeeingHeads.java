// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import java.util.Arrays;
import java.util.List;

/**
 * First values that let the language model see what looking up does not show: how an image token differs from that at the same place
 * of the image before, how much of each property an image holds, which a feed-forward layer multiplies with the property at hand (a
 * count), and which image token has the properties that are asked for.
 */
final class SeeingHeads {
  /** How much the blank of an image token counts as a key. */
  private static final double EVENLY = 2;
  /** The same where the images behind the first are seen. */
  private static final double LATER_ONLY = 12;
  /** The size of an image's mean properties, in lengths of a row. */
  private static final double MEAN = 1.5;
  /** The size of a count. */
  private static final double COUNTS = 0.1;
  /** The size of the square of a difference. */
  private static final double SQUARES = 0.02;
  /** The size of the mean difference of two images. */
  private static final double CHANGE = 0.8;
  /** How much less a token is seen that differs from text rather than from an image. */
  private static final double LATER = 0.45;
  /** What the score of a token at hand is where recent tokens are seen. */
  private static final double RECENT = 25;
  /** The angle that the heads of recent tokens turn by a token, about. */
  private static final double NEAR = 0.06;
  /** How strongly image tokens are preferred to text, as a query and as a key. */
  private static final double SEEN = 3;
  private static final double SEEN_KEY = 30;
  /** How strongly text that names a property is preferred to other text. */
  private static final double NAMED = 2.5;
  /** The size of what is asked for. */
  private static final double ASKED = 0.3;
  /** What an image token's blank takes away from what it says of properties, so that it does not pass for text that names some. */
  private static final double OF_A_THING = 5;
  /** How strongly the properties that are asked for are compared. */
  private static final double MATCHES = 8;
  /** The size of the properties that are found. */
  private static final double SAYS = 5;

  private final float[] values;
  private final List<Weights.Entry> entries;
  private final ModelShape shape;
  private final double[] constant;
  private final double[] image;

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

  /** Heads that subtract what they read of the token an image ago from what they read of the token itself. */
  void difference(int block, int group, double[][] read, double[][] to) {
    HeadGroup heads = group(block, group);
    int pairs = HeadGroup.pairs(shape);
    double size = HeadGroup.positionSize(shape);
    heads.read(read);
    heads.clearWritten();
    for (int pair = 0; pair < pairs; pair++) {
      heads.key(pair, constant, size);
    }
    for (int n = 0; n < 2; n++) {
      int back = n * shape.imageTokens();
      for (int pair = 0; pair < pairs; pair++) {
        double turned = back * HeadGroup.angle(pair, shape.headDim());
        heads.query(n, pair, constant, size * Math.cos(turned));
        heads.query(n, pair + shape.headDim() / 2, constant, -size * Math.sin(turned));
      }
      heads.writeOf(n, to, (n == 0 ? HeadGroup.WRITES : -HeadGroup.WRITES) / HeadGroup.grown(shape));
    }
  }

  /** Heads that see all image tokens alike: the mean of what they read there is written. */
  void mean(int block, int group, double[][] read, double[][] to) {
    mean(block, group, image, EVENLY, read, to, MEAN);
  }

  /** The same of the images behind the first; {@code noImageBefore} is what tokens have that no image token precedes by an image. */
  void meanOfLater(int block, int group, double[] noImageBefore, double[][] read, double[][] to) {
    double[] later = image.clone();
    for (int i = 0; i < later.length; i++) {
      later[i] -= LATER * noImageBefore[i];
    }
    mean(block, group, later, LATER_ONLY, read, to, CHANGE);
  }

  private void mean(int block, int group, double[] seen, double evenly, double[][] read, double[][] to, double size) {
    HeadGroup heads = group(block, group);
    int slowest = shape.headDim() / 2 - 1;
    heads.key(slowest, seen, evenly);
    heads.queries(slowest, constant, 1);
    heads.read(read);
    heads.clearWritten();
    heads.write(to, size);
  }

  /**
   * A feed-forward layer that multiplies a token's properties with an image's: silu(a) b - silu(-a) b = a b, so that two neurons make
   * a product, and their sum is written along one direction.
   */
  void count(int block, double[][] read, double[][] means, double[] number) {
    clearNeurons(block, 2 * read.length);
    for (int i = 0; i < read.length; i++) {
      product(block, i, read[i], means[i], number, COUNTS);
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

  /** Heads that see the last few tokens of text, above all those that name properties: the mean of what they read there is written. */
  void recent(int block, int group, double[][] properties, double[][] read, double[][] to) {
    HeadGroup heads = group(block, group);
    int d = shape.headDim();
    double size = Math.sqrt(RECENT * Math.sqrt(d)) / HeadGroup.constantPart(shape);
    int pair = 0;
    while (HeadGroup.angle(pair + 1, d) > NEAR) {
      pair++;
    }
    double[] named = new double[shape.hidden()];
    for (int i = 0; i < named.length; i++) {
      for (double[] property : properties) {
        named[i] += property[i];
      }
      named[i] -= OF_A_THING * image[i];
    }
    heads.key(pair, constant, size);
    heads.queries(pair, constant, size);
    heads.key(d / 2 - 1, named, NAMED);
    heads.queries(d / 2 - 1, constant, NAMED);
    heads.read(read);
    heads.clearWritten();
    heads.write(to, ASKED);
  }

  /** Heads that look for the image token with the properties that are asked for, and say all of its properties. */
  void match(int block, int group, double[][] asked, double[][] properties) {
    HeadGroup heads = group(block, group);
    int d = shape.headDim();
    // From the slowest dimension: the image, then the properties.
    int[] slow = new int[d];
    for (int i = 0; i < d; i++) {
      slow[i] = d / 2 - 1 - i / 2 + i % 2 * (d / 2);
    }
    heads.clearQueriesAndKeys();
    heads.key(slow[0], image, SEEN_KEY);
    heads.queries(slow[0], constant, SEEN);
    for (int i = 0; i < Math.min(asked.length, d - 1); i++) {
      heads.key(slow[1 + i], properties[i], MATCHES);
      heads.queries(slow[1 + i], asked[i], MATCHES);
    }
    heads.read(properties);
    heads.clearWritten();
    heads.write(properties, SAYS);
  }
}
