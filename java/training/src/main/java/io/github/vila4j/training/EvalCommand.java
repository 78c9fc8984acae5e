// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import io.github.vila4j.Vila;
import io.github.vila4j.VilaModel;
import io.github.vila4j.shapes.Accuracy;
import io.github.vila4j.shapes.Item;
import io.github.vila4j.shapes.Items;
import io.github.vila4j.shapes.Split;
import io.github.vila4j.shapes.Task;
import io.github.vila4j.shapes.text.BytePairs;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Judges a run by the training module's own forward pass, and compares it with the engine. */
@Command(
    name = "eval",
    mixinStandardHelpOptions = true,
    description = "Accuracy of a run's last state, its weights rounded to bfloat16, by PyTorch and by the engine.")
final class EvalCommand implements Callable<Integer> {
  @Option(names = "--run", required = true, paramLabel = "DIR", description = "The run's folder.")
  private Path run;

  @Option(names = "--items", defaultValue = "1000", description = "Per task (${DEFAULT-VALUE}).")
  private int items;

  @Option(names = "--split", defaultValue = "TEST", description = "TEST or VALIDATION (${DEFAULT-VALUE}).")
  private Split split;

  @Option(names = "--tasks", split = ",", description = "All unless given.")
  private List<String> tasks;

  @Option(names = "--told", description = "Put each image token into words: what the language model can do by itself.")
  private boolean told;

  @Option(names = "--engine", description = "Compare with the engine, answer by answer.")
  private boolean engine;

  @Option(names = "--threads", defaultValue = "2", description = "Batches at once (${DEFAULT-VALUE}).")
  private int threads;

  @Override
  public Integer call() throws Exception {
    RunFolder folder = new RunFolder(run);
    BytePairs tokenizer = folder.tokenizer();
    try (Weights weights = new Weights(folder.recipe().shape(tokenizer.size()), 0);
        Answers answers = new Answers(weights, tokenizer, false, threads, told)) {
      weights.set(folder.load().weights());
      weights.round();
      Path exported = folder.path().resolve("exported");
      if (engine) {
        Files.createDirectories(exported);
        ModelFolder.write(exported, weights, tokenizer, true);
      }
      try (VilaModel model = engine ? Vila.load(exported) : null) {
        for (Task task : tasks == null ? List.of(Task.values()) : tasks.stream().map(Task::of).toList()) {
          judge(task, answers, model);
        }
      }
    }
    return 0;
  }

  private void judge(Task task, Answers answers, VilaModel model) {
    List<Item> list = new ArrayList<>();
    for (int i = 0; i < items; i++) {
      list.add(Items.of(split, task, i));
    }
    List<String> texts = answers.texts(list);
    Accuracy all = new Accuracy(0, 0);
    Accuracy heldOut = new Accuracy(0, 0);
    Accuracy byEngine = new Accuracy(0, 0);
    Accuracy agreement = new Accuracy(0, 0);
    for (int i = 0; i < items; i++) {
      Item item = list.get(i);
      boolean right = Task.isRight(item, texts.get(i));
      all = all.plus(right);
      heldOut = item.hasHeldOut() ? heldOut.plus(right) : heldOut;
      if (model != null) {
        String text = EngineAnswers.text(model, item);
        byEngine = byEngine.plus(Task.isRight(item, text));
        agreement = agreement.plus(text.equals(texts.get(i).strip()) || text.equals(texts.get(i)));
      }
    }
    print("%-14s %5.1f %% (%4.1f to %5.1f)", task.id(), 100 * all.share(), 100 * all.low(), 100 * all.high());
    print("  held-out %5.1f %% of %d", 100 * heldOut.share(), heldOut.total());
    if (model != null) {
      print("  engine %5.1f %%, same answer %6.2f %%", 100 * byEngine.share(), 100 * agreement.share());
    }
    System.out.println();
  }

  private static void print(String format, Object... values) {
    System.out.print(String.format(Locale.ROOT, format, values));
  }
}
