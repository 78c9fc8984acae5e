// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import io.github.vila4j.GenerationOptions;
import io.github.vila4j.Prompt;
import io.github.vila4j.Role;
import io.github.vila4j.VilaImage;
import io.github.vila4j.VilaModel;
import io.github.vila4j.VilaSession;
import io.github.vila4j.shapes.Accuracy;
import io.github.vila4j.shapes.Item;
import io.github.vila4j.shapes.Items;
import io.github.vila4j.shapes.Picture;
import io.github.vila4j.shapes.Split;
import io.github.vila4j.shapes.Task;
import io.github.vila4j.shapes.Turn;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** How often a model's answers are right. */
@Command(name = "eval", description = "Asks a model the questions of a test set and says how many answers are right.")
final class Eval extends BaseCommand {
  private static final String SUITE = "shapes";

  @Mixin private ModelOptions model;

  @Option(
      names = "--suite",
      paramLabel = "NAME",
      defaultValue = SUITE,
      description = "shapes: drawn scenes, for models trained on them (${DEFAULT-VALUE}).")
  private String suite;

  @Option(names = "--items", paramLabel = "N", defaultValue = "1000", description = "Questions per task (${DEFAULT-VALUE}).")
  private int items;

  @Option(names = "--task", paramLabel = "ID", description = "Only this task, for example vqa-colour; may be repeated.")
  private List<String> tasks = List.of();

  @Option(names = "--max-tokens", paramLabel = "N", defaultValue = "64", description = "Of an answer (${DEFAULT-VALUE}).")
  private int maxTokens;

  @Option(names = "--answers", paramLabel = "FILE", description = "Write every answer: a line of JSON each.")
  private Path answers;

  @Option(names = "--images", paramLabel = "DIR", description = "Write every image: DIR/<task>-<item>-<number>.png.")
  private Path images;

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  /** The results of one task. */
  private record Result(Accuracy all, Accuracy heldOut) {
    Result plus(boolean isRight, boolean isHeldOut) {
      return new Result(all.plus(isRight), isHeldOut ? heldOut.plus(isRight) : heldOut);
    }
  }

  @Override
  public Integer call() {
    List<Task> chosen = check();
    GenerationOptions options = GenerationOptions.builder().maxNewTokens(maxTokens).build();
    Map<Task, Result> results = new LinkedHashMap<>();
    StringBuilder lines = new StringBuilder();
    try (Interruption interruption = new Interruption();
        VilaModel loaded = model.load(interruption);
        VilaSession session = loaded.newSession();
        Progress progress = new Progress("evaluating")) {
      interruption.cancelWith(session::cancel);
      for (int t = 0; t < chosen.size(); t++) {
        Task task = chosen.get(t);
        Result result = new Result(new Accuracy(0, 0), new Accuracy(0, 0));
        for (int i = 0; i < items; i++) {
          if (interruption.isRequested()) {
            throw new FailureException("interrupted");
          }
          Item item = Items.of(Split.TEST, task, i);
          List<Picture> pictures = item.pictures();
          if (images != null) {
            write(pictures, task.id() + "-" + i);
          }
          String answer = session.generate(prompt(item, pictures), options).text();
          boolean isRight = Task.isRight(item, answer);
          result = result.plus(isRight, item.hasHeldOut());
          if (answers != null) {
            lines.append(line(item, i, answer, isRight)).append('\n');
          }
          progress.onProgress(task.id(), (t * (double) items + i + 1) / (chosen.size() * (double) items));
        }
        results.put(task, result);
      }
    }
    if (answers != null) {
      Disk.write(answers, lines.toString().getBytes(StandardCharsets.UTF_8));
    }
    if (json) {
      out().println(Json.pretty(report(results)));
    } else {
      results.forEach(this::print);
    }
    return Main.OK;
  }

  private List<Task> check() {
    if (!suite.equals(SUITE)) {
      throw new UsageException("--suite " + suite + ": expected " + SUITE);
    }
    if (items < 1 || maxTokens < 1) {
      throw new UsageException("--items " + items + " --max-tokens " + maxTokens + ": expected at least 1 of each");
    }
    try {
      return tasks.isEmpty() ? Arrays.asList(Task.values()) : tasks.stream().map(Task::of).distinct().toList();
    } catch (IllegalArgumentException e) {
      throw new UsageException("--task: " + e.getMessage());
    }
  }

  /** The item up to its last question. */
  private static Prompt prompt(Item item, List<Picture> pictures) {
    Prompt.Builder prompt = Prompt.builder();
    List<Turn> turns = item.turns();
    for (int i = 0; i < turns.size(); i++) {
      prompt.marked(Role.USER, turns.get(i).question());
      if (i + 1 < turns.size()) {
        prompt.assistant(turns.get(i).answer());
      }
    }
    return prompt.images(pictures.stream().map(p -> VilaImage.ofRgb(p.rgb(), p.width(), p.height())).toList()).build();
  }

  private void write(List<Picture> pictures, String name) {
    for (int i = 0; i < pictures.size(); i++) {
      Images.writePng(pictures.get(i), images.resolve(name + "-" + i + ".png"));
    }
  }

  private static String line(Item item, int index, String answer, boolean isRight) {
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("task", item.task().id());
    line.put("item", index);
    line.put("question", item.turns().get(item.turns().size() - 1).question());
    line.put("expected", item.expected());
    line.put("answer", answer);
    line.put("right", isRight);
    line.put("held_out", item.hasHeldOut());
    return Json.compact(line);
  }

  private Map<String, Object> report(Map<Task, Result> results) {
    Map<String, Object> byTask = new LinkedHashMap<>();
    results.forEach(
        (task, result) -> {
          Map<String, Object> figures = figures(result.all);
          figures.put("held_out", figures(result.heldOut));
          byTask.put(task.id(), figures);
        });
    Map<String, Object> report = new LinkedHashMap<>();
    report.put("suite", suite);
    report.put("items", items);
    report.put("tasks", byTask);
    return report;
  }

  private static Map<String, Object> figures(Accuracy accuracy) {
    Map<String, Object> figures = new LinkedHashMap<>();
    figures.put("right", accuracy.right());
    figures.put("total", accuracy.total());
    figures.put("accuracy", accuracy.share());
    figures.put("low", accuracy.low());
    figures.put("high", accuracy.high());
    return figures;
  }

  private void print(Task task, Result result) {
    out()
        .println(
            String.format(
                Locale.ROOT, "%-14s %5.1f %%  (%5.1f to %5.1f, %d of %d)", task.id(), 100 * result.all.share(),
                100 * result.all.low(), 100 * result.all.high(), result.all.right(), result.all.total()));
  }
}
