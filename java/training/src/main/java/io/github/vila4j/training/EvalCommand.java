// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import io.github.vila4j.VilaModel;
import io.github.vila4j.demo.DemoModel;
import io.github.vila4j.shapes.Item;
import io.github.vila4j.shapes.Items;
import io.github.vila4j.shapes.Split;
import io.github.vila4j.shapes.Task;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import me.tongfei.progressbar.ProgressBar;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Judges a model by the training module's own forward pass, and compares it with the engine. */
@Command(
    name = "eval",
    mixinStandardHelpOptions = true,
    description = "Accuracy of a run's last state, its weights rounded to bfloat16, or of a checkpoint, by PyTorch and by the engine.")
final class EvalCommand implements Callable<Integer> {
  /** Items between two steps of the progress bar. */
  private static final int STEP = 100;
  /** Answers of a task that are shown where they differ. */
  private static final int MOST_SHOWN = 5;

  @Spec private CommandSpec spec;

  @ArgGroup private Source source = new Source();

  /** What is judged. */
  private static final class Source {
    @Option(names = "--run", paramLabel = "DIR", description = "A run's folder.")
    private Path run;

    @Option(
        names = "--model",
        paramLabel = "DIR",
        description = "A checkpoint that export wrote. The demo model where neither is given.")
    private Path model;
  }

  @Option(names = "--items", defaultValue = "1000", description = "Per task (${DEFAULT-VALUE}).")
  private int items;

  @Option(names = "--split", defaultValue = "TEST", description = "TEST or VALIDATION (${DEFAULT-VALUE}).")
  private Split split;

  @Option(names = "--tasks", split = ",", paramLabel = "ID", description = "All unless given.")
  private List<String> tasks;

  @Option(
      names = "--told",
      description = "Put each image token into words: what the language model of a run can do by itself.")
  private boolean told;

  @Option(
      names = "--engine",
      description = "Compare with the engine in fp32, answer by answer; fails where less than 99.5 %% of a task's are the same.")
  private boolean engine;

  @Option(names = "--threads", defaultValue = "2", description = "Batches at once (${DEFAULT-VALUE}).")
  private int threads;

  @Override
  public Integer call() throws Exception {
    List<Task> chosen = check();
    Path folder = source.run != null ? source.run.resolve("exported") : source.model != null ? source.model : DemoModel.folder();
    Map<Task, Verdict> verdicts = new LinkedHashMap<>();
    try (TrainedModel trained = trained(folder);
        Answers answers = new Answers(trained.weights(), trained.tokenizer(), false, threads, told);
        VilaModel model = engine ? EngineAnswers.load(folder) : null) {
      for (Task task : chosen) {
        String name = String.format(Locale.ROOT, "%d/%d %s", verdicts.size() + 1, chosen.size(), task.id());
        verdicts.put(task, judge(task, name, answers, model));
      }
    }
    return engine && !agree(verdicts) ? 1 : 0;
  }

  private List<Task> check() {
    if (items < 1 || threads < 1) {
      throw usage("--items " + items + " --threads " + threads + ": expected at least 1 of each");
    }
    if (told && (source.run == null || engine)) {
      throw usage("--told needs --run and goes without --engine: only a run has the words of image tokens");
    }
    if (source.model != null && !Files.exists(source.model.resolve("config.json"))) {
      throw usage("--model " + source.model + ": found no config.json, expected a folder that export wrote");
    }
    try {
      return tasks == null ? List.of(Task.values()) : tasks.stream().map(Task::of).distinct().toList();
    } catch (IllegalArgumentException e) {
      throw usage("--tasks: " + e.getMessage());
    }
  }

  private ParameterException usage(String message) {
    return new ParameterException(spec.commandLine(), message);
  }

  /** The checkpoint in the folder; that of a run is written there first, where the engine reads it. */
  private TrainedModel trained(Path folder) throws IOException {
    if (source.run == null) {
      return ModelFolder.read(folder);
    }
    TrainedModel model = new RunFolder(source.run).model();
    model.weights().round();
    if (engine) {
      ModelFolder.write(folder, model.weights(), model.tokenizer(), true);
    }
    return model;
  }

  /** Prints a task's figures and the first answers that differ. */
  private Verdict judge(Task task, String name, Answers answers, VilaModel model) {
    Verdict verdict = Verdict.NONE;
    List<String> lines = new ArrayList<>();
    try (ProgressBar bar = Bars.of(name, items).clearDisplayOnFinish().build()) {
      for (int from = 0; from < items; from += STEP) {
        List<Item> some = IntStream.range(from, Math.min(items, from + STEP)).mapToObj(i -> Items.of(split, task, i)).toList();
        List<String> texts = answers.texts(some);
        for (int i = 0; i < some.size(); i++) {
          String byEngine = model == null ? null : EngineAnswers.text(model, some.get(i));
          verdict = verdict.plus(some.get(i), texts.get(i), byEngine);
          if (byEngine != null && !byEngine.equals(texts.get(i)) && lines.size() < MOST_SHOWN) {
            lines.add(text("  item %d: PyTorch \"%s\", engine \"%s\"", from + i, texts.get(i), byEngine));
          }
          bar.step();
        }
      }
    }
    lines.add(0, line(task, verdict));
    lines.forEach(out()::println);
    return verdict;
  }

  private static String line(Task task, Verdict verdict) {
    List<String> parts = new ArrayList<>();
    double low = 100 * verdict.own().low();
    double high = 100 * verdict.own().high();
    parts.add(text("%-14s %5.1f %% (%4.1f to %5.1f)", task.id(), 100 * verdict.own().share(), low, high));
    if (verdict.heldOut().total() > 0) {
      parts.add(text("held-out %5.1f %% of %d", 100 * verdict.heldOut().share(), verdict.heldOut().total()));
    }
    if (verdict.engine().total() > 0) {
      parts.add(text("engine %5.1f %%", 100 * verdict.engine().share()));
      parts.add(text("same answer %6.2f %%", 100 * verdict.same().share()));
    }
    return String.join("  ", parts);
  }

  /** Prints the lowest agreement; returns whether it is high enough. */
  private boolean agree(Map<Task, Verdict> verdicts) {
    Comparator<Map.Entry<Task, Verdict>> bySame = Comparator.comparingDouble(entry -> entry.getValue().same().share());
    Map.Entry<Task, Verdict> lowest = verdicts.entrySet().stream().min(bySame).orElseThrow();
    int same = verdicts.values().stream().mapToInt(verdict -> verdict.same().right()).sum();
    String expected = text("expected at least %.1f %%", 100 * Verdict.LEAST_SAME);
    out().println(
        text(
            "same answer: lowest %.2f %% (%s), %s; %d of %d in all, %d per task", 100 * lowest.getValue().same().share(),
            lowest.getKey().id(), expected, same, verdicts.size() * items, items));
    return lowest.getValue().agrees();
  }

  private PrintWriter out() {
    return spec.commandLine().getOut();
  }

  private static String text(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}
