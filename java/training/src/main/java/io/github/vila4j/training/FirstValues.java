// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import static io.github.vila4j.training.Directions.joined;

import io.github.vila4j.shapes.Rng;
import io.github.vila4j.training.SeeingHeads.Answer;
import io.github.vila4j.training.SeeingHeads.Marks;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * First values of the language model: rows of the table in which the properties of things have directions of their own, and heads that
 * look up ({@link LookUpHeads}), compare, count and find ({@link SeeingHeads}).
 */
final class FirstValues {
  /** Every row of the table has this much of the constant direction; the rest of it has length 1. */
  static final double CONSTANT = 0.5;
  /** How much rows of one word have in common. */
  private static final double SHARED = 0.8;
  /** How much amounts of change, which are small, are enlarged where they are read. */
  private static final double ENLARGED = 5;
  /** How many blocks have first values. */
  private static final int BLOCKS = 4;
  /** The part of the rate that is taken of these, and of the rows of words: steps as large as others' take them apart. */
  private static final double BLOCKS_PACE = 0.05;
  private static final double WORDS_PACE = 0.15;
  /** How many dimensions made-up labels have for themselves. */
  private static final int LABELS = 20;
  /** How much a token that says nothing counts, in parts of one that says how many are alike. */
  private static final double NONE = 0.12;
  /** How much of what came is enlarged. */
  private static final double CAME = 1.5;
  /** What takes the amounts of change of other kinds away where a thing moved. */
  private static final double MOVED = -2;
  /** The least amount of change that is different, in parts of the constant. */
  private static final double LEAST = 1;
  /** The size of what is said of two images. */
  private static final double COMPARES = 2;

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

  /** A weight's part of the rate of training. */
  static double pace(Weights.Entry entry) {
    if (entry.part() == Part.WORDS || entry.name().equals("model.embed_tokens.weight")) {
      return WORDS_PACE;
    }
    boolean inBlock = entry.part() == Part.LLM && entry.name().startsWith("model.layers.");
    return inBlock && Integer.parseInt(entry.name().split("\\.")[2]) < BLOCKS ? BLOCKS_PACE : 1;
  }

  /** Changes the first values of the table, of the words of images, and of the first blocks. */
  void write(float[] values, List<Weights.Entry> entries) {
    Matrix table = Matrix.of(values, entries, Part.LLM, "model.embed_tokens.weight");
    double[][] rows = rows(table);
    double[][] properties = Arrays.copyOf(rows, Math.min(words.same().size(), rows.length));
    double[][] asking = Arrays.copyOfRange(rows, properties.length, rows.length);
    int d = shape.headDim();
    boolean sees = shape.kvHeads() >= 3 && shape.heads() >= 2 * shape.kvHeads() && properties.length > 0;
    double[] blank = sees ? takeApart(table, words.blank(), rows) : null;
    double[][] known = sees ? joined(new double[][] {constant, blank}, rows) : new double[][] {constant};
    double[][] compared = sees ? joined(new double[][] {blank}, properties) : new double[0][];
    double[][] differences = directions.apart(Math.min(compared.length, d), known);
    int kinds = sees ? Math.min(words.kinds().length, d - differences.length) : 0;
    double[][] changes = directions.apart(kinds, joined(known, differences));
    double[][] asks = directions.apart(asking.length, joined(known, differences, changes));
    double[][] later = directions.apart(kinds + (sees ? 1 : 0), joined(known, differences, changes, asks));
    double[][] marks = directions.apart(sees ? Marks.COUNT : 0, joined(known, differences, changes, asks, later));
    double[][] labels = directions.apart(sees ? LABELS : 0, joined(known, differences, changes, asks, later, marks));
    double[][] own = joined(differences, changes, asks, later, marks, labels);
    double[][] imageBefore = directions.apart(sees ? Math.min(LookUpHeads.compares(shape), properties.length) : 0, joined(known, own));
    double[][] alike = directions.apart(sees ? ToldImages.ALIKE * ToldImages.MOST_ALIKE : 0, joined(known, own, imageBefore));
    Map<Integer, double[]> labelled = new LinkedHashMap<>();
    Arrays.stream(words.labels()).forEach(id -> labelled.put(id, within(table.row(id), labels)));
    for (int id = 0; id < shape.vocab(); id++) {
      set(table, id, labelled.getOrDefault(id, without(table, id, own)));
      table.add(id, constant, CONSTANT);
    }
    Matrix said = Matrix.of(values, entries, Part.WORDS, "weight");
    putIntoWords(said, table, joined(own, imageBefore, alike));
    double[][] taken = joined(known, own, imageBefore, alike);
    for (int i = 0; i < alike.length; i++) {
      set(said, words.alike()[i / ToldImages.MOST_ALIKE][i % ToldImages.MOST_ALIKE], alike[i]);
    }
    if (sees) {
      set(said, words.all(), marks[Marks.LAST]);
      set(said, words.nothing(), marks[Marks.NOTHING]);
    }
    int lookUps = sees ? shape.kvHeads() - 1 : shape.kvHeads();
    double[][] written = directions.apart(Math.min(lookUps * d, shape.hidden() - taken.length), taken);
    for (int block = 0; sees && block < Math.min(BLOCKS, shape.layers()); block++) {
      for (String name : List.of("self_attn.o_proj.weight", "mlp.down_proj.weight")) {
        Matrix.of(values, entries, Part.LLM, "model.layers." + block + "." + name).removeOutputs(taken);
      }
    }
    LookUpHeads lookUp = new LookUpHeads(values, entries, shape, constant);
    for (int block = 0; block + 1 < Math.min(sees ? 2 : BLOCKS, shape.layers()); block += 2) {
      int groups = sees ? 1 : block == 0 ? lookUps : (lookUps + 1) / 2;
      for (int group = 0; group < groups; group++) {
        double[][] read = directions.apart(d, constant);
        // What a group writes is kept apart from what other groups write.
        double[][] to = new double[d][];
        for (int i = 0; i < d; i++) {
          to[i] = written[(group * d + i) % written.length];
        }
        lookUp.before(block, group, read, to);
        double[][] copied = directions.apart(Math.min(d, shape.hidden() - taken.length), taken);
        lookUp.alike(block + 1, group, read, to, copied, new double[shape.hidden()]);
      }
    }
    if (sees) {
      SeeingHeads see = new SeeingHeads(values, entries, shape, constant, blank);
      // A label stands behind an image, of which the last token says what its things have in common.
      double[][] common = Arrays.copyOf(properties, imageBefore.length);
      lookUp.before(0, 1, common, imageBefore);
      lookUp.alike(1, 1, common, imageBefore, labels, blank);
      see.carry(3, 0, marks[Marks.LAST], labels);
      see.difference(0, lookUps, compared, differences);
      see.squares(0, Arrays.copyOfRange(differences, 1, differences.length), Arrays.copyOf(words.kinds(), changes.length), changes);
      // What came has properties that were not there; what changed has lost some in their place.
      double[] came = new double[shape.hidden()];
      for (int i = 1; i <= words.kinds()[0]; i++) {
        Directions.add(came, differences[i], CAME);
      }
      double[][] compare = joined(Directions.times(changes, ENLARGED), new double[][] {came});
      see.meanOfLater(2, lookUps, differences[0], marks[Marks.LAST], changes, compare, later);
      // What text asks for takes the place of differences, which only image tokens have.
      double[][] asked = Arrays.copyOfRange(differences, 1, differences.length);
      see.recent(2, lookUps - 1, new double[][][] {properties, asking}, new double[][][] {asked, asks});
      see.answer(2, comparisons(table, asks, later), COMPARES);
      see.match(3, lookUps - 1, Arrays.copyOf(asked, words.asked()), properties, marks[Marks.LAST]);
      int[] counted = Arrays.copyOf(words.kinds(), ToldImages.ALIKE);
      see.alike(3, lookUps, counted, asked, properties, marks, alike);
      see.answer(3, answers(table, asks, properties, alike, marks), SeeingHeads.ANSWERS);
    }
  }

  /**
   * Sets the rows of the table: those of one word resemble each other, all others are at right angles to properties.
   *
   * @return an orthonormal basis of the rows of properties and of words that ask for them, as many as a head has dimensions at most
   */
  private double[][] rows(Matrix table) {
    List<int[]> named = Stream.concat(words.same().stream(), words.asking().stream()).toList();
    double[][] properties = new double[Math.min(shape.headDim(), named.size())][];
    double[][] alone = {constant};
    int[] property = new int[shape.vocab()];
    Arrays.fill(property, -1);
    for (int n = 0; n < properties.length; n++) {
      int[] same = named.get(n);
      properties[n] = Directions.rest(table.row(same[0]), alone, properties, n);
      for (int id : same) {
        property[id] = n;
      }
    }
    for (int id = 0; id < shape.vocab(); id++) {
      double[] own = Directions.rest(table.row(id), alone, properties, properties.length);
      int n = property[id];
      boolean isFirst = n >= 0 && named.get(n)[0] == id;
      table.scale(id, 1, 0);
      table.add(id, constant, CONSTANT);
      table.add(id, n < 0 ? own : properties[n], isFirst || n < 0 ? 1 : SHARED);
      if (n >= 0 && !isFirst) {
        table.add(id, own, Math.sqrt(1 - SHARED * SHARED));
      }
    }
    return properties;
  }

  /** What is said: a property or a number where it is found and its kind is asked for. */
  private List<Answer> answers(Matrix table, double[][] asks, double[][] properties, double[][] alike, double[][] marks) {
    List<Answer> answers = new ArrayList<>();
    int property = 0;
    for (int kind = 0; kind < Math.min(PropertyWords.COUNT, asks.length); kind++) {
      for (int end = property + words.kinds()[kind]; property < end; property++) {
        int[] same = words.same().get(property);
        answers.add(new Answer(asks[kind], properties[property], withoutConstant(table, same[Math.min(1, same.length - 1)])));
      }
    }
    if (asks.length > PropertyWords.COUNT) {
      double[] count = asks[PropertyWords.COUNT];
      answers.add(new Answer(count, Directions.times(marks, NONE)[Marks.NONE], withoutConstant(table, words.numbers()[0])));
      for (int i = 0; i < alike.length; i++) {
        answers.add(new Answer(count, alike[i], withoutConstant(table, words.numbers()[1 + i % ToldImages.MOST_ALIKE])));
      }
    }
    return answers;
  }

  /** What is said of two images, by the amounts of change of each kind and what came. */
  private List<Answer> comparisons(Matrix table, double[][] asks, double[][] later) {
    List<Answer> said = new ArrayList<>();
    if (asks.length <= PropertyWords.SAME || later.length < 5) {
      return said;
    }
    double[] all = Directions.times(new double[][] {constant}, -LEAST)[0];
    for (int kind = 0; kind < 4; kind++) {
      // What moved differs in all its properties, at both places.
      double[] amount = kind == 2 ? later[2] : sum(later[kind], 1, later[2], MOVED);
      said.add(new Answer(asks[PropertyWords.CHANGE], amount, withoutConstant(table, words.changes()[kind])));
      all = sum(all, 1, later[kind], 1);
    }
    double[] added = withoutConstant(table, words.changes()[4]);
    double[] removed = withoutConstant(table, words.changes()[5]);
    said.add(new Answer(asks[PropertyWords.CHANGE], later[4], sum(added, 1, removed, -1)));
    double[] different = withoutConstant(table, words.compared()[0]);
    double[] same = withoutConstant(table, words.compared()[1]);
    said.add(new Answer(asks[PropertyWords.SAME], all, sum(different, 1, same, -1)));
    return said;
  }

  private static double[] sum(double[] a, double scaleA, double[] b, double scaleB) {
    double[] sum = new double[a.length];
    for (int i = 0; i < sum.length; i++) {
      sum[i] = scaleA * a[i] + scaleB * b[i];
    }
    return sum;
  }

  private static void set(Matrix table, int id, double[] row) {
    table.scale(id, 1, 0);
    table.add(id, row, 1);
  }

  private double[] withoutConstant(Matrix table, int id) {
    double[] row = table.row(id);
    Directions.remove(row, constant);
    return row;
  }

  /** What a row has apart from the constant and from other directions, at length 1. */
  private double[] without(Matrix table, int id, double[][] others) {
    return Directions.rest(table.row(id), new double[][] {constant}, others, others.length);
  }

  /** What a row has along some directions, at length 1. */
  private static double[] within(double[] row, double[][] directions) {
    double[] part = new double[row.length];
    for (double[] direction : directions) {
      Directions.add(part, direction, Directions.dot(row, direction));
    }
    return Directions.unit(part);
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
   * Words of images are the rows of the table without the constant direction, of which the blank has as much as a token is long.
   */
  private void putIntoWords(Matrix said, Matrix table, double[][] others) {
    for (int id = 0; id < shape.vocab(); id++) {
      set(said, id, without(table, id, others));
      said.add(id, constant, id == words.blank() ? CONSTANT * ToldImages.LENGTH : 0);
    }
  }
}
