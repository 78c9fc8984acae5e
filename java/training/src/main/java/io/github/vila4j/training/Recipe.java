// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import java.util.List;
import java.util.Set;

/**
 * Everything that a training run depends on.
 *
 * @param size "demo" or "small"
 * @param seed of the first weights and of all data
 * @param positions the most positions of a batch, padding included
 * @param images the most images of a batch
 * @param batches how many batches an update learns from, each by a thread of its own where there are enough
 * @param stages in their order
 */
record Recipe(String size, long seed, int positions, int images, int batches, List<Stage> stages) {
  private static final Set<Part> TOLD = Set.of(Part.LLM, Part.WORDS);
  private static final Set<Part> WITHOUT_TOWER = Set.of(Part.MM_PROJECTOR, Part.LLM);

  Recipe {
    if (batches < 1) {
      throw new IllegalArgumentException(batches + " batches an update, expected at least 1: begin a new run");
    }
  }

  ModelShape shape(int vocab) {
    return size.equals("demo") ? ModelShape.demo(vocab) : ModelShape.small(vocab);
  }

  /** The recipe of the demo model; {@code scale} stretches or shrinks every stage. */
  static Recipe demo(long seed, double scale) {
    return new Recipe(
        "demo", seed, 1024, 40, 2,
        List.of(
            new Stage(Stage.Kind.PATCHES, Set.of(Part.VISION_TOWER, Part.PROBE), updates(7000, scale), 1.5e-3, true, true),
            new Stage(Stage.Kind.LANGUAGE, TOLD, updates(2600, scale), 4e-4, true, true),
            new Stage(Stage.Kind.PROJECTOR, Set.of(Part.MM_PROJECTOR), updates(1000, scale), 2e-3, true, true),
            new Stage(Stage.Kind.INTERLEAVED, WITHOUT_TOWER, updates(1200, scale), 3e-4, true, true),
            new Stage(Stage.Kind.TUNING, WITHOUT_TOWER, updates(1200, scale), 2.5e-4, true, true),
            new Stage(Stage.Kind.TUNING, WITHOUT_TOWER, updates(1500, scale), 3e-4, true, true),
            new Stage(Stage.Kind.TUNING, WITHOUT_TOWER, updates(1600, scale), 3e-4, true, true),
            new Stage(Stage.Kind.TUNING_ON_SHAPES, WITHOUT_TOWER, updates(1600, scale), 3e-4, true, true)));
  }

  static int updates(int count, double scale) {
    return Math.max(1, (int) Math.round(count * scale));
  }
}
