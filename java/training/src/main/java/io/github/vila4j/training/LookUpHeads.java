// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import java.util.List;
import java.util.stream.IntStream;

/**
 * First values that let the language model look up what stood before. A small model that begins with random attention stays for
 * very long on the plateau before it learns that; ours begins with heads that see the token before (even blocks) and heads that look
 * for a token whose predecessor resembles the one at hand and copy it (odd blocks): the induction heads of Olsson et al.,
 * In-context Learning and Induction Heads, 2022, set rather than found, as Trockman and Kolter, Mimetic Initialization of
 * Self-Attention Layers, 2023, set what trained attention resembles. All of it is trained on like everything else.
 *
 * <p>All rows of the table share a constant direction, from which position heads take their query and key: a query along it and a
 * key along it, turned by one position, agree most where the key is the token before, because rotary angles add up. Content is
 * compared in those dimensions of a head that hardly turn over {@link #SPAN} positions.
 */
final class LookUpHeads {
  /** How strongly content is compared. */
  private static final double COMPARES = 3;
  /** How much less those are seen that have what {@code unseen} says. */
  private static final double UNSEEN = 12;
  /** The size of what is copied, in lengths of a row. */
  private static final double COPIES = 2;
  /** Positions over which compared dimensions turn by at most {@link #TURN}. */
  private static final int SPAN = 400;
  private static final double TURN = 1.5;

  private final float[] values;
  private final List<Weights.Entry> entries;
  private final ModelShape shape;
  private final double[] constant;

  LookUpHeads(float[] values, List<Weights.Entry> entries, ModelShape shape, double[] constant) {
    this.values = values;
    this.entries = entries;
    this.shape = shape;
    this.constant = constant;
  }

  /** Heads that see the token before: what they read of it is written elsewhere. */
  void before(int block, int group, double[][] read, double[][] to) {
    HeadGroup heads = new HeadGroup(values, entries, shape, block, group);
    double size = HeadGroup.positionSize(shape);
    for (int pair = 0; pair < HeadGroup.pairs(shape); pair++) {
      double angle = HeadGroup.angle(pair, shape.headDim());
      heads.key(pair, constant, size * Math.cos(angle));
      heads.key(pair + shape.headDim() / 2, constant, size * Math.sin(angle));
      heads.queries(pair, constant, size);
    }
    heads.read(read);
    heads.write(to, HeadGroup.WRITES / HeadGroup.grown(shape));
  }

  /** The dimensions of a head that hardly turn. */
  private static int[] still(ModelShape shape) {
    int half = shape.headDim() / 2;
    return IntStream.range(0, shape.headDim())
        .map(i -> i / 2 + i % 2 * half)
        .filter(i -> HeadGroup.angle(i % half, shape.headDim()) * SPAN < TURN)
        .toArray();
  }

  /** How many directions {@link #alike} compares with something unseen, which takes a dimension. */
  static int compares(ModelShape shape) {
    return still(shape).length - 1;
  }

  /** Heads that look for what followed a token like this one, and copy it. */
  void alike(int block, int group, double[][] read, double[][] written, double[][] copied, double[] unseen) {
    HeadGroup heads = new HeadGroup(values, entries, shape, block, group);
    int[] still = still(shape);
    for (int i = 0; i < Math.min(still.length, read.length); i++) {
      heads.key(still[i], written[i], COMPARES);
      heads.queries(still[i], read[i], COMPARES);
    }
    if (read.length < still.length) {
      heads.key(still[read.length], unseen, -UNSEEN);
      heads.queries(still[read.length], constant, UNSEEN);
    }
    heads.read(copied);
    heads.write(copied, COPIES / HeadGroup.grown(shape));
  }
}
