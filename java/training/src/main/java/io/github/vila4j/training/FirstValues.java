// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import static io.github.vila4j.training.Directions.joined;

import io.github.vila4j.shapes.Rng;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * First values of the language model: rows of the table in which the properties of things have directions of their own, and heads that
 * look up ({@link LookUpHeads}), compare, count and find ({@link SeeingHeads}).
 */
final class FirstValues {
  /** Every row of the table has this much of the constant direction; the rest of it has length 1. */
  static final double CONSTANT = 0.5;
  /** How much rows of one word have in common. */
  private static final double SHARED = 0.8;
  /** How much counts and changes, which are small, are enlarged where they are read. */
  private static final double ENLARGED = 5;

  private final ModelShape shape;
  private final PropertyWords words;
  private final Directions directions;
  private final double[] constant;

  FirstValues(ModelShape shape, PropertyWords words, long seed) {
    this.shape = shape;
    this.words = words;
    directions = new Directions(shape.hidden(), Rng.mix(seed, 0x4c6f6f6b));
    constant = directions.any();
  }

  /** Changes the first values of the table, of the words of images, and of the first blocks. */
  void write(float[] values, List<Weights.Entry> entries) {
    Matrix table = Matrix.of(values, entries, Part.LLM, "model.embed_tokens.weight");
    double[][] properties = rows(table);
    int d = shape.headDim();
    boolean sees = shape.kvHeads() >= 3 && shape.heads() >= 2 * shape.kvHeads() && properties.length > 0;
    double[] blank = sees ? takeApart(table, words.blank(), properties) : null;
    double[][] counted = Arrays.copyOf(properties, Math.min(words.counted(), properties.length));
    double[][] known = sees ? joined(new double[][] {constant, blank}, properties) : new double[][] {constant};
    double[][] means = directions.apart(counted.length, known);
    double[][] compared = sees ? joined(new double[][] {blank}, properties) : new double[0][];
    double[][] differences = directions.apart(Math.min(compared.length, d), joined(known, means));
    int kinds = sees ? Math.min(words.kinds().length, d - differences.length) : 0;
    double[][] changes = directions.apart(kinds, joined(known, means, differences));
    double[][] number = directions.apart(sees ? 1 : 0, joined(known, means, differences, changes));
    double[][] own = joined(means, differences, changes, number);
    putIntoWords(Matrix.of(values, entries, Part.WORDS, "weight"), table, own, properties);

    double[][] taken = joined(known, own);
    int lookUps = sees ? shape.kvHeads() - 1 : shape.kvHeads();
    double[][] written = directions.apart(Math.min(lookUps * d, shape.hidden() - taken.length), taken);
    for (int block = 0; sees && block < 2; block++) {
      for (String name : List.of("self_attn.o_proj.weight", "mlp.down_proj.weight")) {
        Matrix.of(values, entries, Part.LLM, "model.layers." + block + "." + name).removeOutputs(taken);
      }
    }
    LookUpHeads lookUp = new LookUpHeads(values, entries, shape, constant);
    for (int block = 0; block + 1 < Math.min(4, shape.layers()); block += 2) {
      int groups = block == 0 ? lookUps : (lookUps + 1) / 2;
      for (int group = 0; group < groups; group++) {
        double[][] read = directions.apart(d, constant);
        // What a group writes is kept apart from what other groups write.
        double[][] to = new double[d][];
        for (int i = 0; i < d; i++) {
          to[i] = written[(group * d + i) % written.length];
        }
        lookUp.before(block, group, read, to);
        lookUp.alike(block + 1, group, read, to, directions.apart(d, taken));
      }
    }
    if (sees) {
      SeeingHeads see = new SeeingHeads(values, entries, shape, constant, blank);
      see.difference(0, lookUps, compared, differences);
      see.squares(0, Arrays.copyOfRange(differences, 1, differences.length), Arrays.copyOf(words.kinds(), changes.length), changes);
      see.mean(1, lookUps, counted, means);
      see.count(1, counted, means, number[0]);
      double[][] compare = joined(differences, Directions.times(changes, ENLARGED));
      see.meanOfLater(2, lookUps, differences[0], compare, directions.apart(compare.length, taken));
      // What text asks for takes the place of differences, which it holds only where an image stood sixteen tokens before.
      double[][] recent = Arrays.copyOf(joined(Directions.times(number, ENLARGED), properties), Math.min(1 + properties.length, d));
      see.recent(2, lookUps - 1, properties, recent, Arrays.copyOf(differences, recent.length));
      see.match(3, lookUps - 1, Arrays.copyOfRange(differences, 1, 1 + words.asked()), properties);
    }
  }

  /**
   * Sets the rows of the table: those of one word resemble each other, all others are at right angles to properties.
   *
   * @return an orthonormal basis of the properties' rows, as many as a head has dimensions at most
   */
  private double[][] rows(Matrix table) {
    double[][] properties = new double[Math.min(shape.headDim(), words.same().size())][];
    double[][] alone = {constant};
    int[] property = new int[shape.vocab()];
    Arrays.fill(property, -1);
    for (int n = 0; n < properties.length; n++) {
      int[] same = words.same().get(n);
      properties[n] = Directions.rest(table.row(same[0]), alone, properties, n);
      for (int id : same) {
        property[id] = n;
      }
    }
    for (int id = 0; id < shape.vocab(); id++) {
      double[] own = Directions.rest(table.row(id), alone, properties, properties.length);
      int n = property[id];
      boolean isFirst = n >= 0 && words.same().get(n)[0] == id;
      table.scale(id, 1, 0);
      table.add(id, constant, CONSTANT);
      table.add(id, n < 0 ? own : properties[n], isFirst || n < 0 ? 1 : SHARED);
      if (n >= 0 && !isFirst) {
        table.add(id, own, Math.sqrt(1 - SHARED * SHARED));
      }
    }
    return properties;
  }

  /** Takes what a row has apart from the constant and from properties away from all other rows, and returns it. */
  private double[] takeApart(Matrix table, int row, double[][] properties) {
    double[] direction = Directions.rest(table.row(row), new double[][] {constant}, properties, properties.length);
    for (int id = 0; id < shape.vocab(); id++) {
      table.add(id, direction, id == row ? 0 : -Directions.dot(table.row(id), direction));
    }
    return direction;
  }

  /**
   * Words of images are the rows of the table without the constant direction, of which the blank has as much as a token is long. The
   * other forms of a property's word are without the property: they say what all things have in common.
   */
  private void putIntoWords(Matrix said, Matrix table, double[][] without, double[][] properties) {
    Set<Integer> common = new HashSet<>();
    for (int[] same : words.same()) {
      Arrays.stream(same).skip(1).forEach(common::add);
    }
    for (int id = 0; id < shape.vocab(); id++) {
      double[] row = table.row(id);
      Directions.remove(row, constant);
      for (double[] direction : without) {
        Directions.remove(row, direction);
      }
      if (common.contains(id)) {
        row = Directions.rest(row, without, properties, properties.length);
      }
      said.scale(id, 1, 0);
      said.add(id, row, 1);
      said.add(id, constant, id == words.blank() ? CONSTANT * ToldImages.LENGTH : 0);
    }
  }
}
