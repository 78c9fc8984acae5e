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
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every example runs with every checkpoint of the test data. The weights are random: only the form of the output is checked. */
class ExamplesTest {
  private static final Path DATA = Path.of(System.getProperty("vila.test.data"));

  @AfterEach
  void nothingIsLeftOpen() {
    assertEquals(0, Vila.liveObjectCount(), () -> Vila.liveObjects().toString());
  }

  private static String run(Consumer<String[]> main, String model, String... images) {
    String[] args = new String[images.length + 1];
    args[0] = DATA.resolve("cases").resolve(model).resolve("model").toString();
    Arrays.setAll(args, i -> i == 0 ? args[0] : DATA.resolve("images").resolve(images[i - 1]).toString());
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
  @ValueSource(strings = {"vila10-clip-linear", "vila15-llama3-siglip"})
  void caption(String model) {
    String output = run(Caption::main, model, "photo.png", "square.jpg");
    assertTrue(output.contains("photo.png: ") && output.contains("square.jpg: "), output);
  }

  @ParameterizedTest
  @ValueSource(strings = {"vila10-clip-linear", "vila15-llama3-siglip"})
  void vqa(String model) {
    String output = run(Vqa::main, model, "photo.png");
    assertTrue(output.contains("What is in the image? ") && output.contains("What colours do you see? "), output);
  }

  @ParameterizedTest
  @ValueSource(strings = {"vila10-clip-linear", "vila15-llama3-siglip"})
  void compareImages(String model) {
    String output = run(CompareImages::main, model, "photo.png", "wide.png", "tall.jpg");
    assertTrue(output.matches("(?s).*\\d+ of \\d+ positions are images\\s*"), output);
  }

  @ParameterizedTest
  @ValueSource(strings = {"vila10-clip-linear", "vila15-llama3-siglip"})
  void videoQuestion(String model, @TempDir Path folder) throws IOException {
    for (String image : List.of("photo.png", "wide.png")) {
      Files.copy(DATA.resolve("images").resolve(image), folder.resolve(image));
    }
    String output = run(VideoQuestion::main, model, folder.toString());
    assertTrue(output.contains("(8 frames, "), output);
  }

  @ParameterizedTest
  @ValueSource(strings = {"vila10-clip-linear", "vila15-llama3-siglip"})
  void fewShot(String model) {
    assertTrue(run(FewShot::main, model, "photo.png", "tall.jpg", "square.jpg").endsWith(System.lineSeparator()));
  }

  @ParameterizedTest
  @ValueSource(strings = {"vila10-clip-linear", "vila15-llama3-siglip"})
  void chat(String model) {
    String output = run(Chat::main, model, "photo.png");
    assertTrue(output.contains("assistant: ") && output.contains(" positions reused)"), output);
  }
}
