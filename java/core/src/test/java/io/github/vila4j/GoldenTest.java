// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Every given number of the reference through the Java API, at the float32 tolerances of tests/data/README.md. */
class GoldenTest {
  private static final double PIXELS = 1e-5;
  private static final double FEATURES = 1e-4;
  private static final double LOGITS = 2e-4;
  private static final int GREEDY = 24;

  private static final Map<String, VilaModel> MODELS = new HashMap<>();

  @AfterAll
  static void close() {
    MODELS.values().forEach(VilaModel::close);
    assertEquals(0, Vila.liveObjectCount(), () -> Vila.liveObjects().toString());
  }

  private static VilaModel model(String name) {
    return MODELS.computeIfAbsent(name, TestData::load);
  }

  private static Path folder(String name) {
    return TestData.ROOT.resolve("cases").resolve(name);
  }

  @TestFactory
  Stream<DynamicTest> images() {
    return TestData.CASES.stream().flatMap(GoldenTest::imagesOf);
  }

  private static Stream<DynamicTest> imagesOf(String name) {
    return TestData.json(TestData.ROOT.resolve("images/images.json")).getAsJsonObject("images").keySet().stream()
        .map(image -> dynamicTest(name + " " + image, () -> checkImage(name, image)));
  }

  private static void checkImage(String name, String image) {
    Path given = folder(name).resolve("images").resolve(image);
    TestData.Npy pixels = TestData.npy(given.resolve("pixel_values.npy"));
    EncodedImage fromImage = model(name).encodeImage(TestData.image(image));
    assertClose(pixels, fromImage.pixelValues(), PIXELS);
    EncodedImage fromPixels = model(name).encodePixels(pixels.floats());
    assertClose(TestData.npy(given.resolve("vision_features.npy")), fromPixels.visionFeatures(), FEATURES);
    assertClose(TestData.npy(given.resolve("projected.npy")), fromPixels.projected(), FEATURES);
  }

  private static void assertClose(TestData.Npy expected, FloatTensor actual, double tolerance) {
    long[] shape = actual.shape();
    assertArrayEquals(expected.shape(), Arrays.stream(shape).mapToInt(Math::toIntExact).toArray());
    double difference = TestData.maxAbsDifference(expected.floats(), actual.values());
    assertTrue(difference <= tolerance, () -> "largest difference " + difference + ", allowed " + tolerance);
  }

  @TestFactory
  Stream<DynamicTest> prompts() {
    return TestData.CASES.stream().flatMap(GoldenTest::promptsOf);
  }

  private static Stream<DynamicTest> promptsOf(String name) {
    Map<String, PromptCase> cases = new HashMap<>();
    PromptCase.read(folder(name).resolve("prompts.json")).forEach(prompt -> cases.put(prompt.name(), prompt));
    List<DynamicTest> tests = new ArrayList<>();
    for (JsonElement element : TestData.json(folder(name).resolve("prompts.json")).getAsJsonArray("prompts")) {
      JsonObject golden = element.getAsJsonObject();
      PromptCase prompt = cases.get(golden.get("name").getAsString());
      tests.add(dynamicTest(name + " " + prompt.name() + " tokenized", () -> checkTokenized(name, prompt, golden)));
      Path result = folder(name).resolve("golden").resolve(prompt.name());
      if (Files.exists(result)) {
        tests.add(dynamicTest(name + " " + prompt.name() + " computed", () -> checkComputed(name, prompt, result)));
      }
    }
    return tests.stream();
  }

  private static Prompt toPrompt(PromptCase prompt) {
    return prompt.toPrompt(prompt.images().stream().map(TestData::image).toList());
  }

  private static void checkTokenized(String name, PromptCase prompt, JsonObject golden) {
    TokenizedPrompt tokenized = model(name).tokenize(toPrompt(prompt));
    assertEquals(golden.get("prompt_text").getAsString(), tokenized.text());
    assertArrayEquals(TestData.ints(golden.get("input_ids")), tokenized.inputIds());
    assertEquals(golden.get("sequence_length").getAsInt(), tokenized.sequenceLength());
    List<ImageSpan> spans = new ArrayList<>();
    golden.getAsJsonArray("image_spans").forEach(span -> spans.add(new ImageSpan(TestData.ints(span)[0], TestData.ints(span)[1])));
    assertEquals(spans, tokenized.imageSpans());
  }

  private static void checkComputed(String name, PromptCase prompt, Path folder) {
    JsonObject result = TestData.json(folder.resolve("result.json"));
    int[] greedy = TestData.ints(result.get("greedy_fp32"));
    TestData.Npy logits = TestData.npy(folder.resolve("logits_fp32.npy"));
    int vocabulary = logits.shape()[1];
    try (VilaSession session = model(name).newSession()) {
      session.prefill(toPrompt(prompt));
      for (int row = 0; row < 4; row++) {
        float[] expected = Arrays.copyOfRange(logits.floats(), row * vocabulary, (row + 1) * vocabulary);
        double difference = TestData.maxAbsDifference(expected, session.logits());
        int at = row;
        assertTrue(difference <= LOGITS, () -> "row " + at + ": largest difference " + difference);
        if (row < 3) {
          session.decode(greedy[row]);
        }
      }
      GenerationOptions options =
          GenerationOptions.builder().maxNewTokens(GREEDY).ignoreEos(true).topLogprobs(5).build();
      Completion completion = session.generate(toPrompt(prompt), options);
      checkGreedy(greedy, result, completion);
      checkTop5(result, completion);
    }
  }

  /** Equal, except from a step on whose margin is below twice the tolerance of logits. */
  private static void checkGreedy(int[] greedy, JsonObject result, Completion completion) {
    int[] ids = completion.ids();
    assertEquals(GREEDY, ids.length);
    for (int step = 0; step < GREEDY; step++) {
      if (result.getAsJsonArray("margin_fp32").get(step).getAsDouble() < 2 * LOGITS) {
        return;
      }
      assertEquals(greedy[step], ids[step], "step " + step);
    }
    assertEquals(result.get("greedy_text_fp32").getAsString(), completion.text());
  }

  private static void checkTop5(JsonObject result, Completion completion) {
    List<TokenProbability> top = completion.topLogprobs().get(0);
    assertEquals(5, top.size());
    for (int i = 0; i < 5; i++) {
      JsonElement expected = result.getAsJsonArray("top5_fp32").get(i);
      double logprob = expected.getAsJsonObject().get("logprob").getAsDouble();
      assertEquals(logprob, top.get(i).logprob(), 2 * LOGITS);
    }
  }
}
