// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import com.google.gson.JsonObject;
import io.github.vila4j.shapes.Accuracy;
import io.github.vila4j.shapes.Item;
import io.github.vila4j.shapes.Items;
import io.github.vila4j.shapes.Split;
import io.github.vila4j.shapes.Task;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * VILA's findings at a small scale: the language model frozen or updated while it learns from images and texts by turns, pairs of
 * image and caption in place of such documents, and tuning with or without text. All runs begin with the same tower, language model
 * and projector; a seed decides what they learn from.
 */
final class Ablations {
  private static final Set<Part> UPDATED = Set.of(Part.MM_PROJECTOR, Part.LLM);
  private static final Set<Part> FROZEN = Set.of(Part.MM_PROJECTOR);
  private static final List<Task> TASKS =
      List.of(
          Task.ICL_LABEL_0, Task.ICL_LABEL_2, Task.ICL_LABEL_4, Task.ICL_LABEL_8, Task.VQA_COLOUR, Task.VQA_COUNT, Task.TEXT_SUM,
          Task.TEXT_FACT, Task.TEXT_SCENE);

  /** A way to train. */
  enum Variant {
    /** Interleaved documents, everything updated, text in tuning. */
    BASE,
    /** The language model frozen before tuning. */
    FROZEN,
    /** Caption pairs in place of documents. */
    PAIRS,
    /** No text in tuning. */
    NO_TEXT
  }

  private final Path folder;
  private final double scale;
  private final int items;
  private final boolean bfloat16;
  private final int threads;

  Ablations(Path folder, double scale, int items, boolean bfloat16, int threads) {
    this.folder = folder;
    this.scale = scale;
    this.items = items;
    this.bfloat16 = bfloat16;
    this.threads = threads;
  }

  private List<Stage> beginning() {
    return List.of(
        new Stage(Stage.Kind.LANGUAGE, Set.of(Part.LLM, Part.WORDS), Recipe.updates(1800, scale), 4e-4, true, true),
        new Stage(Stage.Kind.PATCHES, Set.of(Part.VISION_TOWER, Part.PROBE), Recipe.updates(4000, scale), 1.5e-3, true, true),
        new Stage(Stage.Kind.PROJECTOR, Set.of(Part.MM_PROJECTOR), Recipe.updates(500, scale), 2e-3, true, true));
  }

  private Recipe recipe(Variant variant, long seed) {
    List<Stage> stages = new ArrayList<>(beginning());
    Stage.Kind kind = variant == Variant.PAIRS ? Stage.Kind.PAIRS : Stage.Kind.INTERLEAVED;
    Set<Part> parts = variant == Variant.FROZEN ? FROZEN : UPDATED;
    stages.add(new Stage(kind, parts, Recipe.updates(350, scale), 3e-4, true, true));
    stages.add(new Stage(Stage.Kind.TUNING, UPDATED, Recipe.updates(150, scale), 2.5e-4, variant != Variant.NO_TEXT, false));
    return new Recipe("small", seed, 1024, 40, 2, stages);
  }

  /** Trains and judges what is missing; returns the table. */
  String run(int seeds) throws IOException {
    RunFolder begun = new RunFolder(folder.resolve("beginning"));
    Recipe shared = begun.recipe(new Recipe("small", 0, 1024, 40, 2, beginning()));
    new Trainer(begun, shared, bfloat16, threads).run(Double.MAX_VALUE);
    for (long seed = 1; seed <= seeds; seed++) {
      for (Variant variant : Variant.values()) {
        RunFolder run = new RunFolder(folder.resolve("seed-" + seed + "-" + variant.name().toLowerCase(Locale.ROOT)));
        Recipe recipe = run.recipe(recipe(variant, seed));
        run.beginFrom(begun);
        new Trainer(run, recipe, bfloat16, threads).run(Double.MAX_VALUE);
        if (!Files.exists(run.path().resolve("accuracy.json"))) {
          judge(run);
        }
      }
    }
    return table(seeds);
  }

  private void judge(RunFolder run) throws IOException {
    JsonObject result = new JsonObject();
    try (TrainedModel model = run.model();
        Answers answers = new Answers(model.weights(), model.tokenizer(), false, threads)) {
      for (Task task : TASKS) {
        List<Item> list = new ArrayList<>();
        for (int i = 0; i < items; i++) {
          list.add(Items.of(Split.TEST, task, i));
        }
        List<String> texts = answers.texts(list);
        Accuracy accuracy = new Accuracy(0, 0);
        for (int i = 0; i < items; i++) {
          accuracy = accuracy.plus(Task.isRight(list.get(i), texts.get(i)));
        }
        result.addProperty(task.id(), accuracy.share());
      }
    }
    Path fresh = run.path().resolve("accuracy.json.new");
    Json.write(fresh, result);
    Files.move(fresh, run.path().resolve("accuracy.json"), StandardCopyOption.ATOMIC_MOVE);
  }

  /** Mean and range over the seeds, in Markdown. */
  private String table(int seeds) throws IOException {
    StringBuilder text = new StringBuilder("| variant |");
    TASKS.forEach(task -> text.append(' ').append(task.id()).append(" |"));
    text.append("\n|---|").append("---|".repeat(TASKS.size())).append('\n');
    for (Variant variant : Variant.values()) {
      Map<Task, List<Double>> shares = new EnumMap<>(Task.class);
      for (int seed = 1; seed <= seeds; seed++) {
        Path file = folder.resolve("seed-" + seed + "-" + variant.name().toLowerCase(Locale.ROOT)).resolve("accuracy.json");
        JsonObject result = Json.read(file, JsonObject.class);
        TASKS.forEach(task -> shares.computeIfAbsent(task, t -> new ArrayList<>()).add(100 * result.get(task.id()).getAsDouble()));
      }
      text.append("| ").append(variant.name().toLowerCase(Locale.ROOT)).append(" |");
      for (Task task : TASKS) {
        var statistics = shares.get(task).stream().mapToDouble(Double::doubleValue).summaryStatistics();
        double mean = statistics.getAverage();
        text.append(String.format(Locale.ROOT, " %.1f (%.1f to %.1f) |", mean, statistics.getMin(), statistics.getMax()));
      }
      text.append('\n');
    }
    return text.toString();
  }
}
