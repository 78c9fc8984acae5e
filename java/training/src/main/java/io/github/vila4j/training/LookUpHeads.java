// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import io.github.vila4j.shapes.Rng;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.DoubleStream;

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
  /** Every row of the table has this much of the constant direction; the rest of it has length 1. */
  private static final double CONSTANT = 0.5;
  /** What the score of the token before is. */
  private static final double BEFORE = 40;
  /** The size of what a head of an even block writes, in lengths of a row. */
  private static final double WRITES = 2;
  /** How strongly content is compared. */
  private static final double COMPARES = 3;
  /** The size of what is copied, in lengths of a row. */
  private static final double COPIES = 2;
  /** How much of the random first values of queries and keys stays. */
  private static final float REMAINS = 0.1f;
  /** Positions over which compared dimensions turn by at most {@link #TURN}. */
  private static final int SPAN = 400;
  private static final double TURN = 1.5;

  private final ModelShape shape;
  private final Random random;

  LookUpHeads(ModelShape shape, long seed) {
    this.shape = shape;
    random = new Random(Rng.mix(seed, 0x4c6f6f6b));
  }

  /** The matrix [rows, columns] of a name in the array of all values. */
  private record Matrix(float[] values, int offset, int columns) {
    void add(int row, double[] vector, double scale) {
      for (int i = 0; i < columns; i++) {
        values[offset + row * columns + i] += (float) (scale * vector[i]);
      }
    }

    void scale(int from, int rows, float factor) {
      for (int i = offset + from * columns; i < offset + (from + rows) * columns; i++) {
        values[i] *= factor;
      }
    }

    void addColumn(int column, double[] vector, double scale) {
      for (int row = 0; row < vector.length; row++) {
        values[offset + row * columns + column] += (float) (scale * vector[row]);
      }
    }
  }

  private static Matrix matrix(float[] values, List<Weights.Entry> entries, String name) {
    Weights.Entry entry =
        entries.stream().filter(e -> e.part() == Part.LLM && e.name().equals(name + ".weight")).findFirst().orElseThrow();
    return new Matrix(values, (int) entry.offset(), (int) entry.shape()[1]);
  }

  private double[] normal() {
    return DoubleStream.generate(random::nextGaussian).limit(shape.hidden()).toArray();
  }

  /** Orthonormal vectors at right angles to {@code constant}. */
  private double[][] directions(int count, double[] constant) {
    double[][] found = new double[count][];
    for (int n = 0; n < count; n++) {
      double[] vector = normal();
      remove(vector, constant);
      for (int i = 0; i < n; i++) {
        remove(vector, found[i]);
      }
      found[n] = unit(vector);
    }
    return found;
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  private static void remove(double[] vector, double[] direction) {
    double part = dot(vector, direction);
    for (int i = 0; i < vector.length; i++) {
      vector[i] -= part * direction[i];
    }
  }

  private static double[] unit(double[] vector) {
    double length = Math.sqrt(dot(vector, vector));
    return Arrays.stream(vector).map(v -> v / length).toArray();
  }

  /** Changes the first values of the table and of the first blocks: two with all their heads, two more with half of them. */
  void write(float[] values, List<Weights.Entry> entries) {
    double[] constant = unit(normal());
    Matrix table = matrix(values, entries, "model.embed_tokens");
    for (int id = 0; id < shape.vocab(); id++) {
      double part = 0;
      for (int i = 0; i < shape.hidden(); i++) {
        part += values[table.offset + id * shape.hidden() + i] * constant[i];
      }
      table.add(id, constant, CONSTANT - part);
    }
    for (int block = 0; block + 1 < Math.min(4, shape.layers()); block += 2) {
      int groups = block == 0 ? shape.kvHeads() : (shape.kvHeads() + 1) / 2;
      // What is written is kept apart from what other groups write.
      double[][] written = directions(Math.min(groups * shape.headDim(), shape.hidden() - 1), constant);
      for (int group = 0; group < groups; group++) {
        double[][] read = directions(shape.headDim(), constant);
        double[][] to = new double[shape.headDim()][];
        for (int i = 0; i < to.length; i++) {
          to[i] = written[(group * to.length + i) % written.length];
        }
        before(values, entries, block, group, constant, read, to);
        alike(values, entries, block + 1, group, read, to, directions(shape.headDim(), constant));
      }
    }
  }

  private double angle(int pair) {
    return Math.pow(ModelShape.ROPE_THETA, -pair / (shape.headDim() / 2.0));
  }

  /** The length of a row behind a norm, in lengths of a row. */
  private double grown() {
    return Math.sqrt(shape.hidden() / (1 + CONSTANT * CONSTANT));
  }

  /** Heads that see the token before: what they read of it is written elsewhere. */
  private void before(
      float[] values, List<Weights.Entry> entries, int block, int group, double[] constant, double[][] read, double[][] to) {
    String attention = "model.layers." + block + ".self_attn.";
    int d = shape.headDim();
    int perGroup = shape.heads() / shape.kvHeads();
    int pairs = Math.max(3, d / 8);
    double size = Math.sqrt(BEFORE * Math.sqrt(d) / pairs) / (grown() * CONSTANT);
    Matrix q = matrix(values, entries, attention + "q_proj");
    Matrix k = matrix(values, entries, attention + "k_proj");
    Matrix v = matrix(values, entries, attention + "v_proj");
    Matrix o = matrix(values, entries, attention + "o_proj");
    k.scale(group * d, d, REMAINS);
    for (int pair = 0; pair < pairs; pair++) {
      k.add(group * d + pair, constant, size * Math.cos(angle(pair)));
      k.add(group * d + pair + d / 2, constant, size * Math.sin(angle(pair)));
    }
    v.scale(group * d, d, 0);
    for (int i = 0; i < d; i++) {
      v.add(group * d + i, read[i], 1);
    }
    for (int head = group * perGroup; head < (group + 1) * perGroup; head++) {
      q.scale(head * d, d, REMAINS);
      for (int pair = 0; pair < pairs; pair++) {
        q.add(head * d + pair, constant, size);
      }
      for (int i = 0; i < d; i++) {
        o.addColumn(head * d + i, to[i], WRITES / (perGroup * grown()));
      }
    }
  }

  /** Heads that look for what followed a token like this one, and copy it. */
  private void alike(
      float[] values, List<Weights.Entry> entries, int block, int group, double[][] read, double[][] written, double[][] copied) {
    String attention = "model.layers." + block + ".self_attn.";
    int d = shape.headDim();
    int perGroup = shape.heads() / shape.kvHeads();
    Matrix q = matrix(values, entries, attention + "q_proj");
    Matrix k = matrix(values, entries, attention + "k_proj");
    Matrix v = matrix(values, entries, attention + "v_proj");
    Matrix o = matrix(values, entries, attention + "o_proj");
    k.scale(group * d, d, REMAINS);
    v.scale(group * d, d, 0);
    int next = 0;
    int[] slow = new int[d];
    for (int pair = 0; pair < d / 2; pair++) {
      if (angle(pair) * SPAN < TURN) {
        slow[next++] = pair;
        slow[next++] = pair + d / 2;
      }
    }
    for (int i = 0; i < next; i++) {
      k.add(group * d + slow[i], written[i], COMPARES);
    }
    for (int i = 0; i < d; i++) {
      v.add(group * d + i, copied[i], 1);
    }
    for (int head = group * perGroup; head < (group + 1) * perGroup; head++) {
      q.scale(head * d, d, REMAINS);
      for (int i = 0; i < next; i++) {
        q.add(head * d + slow[i], read[i], COMPARES);
      }
      for (int i = 0; i < d; i++) {
        o.addColumn(head * d + i, copied[i], COPIES / (perGroup * grown()));
      }
    }
  }
}
