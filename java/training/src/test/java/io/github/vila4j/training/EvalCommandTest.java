// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import io.github.vila4j.demo.DemoModel;
import io.github.vila4j.shapes.text.BytePairs;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

class EvalCommandTest {
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @TempDir private Path folder;

  private int eval(String... options) {
    CommandLine line = Main.commandLine().setOut(new PrintWriter(out)).setErr(new PrintWriter(err));
    String[] args = new String[options.length + 1];
    args[0] = "eval";
    System.arraycopy(options, 0, args, 1, options.length);
    return line.execute(args);
  }

  private void fails(int code, String message, String... options) {
    err.getBuffer().setLength(0);
    assertEquals(code, eval(options));
    assertTrue(err.toString().startsWith(message + "\n"), err.toString());
  }

  @Test
  void theDemoModelIsJudgedWhereNothingIsNamed() {
    assertEquals(0, eval("--items", "3", "--tasks", "text-sum,vqa-colour", "--engine"), err.toString());
    List<String> lines = out.toString().lines().toList();
    assertEquals("text-sum       100.0 % (43.9 to 100.0)  engine 100.0 %  same answer 100.00 %", lines.get(0));
    assertTrue(lines.get(1).matches("vqa-colour .* held-out .* of \\d  engine .*  same answer 100.00 %"), lines.get(1));
    assertEquals(
        "same answer: lowest 100.00 % (text-sum), expected at least 99.5 %; 6 of 6 in all, 3 per task", lines.get(2));
    assertEquals(3, lines.size());
  }

  /** The engine reads the language model's configuration in its folder, the training module the whole model's. */
  @Test
  void answersThatDifferFail() throws Exception {
    try (TrainedModel model = ModelFolder.read(DemoModel.folder())) {
      ModelFolder.write(folder, model.weights(), model.tokenizer(), true);
    }
    Path file = folder.resolve("llm/config.json");
    JsonObject config = Json.read(file, JsonObject.class);
    config.addProperty("rope_theta", 100);
    Json.write(file, config);
    assertEquals(1, eval("--model", folder.toString(), "--items", "4", "--tasks", "text-scene", "--engine"), err.toString());
    assertTrue(out.toString().contains("\n  item 0: PyTorch \""), out.toString());
    assertFalse(out.toString().contains("same answer: lowest 100.00 %"), out.toString());
  }

  @Test
  void aRunIsJudgedByItsLastState() throws Exception {
    BytePairs tokenizer = TokenizerFiles.learn();
    RunFolder run = new RunFolder(folder);
    Recipe recipe = run.recipe(new Recipe("small", 1, 1024, 40, 2, List.of()));
    try (Weights weights = new Weights(recipe.shape(tokenizer.size()), 1)) {
      run.save(RunFolder.Position.START, weights, null);
    }
    assertEquals(0, eval("--run", folder.toString(), "--items", "2", "--tasks", "text-sum", "--engine"), err.toString());
    assertTrue(out.toString().contains("same answer 100.00 %\n"), out.toString());
    assertEquals(0, eval("--run", folder.toString(), "--items", "2", "--tasks", "vqa-colour", "--told"), err.toString());
  }

  @Test
  void whatCannotBeJudgedIsNamed() throws Exception {
    String here = folder.toString();
    fails(2, "Error: --run=DIR, --model=DIR are mutually exclusive (specify only one)", "--run", here, "--model", here);
    fails(2, "--model " + here + ": found no config.json, expected a folder that export wrote", "--model", here);
    fails(2, "--items 0 --threads 2: expected at least 1 of each", "--items", "0");
    fails(2, "--told needs --run and goes without --engine: only a run has the words of image tokens", "--told");
    fails(1, here + ": found no recipe.json, expected the folder of a run that has saved a state", "--run", here);
    Files.writeString(folder.resolve("config.json"), "{}");
    fails(1, folder.resolve("llm/tokenizer.json") + ": no such file", "--model", here);
    err.getBuffer().setLength(0);
    assertEquals(2, eval("--tasks", "vqa"));
    assertTrue(err.toString().startsWith("--tasks: task 'vqa', expected one of caption, vqa-colour, "), err.toString());
  }
}
