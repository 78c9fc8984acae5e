// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vila4j.Vila;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every example runs with the demo model, and with a checkpoint of the test data, whose weights are random. */
class ExamplesTest {
  private static final Path DATA = Path.of(System.getProperty("vila.test.data"));
  private static final String DEMO = "";

  @AfterEach
  void nothingIsLeftOpen() {
    System.clearProperty("model");
    assertEquals(0, Vila.liveObjectCount(), () -> Vila.liveObjects().toString());
  }

  private static String image(String name) {
    return DATA.resolve("images").resolve(name).toString();
  }

  private static String run(Consumer<String[]> main, String model, String... args) {
    if (!model.equals(DEMO)) {
      System.setProperty("model", DATA.resolve("cases").resolve(model).resolve("model").toString());
    }
    PrintStream before = System.out;
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8)) {
      System.setOut(out);
      main.accept(args);
    } finally {
      System.setOut(before);
    }
    return bytes.toString(StandardCharsets.UTF_8);
  }

  @ParameterizedTest
  @ValueSource(strings = {DEMO, "vila10-clip-linear"})
  void caption(String model) {
    String output = run(Caption::main, model, image("photo.png"), image("square.jpg"));
    assertTrue(output.contains("photo.png: ") && output.contains("square.jpg: "), output);
  }

  @ParameterizedTest
  @ValueSource(strings = {DEMO, "vila10-clip-linear"})
  void vqa(String model) {
    String output = run(Vqa::main, model, image("photo.png"));
    assertTrue(output.contains("What is in the image? ") && output.contains("How many shapes are there? "), output);
  }

  @ParameterizedTest
  @ValueSource(strings = {DEMO, "vila15-llama3-siglip"})
  void compareImages(String model) {
    String output = run(CompareImages::main, model, image("wide.png"), image("tall.jpg"));
    assertTrue(output.matches("(?s).*\\d+ of \\d+ positions are images\\s*"), output);
  }

  @ParameterizedTest
  @ValueSource(strings = {DEMO, "vila15-llama3-siglip"})
  void videoQuestion(String model, @TempDir Path folder) throws IOException {
    for (String image : List.of("photo.png", "wide.png")) {
      Files.copy(DATA.resolve("images").resolve(image), folder.resolve(image));
    }
    String output = run(VideoQuestion::main, model, folder.toString());
    assertTrue(output.contains("(8 frames, "), output);
  }

  @ParameterizedTest
  @ValueSource(strings = {DEMO, "vila15-llama3-siglip"})
  void fewShot(String model) {
    String output = run(FewShot::main, model, image("photo.png"), "fub", image("tall.jpg"), "dob", image("square.jpg"));
    assertTrue(output.endsWith(System.lineSeparator()) && (!model.equals(DEMO) || output.length() > 1), output);
  }

  @ParameterizedTest
  @ValueSource(strings = {DEMO, "vila15-llama3-siglip"})
  void chat(String model) {
    String output = run(Chat::main, model, image("photo.png"));
    assertTrue(output.contains("assistant: ") && output.contains(" positions reused)"), output);
  }
}
