// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What {@code inspect} writes, against every given number. */
class InspectTest {
  private static final double PIXELS = 1e-5;
  private static final double FEATURES = 1e-4;
  private static final double LOGITS = 2e-4;

  @TempDir Path temp;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "vila10-clip-linear",
        "vila15-llama3-siglip",
        "vila15-s2-siglip",
        "vila15-internvit-yi",
        "nvila-dynamic-s2",
        "nvila-lite-dynamic",
        "longvila-r1-2x2",
        "llava15-hf"
      })
  void filesAgreeWithTheReference(String name) throws IOException {
    Path given = Run.DATA.resolve("cases").resolve(name);
    Path out = temp.resolve("out");
    Run.ok(
        "inspect",
        "--model",
        Run.model(name),
        "--prompts",
        given.resolve("prompts.json").toString(),
        "--images",
        Run.DATA.resolve("images").toString(),
        "--out",
        out.toString(),
        "--precision",
        "fp32");
    Set<String> images = new TreeSet<>();
    for (JsonElement element : Json.read(given.resolve("prompts.json")).getAsJsonObject().getAsJsonArray("prompts")) {
      JsonObject prompt = element.getAsJsonObject();
      prompt.getAsJsonArray("images").forEach(image -> images.add(image.getAsString()));
      checkPrompt(prompt, given.resolve("golden").resolve(prompt.get("name").getAsString()), out.resolve("prompts"));
      checkTiles(prompt, given.resolve("images"), out.resolve("prompts"));
    }
    for (String image : images) {
      Path expected = given.resolve("images").resolve(image);
      Path folder = out.resolve("images").resolve(image);
      assertTrue(Files.exists(folder.resolve("projected.npy")), image);
      if (!Files.exists(expected.resolve("pixel_values.npy"))) {
        continue; // this case has no numbers of the image by itself, its prompts only
      }
      assertClose(expected.resolve("pixel_values.npy"), folder.resolve("pixel_values.npy"), PIXELS);
      assertClose(expected.resolve("vision_features.npy"), folder.resolve("vision_features.npy"), FEATURES);
      assertClose(expected.resolve("projected.npy"), folder.resolve("projected.npy"), FEATURES);
    }
  }

  /** The tiles of a prompt's only image, where the model cuts it. */
  private static void checkTiles(JsonObject prompt, Path given, Path folder) throws IOException {
    JsonArray images = prompt.getAsJsonArray("images");
    Path tiles = folder.resolve(prompt.get("name").getAsString() + ".tiles");
    Path expected = images.size() == 1 ? given.resolve(images.get(0).getAsString()) : given;
    if (Files.exists(expected.resolve("tile_pixel_values.npy"))) {
      assertClose(expected.resolve("tile_pixel_values.npy"), tiles.resolve("pixel_values.npy"), PIXELS);
      assertArrayClose(
          Floats.read(expected.resolve("tile_projected.npy")).values(), Floats.read(tiles.resolve("projected.npy")).values());
      assertTrue(Files.exists(tiles.resolve("vision_features.npy")));
    }
  }

  private static void assertArrayClose(float[] expected, float[] actual) {
    assertEquals(expected.length, actual.length);
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], actual[i], FEATURES);
    }
  }

  private static void checkPrompt(JsonObject prompt, Path golden, Path folder) throws IOException {
    String name = prompt.get("name").getAsString();
    JsonObject written = Json.read(folder.resolve(name + ".json")).getAsJsonObject();
    for (String field : new String[] {"prompt_text", "input_ids", "sequence_length", "image_spans"}) {
      assertEquals(prompt.get(field), written.get(field), name + " " + field);
    }
    assertEquals(24, written.getAsJsonArray("greedy").size());
    assertEquals(5, written.getAsJsonArray("top5").size());
    assertTrue(Files.exists(golden), golden + " is missing");
    assertClose(golden.resolve("logits_fp32.npy"), folder.resolve(name + ".logits.npy"), LOGITS);
    JsonObject result = Json.read(golden.resolve("result.json")).getAsJsonObject();
    for (int i = 0; i < 5; i++) {
      JsonObject expected = result.getAsJsonArray("top5_fp32").get(i).getAsJsonObject();
      JsonObject actual = written.getAsJsonArray("top5").get(i).getAsJsonObject();
      assertEquals(expected.get("id"), actual.get("id"), name + " top " + i);
      assertEquals(expected.get("logprob").getAsDouble(), actual.get("logprob").getAsDouble(), 2 * LOGITS, name + " top " + i);
    }
    JsonArray margins = result.getAsJsonArray("margin_fp32");
    for (int step = 0; step < 24; step++) {
      if (margins.get(step).getAsDouble() < 2 * LOGITS) {
        return;
      }
      assertEquals(
          result.getAsJsonArray("greedy_fp32").get(step), written.getAsJsonArray("greedy").get(step), name + " step " + step);
    }
    assertEquals(result.get("greedy_text_fp32"), written.get("text"), name);
  }

  private static void assertClose(Path expected, Path actual, double tolerance) throws IOException {
    Floats a = Floats.read(expected);
    Floats b = Floats.read(actual);
    assertEquals(a.shape(), b.shape());
    assertEquals(a.values().length, b.values().length);
    for (int i = 0; i < a.values().length; i++) {
      double difference = Math.abs((double) a.values()[i] - b.values()[i]);
      assertTrue(difference <= tolerance, actual + ": difference " + difference + " at " + i);
    }
  }

  @Test
  void imagesOutsideTheFolderAreRefused() throws IOException {
    Path prompts = temp.resolve("prompts.json");
    Files.writeString(prompts, "{\"prompts\": [{\"name\": \"p\", \"turns\": [\"<image>\"], \"images\": [\"../secret.png\"]}]}");
    Run run = inspect(prompts);
    assertEquals(1, run.code());
    assertTrue(run.err().contains("../secret.png"), run.err());
  }

  @Test
  void badPromptFiles() throws IOException {
    Path prompts = temp.resolve("prompts.json");
    assertEquals(1, inspect(prompts).code());
    Files.writeString(prompts, "{\"prompts\": [{\"name\": \"p\"}]}");
    Run run = inspect(prompts);
    assertEquals(1, run.code());
    assertTrue(run.err().contains("turns"), run.err());
    Files.writeString(prompts, "{\"prompts\": [{\"name\": \"p\", \"turns\": [\"<image>\"], \"images\": [\"none.png\"]}]}");
    Run missing = inspect(prompts);
    assertEquals(1, missing.code());
    assertTrue(missing.err().contains("none.png"), missing.err());
  }

  private Run inspect(Path prompts) {
    return Run.of(
        "inspect",
        "--model",
        Run.CLIP,
        "--prompts",
        prompts.toString(),
        "--images",
        Run.DATA.resolve("images").toString(),
        "--out",
        temp.resolve("out").toString());
  }
}
