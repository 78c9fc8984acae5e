// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.github.vila4j.VilaImage;
import io.github.vila4j.shapes.Item;
import io.github.vila4j.shapes.Items;
import io.github.vila4j.shapes.Split;
import io.github.vila4j.shapes.Task;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EvalTest {
  @TempDir Path temp;

  private static JsonObject json(String text) {
    return JsonParser.parseString(text).getAsJsonObject();
  }

  @Test
  void countsTheRightAnswers() throws Exception {
    Path answers = temp.resolve("answers.jsonl");
    String[] command = {
      "eval", "--model", Run.SIGLIP, "--items", "3", "--task", "vqa-colour", "--task", "multi-more", "--task", "chat", "--task",
      "text-sum", "--max-tokens", "4", "--answers", answers.toString(), "--json"
    };
    JsonObject report = json(Run.ok(command));
    assertEquals("shapes", report.get("suite").getAsString());
    assertEquals(3, report.get("items").getAsInt());
    assertEquals(List.of("vqa-colour", "multi-more", "chat", "text-sum"), List.copyOf(report.getAsJsonObject("tasks").keySet()));

    List<JsonObject> lines = Files.readAllLines(answers).stream().map(EvalTest::json).toList();
    assertEquals(12, lines.size());
    assertEquals(Items.of(Split.TEST, Task.MULTI_MORE, 1).expected(), lines.get(4).get("expected").getAsString());
    for (String task : report.getAsJsonObject("tasks").keySet()) {
      JsonObject figures = report.getAsJsonObject("tasks").getAsJsonObject(task);
      List<JsonObject> own = lines.stream().filter(line -> line.get("task").getAsString().equals(task)).toList();
      long right = own.stream().filter(line -> line.get("right").getAsBoolean()).count();
      long heldOut = own.stream().filter(line -> line.get("held_out").getAsBoolean()).count();
      assertEquals(right, figures.get("right").getAsLong());
      assertEquals(3, figures.get("total").getAsInt());
      assertEquals(heldOut, figures.getAsJsonObject("held_out").get("total").getAsLong());
      assertTrue(figures.get("low").getAsDouble() <= figures.get("accuracy").getAsDouble());
    }
    Path again = temp.resolve("again.jsonl");
    command[16] = again.toString();
    Run.ok(command);
    assertEquals(Files.readString(answers), Files.readString(again));
  }

  @Test
  void writesTheImages() {
    Run.ok("eval", "--model", Run.SIGLIP, "--items", "1", "--task", "multi-same", "--max-tokens", "1", "--images", temp.toString());
    Item item = Items.of(Split.TEST, Task.MULTI_SAME, 0);
    for (int i = 0; i < item.pictures().size(); i++) {
      assertArrayEquals(item.pictures().get(i).rgb(), VilaImage.of(temp.resolve("multi-same-0-" + i + ".png")).rgb());
    }
  }

  @Test
  void printsALinePerTask() {
    String out = Run.ok("eval", "--model", Run.SIGLIP, "--items", "1", "--task", "text-fact", "--max-tokens", "1");
    assertEquals("text-fact        0.0 %  (  0.0 to  79.3, 0 of 1)\n", out);
  }

  @Test
  void badUsage() {
    Run.fails(2, "--suite cars: expected shapes", "eval", "--model", "m", "--suite", "cars");
    Run.fails(2, "--items 0 --max-tokens 64: expected at least 1 of each", "eval", "--model", "m", "--items", "0");
    Run run = Run.of("eval", "--model", "m", "--task", "vqa");
    assertEquals(2, run.code());
    assertTrue(run.err().startsWith("vila4j: --task: task 'vqa', expected one of caption, vqa-colour, "), run.err());
  }
}
