// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vila4j.Vila;
import io.github.vila4j.VilaModel;
import io.github.vila4j.demo.DemoModel;
import io.github.vila4j.shapes.Item;
import io.github.vila4j.shapes.Items;
import io.github.vila4j.shapes.Split;
import io.github.vila4j.shapes.Task;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The shipped model's answers by PyTorch and by the engine, of every task; {@code eval --engine} compares more of them. */
class EngineAgreementTest {
  private static final int ITEMS = 20;

  /** Another processor may turn a near tie the other way: one answer of a task may differ, but no more of all than there may. */
  @Test
  void theDemoModelsAnswersAreTheSame() throws Exception {
    Path folder = DemoModel.folder();
    List<String> different = new ArrayList<>();
    try (TrainedModel trained = ModelFolder.read(folder);
        Answers answers = new Answers(trained.weights(), trained.tokenizer(), false, 2);
        VilaModel model = EngineAnswers.load(folder)) {
      for (Task task : Task.values()) {
        List<Item> items = IntStream.range(0, ITEMS).mapToObj(i -> Items.of(Split.TEST, task, i)).toList();
        List<String> texts = answers.texts(items);
        int before = different.size();
        for (int i = 0; i < ITEMS; i++) {
          String byEngine = EngineAnswers.text(model, items.get(i));
          if (!byEngine.equals(texts.get(i))) {
            different.add(task.id() + " " + i + ": \"" + texts.get(i) + "\", by the engine \"" + byEngine + "\"");
          }
        }
        assertTrue(different.size() <= before + 1, different.toString());
      }
    }
    int asked = ITEMS * Task.values().length;
    assertTrue(asked - different.size() >= Verdict.LEAST_SAME * asked, different.toString());
    assertEquals(0, Vila.liveObjectCount());
  }
}
