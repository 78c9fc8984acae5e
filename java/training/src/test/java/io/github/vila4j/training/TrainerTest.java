// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import io.github.vila4j.shapes.Items;
import io.github.vila4j.shapes.Split;
import io.github.vila4j.shapes.Task;
import io.github.vila4j.shapes.text.BytePairs;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrainerTest {
  private static final Set<Part> MODEL = Set.of(Part.VISION_TOWER, Part.MM_PROJECTOR, Part.LLM);

  @TempDir private Path folder;

  private static Recipe recipe(int updates) {
    return new Recipe(
        "small", 5, 256, 8, 2,
        List.of(
            new Stage(Stage.Kind.PATCHES, Set.of(Part.VISION_TOWER, Part.PROBE), updates, 1e-3, true, true),
            new Stage(Stage.Kind.PROJECTOR, Set.of(Part.MM_PROJECTOR), updates, 1e-3, true, true),
            new Stage(Stage.Kind.INTERLEAVED, MODEL, updates, 1e-3, true, true)));
  }

  private RunFolder train(String name, Recipe recipe, long... stops) throws Exception {
    RunFolder run = new RunFolder(folder.resolve(name));
    for (long stop : stops) {
      Trainer trainer = new Trainer(run, run.recipe(recipe), false, 2);
      trainer.stopAfter(stop);
      assertFalse(trainer.run(1e9));
    }
    assertTrue(new Trainer(run, run.recipe(recipe), false, 1).run(1e9));
    return run;
  }

  @Test
  void aRunThatWasStoppedEndsWithTheSameWeights() throws Exception {
    RunFolder.State whole = train("whole", recipe(6)).load();
    RunFolder.State pieces = train("pieces", recipe(6), 4, 5, 7).load();
    assertEquals(3, pieces.position().stage());
    assertArrayEquals(whole.weights(), pieces.weights());
  }

  /** The formula of AdamW in double, on one weight of the projector, with two gradients that are added. */
  @Test
  void stepsAreThoseOfAdamW() {
    Set<Part> parts = Set.of(Part.MM_PROJECTOR);
    ModelShape shape = ModelShape.small(300);
    try (Weights weights = new Weights(shape, 3);
        Weights one = weights.view();
        Weights two = weights.view();
        AdamW optimizer = new AdamW(weights, parts, entry -> 1);
        Workers workers = new Workers(2)) {
      Weights.Entry bias = weights.entries().stream().filter(e -> e.name().equals("layers.4.bias")).findFirst().orElseThrow();
      Weights.Entry matrix = weights.entries().stream().filter(e -> e.name().equals("layers.4.weight")).findFirst().orElseThrow();
      float begun = weights.values()[(int) matrix.offset() + 5];
      double[] factors = {0.4, -0.6, 2}; // Below the clip, of either sign, and above it.
      double mean = 0;
      double square = 0;
      double value = begun;
      for (int step = 1; step <= 3; step++) {
        for (Weights view : List.of(one, two)) {
          view.train(parts);
          try (PointerScope scope = new PointerScope()) {
            Tensor picked = view.get(Part.MM_PROJECTOR, matrix.name()).view(-1).narrow(0, 5, 1);
            picked.mul(new Scalar(factors[step - 1] * (view == one ? 1.5 : -0.25))).sum().backward();
          }
        }
        double norm = optimizer.step(0.01, List.of(one, two), workers);
        double sum = 1.25 * factors[step - 1];
        assertEquals(Math.abs(sum), norm, 1e-5);
        double gradient = sum * Math.min(1, 1 / norm);
        mean = 0.9 * mean + 0.1 * gradient;
        square = 0.95 * square + 0.05 * gradient * gradient;
        value -= 0.01 * 0.02 * value;
        value -= 0.01 * mean / (1 - Math.pow(0.9, step)) / (Math.sqrt(square / (1 - Math.pow(0.95, step))) + 1e-8);
      }
      float[] values = weights.values();
      assertEquals(value, values[(int) matrix.offset() + 5], 1e-6);
      assertEquals(0, values[(int) bias.offset()]);
    }
  }

  @Test
  void onlyTheStagesPartsChange() throws Exception {
    Recipe recipe = recipe(3);
    Recipe first = new Recipe("small", 5, 256, 8, 2, recipe.stages().subList(0, 2));
    RunFolder run = train("parts", first);
    BytePairs tokenizer = run.tokenizer();
    float[] after = run.load().weights();
    try (Weights before = new Weights(recipe.shape(tokenizer.size()), PropertyWords.of(tokenizer), 5)) {
      float[] begun = before.values();
      for (Weights.Entry entry : before.entries()) {
        boolean changed = false;
        for (int i = (int) entry.offset(); i < entry.offset() + entry.size(); i++) {
          changed |= after[i] != begun[i];
        }
        boolean learns = entry.part() != Part.LLM && entry.part() != Part.WORDS;
        boolean used = learns && !entry.name().contains("layers.3.") && !entry.name().contains("post_layernorm");
        assertEquals(used, changed, entry.key());
      }
    }
  }

  /** With the language model frozen, a batch without images has nothing to change. */
  @Test
  void textLeavesAProjectorAsItIs() throws Exception {
    BytePairs tokenizer = TokenizerFiles.learn();
    ModelShape shape = ModelShape.small(tokenizer.size());
    Stage stage = new Stage(Stage.Kind.INTERLEAVED, Set.of(Part.MM_PROJECTOR), 1, 1e-3, true, true);
    try (Weights weights = new Weights(shape, PropertyWords.of(tokenizer), 1);
        Workers workers = new Workers(1);
        Gradients gradients = new Gradients(weights, stage, 1, false, workers);
        AdamW optimizer = new AdamW(weights, stage.parts(), FirstValues::pace)) {
      float[] before = weights.values();
      Batch text = Batch.of(List.of(Sequence.chat(tokenizer, Items.of(Split.TRAIN, Task.TEXT_FACT, 1))), shape);
      double loss = gradients.of(List.of(text));
      assertTrue(loss > 0 && loss < 20, "loss " + loss);
      optimizer.step(1e-3, gradients.views(), workers);
      assertArrayEquals(before, weights.values(), 2e-5f); // decay of the weights by themselves
      Batch image = Batch.of(List.of(Sequence.chat(tokenizer, Items.of(Split.TRAIN, Task.VQA_SHAPE, 1))), shape);
      gradients.of(List.of(image));
      optimizer.step(1e-3, gradients.views(), workers);
      float[] after = weights.values();
      double moved = 0;
      for (int i = 0; i < after.length; i++) {
        moved = Math.max(moved, Math.abs(after[i] - before[i]));
      }
      assertTrue(moved > 1e-4, "moved " + moved);
    }
  }

  @Test
  void oneTrainerAtATime() throws Exception {
    RunFolder run = new RunFolder(folder.resolve("locked"));
    try (FileChannel lock = run.lock()) {
      IOException e = assertThrows(IOException.class, () -> train("locked", recipe(1)));
      assertEquals(run.path() + ": another process trains here", e.getMessage());
    }
  }

  @Test
  void theLossFalls() throws Exception {
    Recipe recipe =
        new Recipe("small", 3, 256, 8, 2, List.of(new Stage(Stage.Kind.LANGUAGE, Set.of(Part.LLM), 75, 2e-3, true, true)));
    List<String> log = Files.readAllLines(train("falls", recipe).path().resolve("log.jsonl"));
    double first = Json.parse(log.get(0)).get("loss").getAsDouble();
    JsonObject last = Json.parse(log.get(log.size() - 1));
    assertEquals(75, last.get("update").getAsInt());
    // Processors round in different orders: on some it falls below 0.7 of it, on another to 0.73.
    assertTrue(last.get("loss").getAsDouble() < 0.8 * first, first + " to " + last);
  }
}
