// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import java.util.List;

/**
 * The query heads of a block that share a key and a value head, whose first values are set. Pair p of a head's dimensions is p and
 * p + d / 2, which the rotary embedding turns by {@link #angle} a position.
 */
final class HeadGroup {
  /** How much of the random first values of queries and keys stays. */
  private static final float REMAINS = 0.1f;

  /** The size of what a head that sees by position writes, in lengths of a row. */
  static final double WRITES = 2;
  /** What the score of the position that is looked for is. */
  private static final double POSITION = 60;

  private final Matrix q;
  private final Matrix k;
  private final Matrix v;
  private final Matrix o;
  private final int group;
  private final int perGroup;
  private final int d;

  /** Begins to set the group: little of its random queries and keys stays, and nothing of its values. */
  HeadGroup(float[] values, List<Weights.Entry> entries, ModelShape shape, int block, int group) {
    String attention = "model.layers." + block + ".self_attn.";
    q = Matrix.of(values, entries, Part.LLM, attention + "q_proj.weight");
    k = Matrix.of(values, entries, Part.LLM, attention + "k_proj.weight");
    v = Matrix.of(values, entries, Part.LLM, attention + "v_proj.weight");
    o = Matrix.of(values, entries, Part.LLM, attention + "o_proj.weight");
    this.group = group;
    perGroup = shape.heads() / shape.kvHeads();
    d = shape.headDim();
    k.scale(group * d, d, REMAINS);
    q.scale(group * perGroup * d, perGroup * d, REMAINS);
    v.scale(group * d, d, 0);
  }

  /** What a pair of dimensions turns by a position. */
  static double angle(int pair, int headDim) {
    return Math.pow(ModelShape.ROPE_THETA, -pair / (headDim / 2.0));
  }

  /** The length of a row behind a norm, in lengths of a row. */
  static double grown(ModelShape shape) {
    return Math.sqrt(shape.hidden() / (1 + FirstValues.CONSTANT * FirstValues.CONSTANT));
  }

  /** A row's part along the constant direction behind a norm. */
  static double constantPart(ModelShape shape) {
    return grown(shape) * FirstValues.CONSTANT;
  }

  /** How many pairs of dimensions tell positions apart. */
  static int pairs(ModelShape shape) {
    return Math.max(3, shape.headDim() / 8);
  }

  /** The size of queries and keys by position. */
  static double positionSize(ModelShape shape) {
    return Math.sqrt(POSITION * Math.sqrt(shape.headDim()) / pairs(shape)) / constantPart(shape);
  }

  /** Takes what is left of the random queries and keys away. */
  void clearQueriesAndKeys() {
    k.scale(group * d, d, 0);
    q.scale(group * perGroup * d, perGroup * d, 0);
  }

  /** Element {@code dimension} of the key is {@code scale} times a token's part along a direction. */
  void key(int dimension, double[] direction, double scale) {
    k.add(group * d + dimension, direction, scale);
  }

  /** The same of the query of head {@code head} of the group. */
  void query(int head, int dimension, double[] direction, double scale) {
    q.add((group * perGroup + head) * d + dimension, direction, scale);
  }

  /** The same of the queries of all heads. */
  void queries(int dimension, double[] direction, double scale) {
    for (int head = 0; head < perGroup; head++) {
      query(head, dimension, direction, scale);
    }
  }

  /** The value is a token's part along some directions. */
  void read(double[][] directions) {
    for (int i = 0; i < directions.length; i++) {
      v.add(group * d + i, directions[i], 1);
    }
  }

  /** Takes the random first values of what is written away. */
  void clearWritten() {
    o.clearColumns(group * perGroup * d, perGroup * d);
  }

  /** What head {@code head} reads is written along other directions. */
  void writeOf(int head, double[][] directions, double scale) {
    for (int i = 0; i < directions.length; i++) {
      writeOne(head, i, directions[i], scale);
    }
  }

  /** Element {@code dimension} of what head {@code head} reads is written along a direction. */
  void writeOne(int head, int dimension, double[] direction, double scale) {
    o.addColumn((group * perGroup + head) * d + dimension, direction, scale);
  }

  /** What all heads read is written, {@code scale} in all. */
  void write(double[][] directions, double scale) {
    for (int head = 0; head < perGroup; head++) {
      writeOf(head, directions, scale / perGroup);
    }
  }
}
