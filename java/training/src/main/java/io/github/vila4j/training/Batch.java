// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import io.github.vila4j.VilaImage;
import io.github.vila4j.shapes.Painter;
import io.github.vila4j.shapes.Picture;
import io.github.vila4j.shapes.Scene;
import io.github.vila4j.shapes.text.BytePairs;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Sequences of about one length as arrays, padded at their ends.
 *
 * @param sequences how many, B
 * @param positions of each, T
 * @param rows B * T numbers: ids, and from the vocabulary's size on image tokens
 * @param picked the rows whose next id is learnt
 * @param targets those ids
 * @param lossWeights how much each counts
 * @param images how many, N
 * @param patches N * P * 3 * patch * patch normalized pixels
 * @param told the images in words, in place of pixels or beside them; null unless asked for
 * @param labels what each of N * P patches shows, by {@link Probe}, {@link Probe#NOT_ASKED} where nothing is learnt; empty unless
 *     asked for
 * @param ends the row of each sequence's last position
 */
record Batch(
    int sequences, int positions, long[] rows, long[] picked, long[] targets, float[] lossWeights, int images, float[] patches,
    ToldImages told, long[][] labels, long[] ends) {
  private static final float MEAN = 0.5f;
  private static final float STD = 0.5f;

  static Batch of(List<Sequence> sequences, ModelShape shape) {
    return of(sequences, shape, null);
  }

  /** The same with images in words where there is a tokenizer, in place of pixels. */
  static Batch of(List<Sequence> sequences, ModelShape shape, BytePairs teller) {
    int tokens = shape.imageTokens();
    int positions = sequences.stream().mapToInt(s -> s.length(tokens)).max().orElse(0);
    long[] rows = new long[sequences.size() * positions];
    long[] ends = new long[sequences.size()];
    List<long[]> picked = new ArrayList<>();
    List<Float> lossWeights = new ArrayList<>();
    List<Scene> scenes = new ArrayList<>();
    List<Boolean> named = new ArrayList<>();
    for (int b = 0; b < sequences.size(); b++) {
      Sequence sequence = sequences.get(b);
      int at = b * positions;
      int scene = 0;
      for (int i = 0; i < sequence.ids().length; i++) {
        if (sequence.ids()[i] == Sequence.IMAGE) {
          for (int k = 0; k < tokens; k++) {
            rows[at++] = shape.vocab() + (long) scenes.size() * tokens + k;
          }
          scenes.add(sequence.scenes().get(scene++));
          named.add(sequence.named());
        } else {
          if (sequence.weights()[i] > 0 && at > b * positions) {
            picked.add(new long[] {at - 1, sequence.ids()[i]});
            lossWeights.add(sequence.weights()[i]);
          }
          rows[at++] = sequence.ids()[i];
        }
      }
      ends[b] = at - 1;
    }
    float[] patches = new float[teller != null ? 0 : scenes.size() * shape.patches() * shape.patchValues()];
    for (int n = 0; teller == null && n < scenes.size(); n++) {
      pixels(named.get(n) ? Painter.paint(scenes.get(n)) : Painter.paintUnnamed(scenes.get(n)), shape, patches, n);
    }
    ToldImages told = teller == null || scenes.isEmpty() ? null : ToldImages.of(scenes, teller, shape);
    float[] weights = new float[lossWeights.size()];
    for (int i = 0; i < weights.length; i++) {
      weights[i] = lossWeights.get(i);
    }
    return new Batch(
        sequences.size(), positions, rows, picked.stream().mapToLong(p -> p[0]).toArray(),
        picked.stream().mapToLong(p -> p[1]).toArray(), weights, scenes.size(), patches, told, new long[0][],
        ends);
  }

  /** The same sequences, each with more ids behind its end, without what is learnt. */
  Batch extended(List<int[]> more) {
    int longest = 0;
    for (int b = 0; b < sequences; b++) {
      longest = Math.max(longest, (int) ends[b] - b * positions + 1 + more.get(b).length);
    }
    long[] newRows = new long[sequences * longest];
    long[] newEnds = new long[sequences];
    for (int b = 0; b < sequences; b++) {
      int length = (int) ends[b] - b * positions + 1;
      System.arraycopy(rows, b * positions, newRows, b * longest, length);
      for (int id : more.get(b)) {
        newRows[b * longest + length++] = id;
      }
      newEnds[b] = b * (long) longest + length - 1;
    }
    return new Batch(sequences, longest, newRows, new long[0], new long[0], new float[0], images, patches, told, labels, newEnds);
  }

  /**
   * Images alone, with what each patch shows and, by a tokenizer, what each token says in words. The first {@code unnamed} of them are
   * drawn in colours that have no name, of which nothing is learnt.
   */
  static Batch ofScenes(List<Scene> scenes, int unnamed, ModelShape shape, BytePairs teller) {
    float[] patches = new float[scenes.size() * shape.patches() * shape.patchValues()];
    long[][] labels = new long[Probe.values().length][scenes.size() * shape.patches()];
    for (int n = 0; n < scenes.size(); n++) {
      boolean named = n >= unnamed;
      pixels(named ? Painter.paint(scenes.get(n)) : Painter.paintUnnamed(scenes.get(n)), shape, patches, n);
      Probe.label(scenes.get(n), named, shape, labels, n * shape.patches());
    }
    ToldImages told = ToldImages.of(scenes, teller, shape);
    return new Batch(0, 0, new long[0], new long[0], new long[0], new float[0], scenes.size(), patches, told, labels, new long[0]);
  }

  /** Exactly the engine's preprocessing: Pillow's bicubic resize to the square, then (x / 255 - mean) / std. */
  private static void pixels(Picture picture, ModelShape shape, float[] patches, int index) {
    int side = shape.imageSize();
    byte[] rgb = picture.rgb();
    if (picture.width() != side || picture.height() != side) {
      rgb = VilaImage.ofRgb(rgb, picture.width(), picture.height()).resize(side, side).rgb();
    }
    int patch = shape.patch();
    int at = index * shape.patches() * shape.patchValues();
    for (int row = 0; row < shape.grid(); row++) {
      for (int column = 0; column < shape.grid(); column++) {
        for (int c = 0; c < 3; c++) {
          for (int y = row * patch; y < (row + 1) * patch; y++) {
            for (int x = column * patch; x < (column + 1) * patch; x++) {
              patches[at++] = ((rgb[(y * side + x) * 3 + c] & 0xFF) * (1 / 255f) - MEAN) / STD;
            }
          }
        }
      }
    }
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Batch batch && Arrays.equals(rows, batch.rows) && Arrays.equals(patches, batch.patches);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(rows);
  }
}
