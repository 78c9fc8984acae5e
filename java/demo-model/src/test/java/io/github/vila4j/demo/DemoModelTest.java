// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.demo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vila4j.CheckpointReport;
import io.github.vila4j.GenerationOptions;
import io.github.vila4j.Prompt;
import io.github.vila4j.Role;
import io.github.vila4j.Vila;
import io.github.vila4j.VilaImage;
import io.github.vila4j.VilaModel;
import io.github.vila4j.shapes.Item;
import io.github.vila4j.shapes.Items;
import io.github.vila4j.shapes.Split;
import io.github.vila4j.shapes.Task;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DemoModelTest {
  private static final int ITEMS = 60;

  private static String answer(VilaModel model, Item item) {
    Prompt.Builder prompt = Prompt.builder();
    for (int i = 0; i < item.turns().size(); i++) {
      prompt.marked(Role.USER, item.turns().get(i).question());
      if (i + 1 < item.turns().size()) {
        prompt.assistant(item.turns().get(i).answer());
      }
    }
    List<VilaImage> images = item.pictures().stream().map(p -> VilaImage.ofRgb(p.rgb(), p.width(), p.height())).toList();
    return model.generate(prompt.images(images).build(), GenerationOptions.builder().maxNewTokens(64).build()).text();
  }

  /** Of sixty questions of the test set, whose images were never trained on; {@code least} is a little below what was measured. */
  @ParameterizedTest
  @CsvSource({
    "VQA_COLOUR, 55", "VQA_SHAPE, 55", "VQA_COUNT, 49", "VQA_WHERE, 53", "MULTI_SAME, 57", "MULTI_CHANGED, 53", "ICL_LABEL_4, 49",
    "ICL_RULE_4, 56", "TEXT_SUM, 58", "TEXT_FACT, 58"
  })
  void answersAreRight(Task task, int least) {
    try (VilaModel model = DemoModel.load()) {
      int right = 0;
      for (int i = 0; i < ITEMS; i++) {
        Item item = Items.of(Split.TEST, task, i);
        right += Task.isRight(item, answer(model, item)) ? 1 : 0;
      }
      assertTrue(right >= least, task + ": " + right + " of " + ITEMS);
    }
    assertEquals(0, Vila.liveObjectCount());
  }

  @Test
  void theFolderIsWrittenOnceAndRepaired() throws Exception {
    Path folder = DemoModel.folder();
    CheckpointReport report = Vila.inspect(folder);
    assertEquals(List.of(), report.problems());
    Path weights = folder.resolve("llm/model.safetensors");
    FileTime written = Files.getLastModifiedTime(weights);
    assertEquals(folder, DemoModel.folder());
    assertEquals(written, Files.getLastModifiedTime(weights));

    byte[] before = Files.readAllBytes(weights);
    Files.write(weights, new byte[10]);
    assertEquals(folder, DemoModel.folder());
    assertEquals(before.length, Files.size(weights));
  }

  @Test
  void theCardLiesInTheFolder() throws Exception {
    String card = Files.readString(DemoModel.folder().resolve("README.md"));
    assertTrue(card.startsWith("---\nlicense: apache-2.0\n"), card);
  }
}
