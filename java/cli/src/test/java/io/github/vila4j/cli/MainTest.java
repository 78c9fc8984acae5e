// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.github.vila4j.Vila;
import io.github.vila4j.demo.DemoModel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every command: what it prints, its exit codes, its messages. */
class MainTest {
  @TempDir Path temp;

  @AfterEach
  void nothingIsLeftOpen() {
    assertEquals(0, Vila.liveObjectCount(), () -> Vila.liveObjects().toString());
  }

  private static JsonObject json(String text) {
    return JsonParser.parseString(text).getAsJsonObject();
  }

  @ParameterizedTest
  @ValueSource(strings = {"ask", "chat", "tokenize", "resize", "inspect", "plan", "doctor", "bench", "eval"})
  void everyCommandHasHelp(String command) {
    String help = Run.ok(command, "--help");
    assertTrue(help.startsWith("Usage: vila4j " + command + " "), help);
    assertTrue(Run.ok("--help").contains("  " + command + " "), "the list of commands");
  }

  @Test
  void version() {
    assertEquals("vila4j " + Vila.version() + "\n", Run.ok("--version"));
  }

  @Test
  void badUsage() {
    Run.fails(2, "no command given; one of ask, chat, tokenize, resize, inspect, plan, doctor, bench, eval");
    Run.fails(2, "Unmatched argument at index 0: 'paint'", "paint");
    Run.fails(2, "Missing required option: '--size=WxH'", "resize", "a.png", "b.png");
    Run.fails(
        2, "Invalid value for option '--max-tokens': 'many' is not an int", "ask", "--model", "m", "--max-tokens", "many", "x");
    Run.fails(
        2,
        "Missing required argument (specify one of these): (--text=TEXT [--text=TEXT]... | --vectors=FILE)",
        "tokenize",
        "--model",
        Run.CLIP);
    Run.fails(
        2,
        "Invalid value for option '--size': '3by4' is no size; expected WIDTHxHEIGHT, each 1 to 999999",
        "resize",
        "--size",
        "3by4",
        "a",
        "b");
    Run.fails(2, "--runs 0 --tokens 64 --requests 8: expected at least 1 of each", "bench", "--model", Run.CLIP, "--runs", "0");
    Run.fails(2, "--model and --synthetic leave each other out", "bench", "--model", Run.CLIP, "--synthetic", "vila1.5-3b");
    Run.fails(
        2, "synthetic model: \"vila9\", expected one of vila1.5-3b, llama3-8b, vila-7b, vila-13b", "bench", "--synthetic", "vila9");
    assertEquals("'vila4j resize --help' tells how to use it", Run.of("resize", "a.png", "b.png").err().lines().toList().get(1));
  }

  @Test
  void theDemoModelStandsInForNone() {
    String folder = DemoModel.folder().toString();
    assertEquals(Run.ok("tokenize", "--model", folder, "--text", "red star"), Run.ok("tokenize", "--text", "red star"));
    String compiled = Run.ok("plan", "--model", folder);
    assertEquals(compiled.replace(", compiled", ", already there"), Run.ok("plan"));
  }

  @Test
  void verboseShowsWhereItFailed() {
    Run run = Run.of("--verbose", "resize", "--size", "1x1", "/no/such.npy", "out.npy");
    assertEquals(1, run.code());
    assertTrue(run.err().startsWith("vila4j: /no/such.npy: no such file or folder\n"), run.err());
    assertTrue(run.err().contains("\tat io.github.vila4j.cli.Resize.call"), run.err());
  }

  @Test
  void askStreamsTheAnswer() {
    String[] args = {"ask", "--model", Run.SIGLIP, "--max-tokens", "12", "--image", Run.image("photo.png"), "<image>\nWhat is it?"};
    String text = Run.ok(args);
    assertTrue(text.endsWith("\n"));
    String[] withJson = Arrays.copyOf(args, args.length + 1);
    withJson[args.length] = "--json";
    JsonObject answer = json(Run.ok(withJson));
    assertEquals(text, answer.get("text").getAsString() + "\n");
    assertEquals(answer.get("ids").getAsJsonArray().size(), answer.getAsJsonObject("usage").get("completion_tokens").getAsInt());
    assertTrue(answer.getAsJsonObject("usage").get("image_tokens").getAsInt() > 0);
    assertTrue(List.of("length", "stop_id", "stop_string").contains(answer.get("finish_reason").getAsString()));
  }

  @Test
  void askTakesThreeImagesAndStdin() {
    Run run =
        Run.typing(
            "Compare <image>, <image> and <image>.",
            "ask",
            "--model",
            Run.CLIP,
            "--max-tokens",
            "4",
            "--json",
            "--image",
            Run.image("photo.png"),
            "--image",
            Run.image("tall.jpg"),
            "--image",
            Run.image("square.jpg.rgb.npy"),
            "-");
    assertEquals(0, run.code(), run.err());
    int each = json(Run.ok("ask", "--model", Run.CLIP, "--max-tokens", "1", "--json", "--image", Run.image("photo.png"), "a"))
        .getAsJsonObject("usage")
        .get("image_tokens")
        .getAsInt();
    assertEquals(3 * each, json(run.out()).getAsJsonObject("usage").get("image_tokens").getAsInt());
  }

  @Test
  void askSaysWhatIsWrong() {
    Run wrongCount = Run.of("ask", "--model", Run.CLIP, "--image", Run.image("photo.png"), "<image> and <image>");
    assertEquals(2, wrongCount.code());
    assertOneLine(wrongCount);
    Run missing = Run.of("ask", "--model", "/no/such/model", "Hello");
    assertEquals(1, missing.code());
    assertOneLine(missing);
    assertTrue(missing.err().contains("/no/such/model"), missing.err());
    Run noImage = Run.of("ask", "--model", Run.CLIP, "--image", "/no/such.png", "Hello");
    assertEquals(1, noImage.code());
    assertOneLine(noImage);
    assertTrue(noImage.err().contains("/no/such.png"), noImage.err());
    Run temperature = Run.of("ask", "--model", Run.CLIP, "--temperature", "-1", "Hello");
    assertEquals(2, temperature.code());
    assertOneLine(temperature);
    Run tooLong = Run.of("ask", "--model", Run.CLIP, "word ".repeat(20000));
    assertEquals(1, tooLong.code());
    assertOneLine(tooLong);
  }

  private static void assertOneLine(Run run) {
    assertTrue(run.err().startsWith("vila4j: ") && run.err().lines().count() == 1, run.err());
  }

  @Test
  void chatRemembersAndForgets() {
    Run run =
        Run.typing(
            "/image " + Run.image("photo.png") + "\nWhat is it?\nAnd now?\n/reset\nHello\n/quit\nnever read\n",
            "chat",
            "--model",
            Run.SIGLIP,
            "--max-tokens",
            "6",
            "--json");
    assertEquals(0, run.code(), run.err());
    List<JsonObject> turns = run.out().lines().map(MainTest::json).toList();
    assertEquals(3, turns.size());
    int first = turns.get(0).getAsJsonObject("usage").get("prompt_tokens").getAsInt();
    assertTrue(turns.get(0).getAsJsonObject("usage").get("image_tokens").getAsInt() > 0);
    assertTrue(turns.get(1).getAsJsonObject("usage").get("prompt_tokens").getAsInt() > first);
    assertTrue(turns.get(1).getAsJsonObject("usage").get("cached_tokens").getAsInt() > 0);
    assertEquals(0, turns.get(2).getAsJsonObject("usage").get("image_tokens").getAsInt());
  }

  @Test
  void chatSaysWhatIsWrong() {
    Run unknown = Run.typing("/paint\n", "chat", "--model", Run.CLIP);
    assertEquals(2, unknown.code());
    assertEquals("vila4j: unknown command '/paint'; there are /image FILE, /reset and /quit\n", unknown.err());
    Run marks = Run.typing("What is <image>?\n", "chat", "--model", Run.CLIP);
    assertEquals(2, marks.code());
    assertEquals("vila4j: the turn has 1 <image> marks for 0 images; give them with /image FILE\n", marks.err());
  }

  @Test
  void tokenizeWritesVectors() {
    for (String name : List.of("vila10-clip-linear/model", "vila15-llama3-siglip/model", "vila15-llama2-siglip/tokenizer")) {
      Path folder = Run.DATA.resolve("cases").resolve(name);
      Path vectors = folder.resolveSibling("tokenizer_vectors.json");
      Path out = temp.resolve("out.json");
      assertEquals("", Run.ok("tokenize", "--model", folder.toString(), "--vectors", vectors.toString(), "--out", out.toString()));
      JsonArray expected = Json.read(vectors).getAsJsonObject().getAsJsonArray("vectors");
      JsonArray actual = Json.read(out).getAsJsonObject().getAsJsonArray("vectors");
      assertEquals(expected.size(), actual.size());
      for (int i = 0; i < expected.size(); i++) {
        JsonObject vector = expected.get(i).getAsJsonObject();
        assertEquals(vector.get("ids"), actual.get(i).getAsJsonObject().get("ids"), vector.toString());
        assertEquals(vector.get("decoded"), actual.get(i).getAsJsonObject().get("decoded"), vector.toString());
      }
    }
  }

  @Test
  void tokenizePrintsIds() {
    String line = Run.ok("tokenize", "--model", Run.CLIP, "--text", "cat");
    assertTrue(line.matches("1( \\d+)+\n"), line);
    JsonObject vectors = json(Run.ok("tokenize", "--model", Run.CLIP, "--text", "cat", "--text", "dog", "--json"));
    assertEquals("dog", vectors.getAsJsonArray("vectors").get(1).getAsJsonObject().get("decoded").getAsString());
  }

  @Test
  void tokenizeSaysWhatIsWrong() throws IOException {
    Path file = temp.resolve("vectors.json");
    for (String[] bad :
        new String[][] {
          {"[]", "no array 'vectors' in it"},
          {"{\"vectors\": 1}", "no array 'vectors' in it"},
          {"{\"vectors\": [{\"text\": \"a\"}, {\"text\": 1}]}", "vectors[1] has no string 'text'"}
        }) {
      Files.writeString(file, bad[0]);
      Run.fails(1, file + ": " + bad[1], "tokenize", "--model", Run.CLIP, "--vectors", file.toString());
    }
    Files.writeString(file, "{");
    Run broken = Run.of("tokenize", "--model", Run.CLIP, "--vectors", file.toString());
    assertEquals(1, broken.code());
    assertTrue(broken.err().startsWith("vila4j: " + file + ": not JSON: "), broken.err());
    assertOneLine(broken);
    Files.writeString(file, "[".repeat(100_000));
    assertEquals(1, Run.of("tokenize", "--model", Run.CLIP, "--vectors", file.toString()).code());
  }

  @Test
  void resizeIsBitExact() throws IOException {
    Path folder = Run.DATA.resolve("resize");
    for (JsonElement element : Json.read(folder.resolve("resize.json")).getAsJsonObject().getAsJsonArray("cases")) {
      JsonObject given = element.getAsJsonObject();
      Path out = temp.resolve("out.npy");
      String size = given.get("width").getAsInt() + "x" + given.get("height").getAsInt();
      Run.ok("resize", "--size", size, Run.DATA.resolve(given.get("source_rgb").getAsString()).toString(), out.toString());
      assertArrayEquals(
          Npy.readImage(folder.resolve(given.get("out").getAsString())).rgb(), Npy.readImage(out).rgb(), given.toString());
    }
    Run.fails(1, "/no/such.npy: no such file or folder", "resize", "--size", "1x1", "/no/such.npy", "out.npy");
  }

  @Test
  void aDeviceIsChosenOfTheBackendThatHasSome() {
    Run.fails(
        2,
        "device: 1, expected 0: only the backend tensorrt chooses among devices",
        "plan",
        "--model",
        Run.CLIP,
        "--device",
        "1");
  }

  @Test
  void planCompilesThenFindsThePlans() {
    String cache = temp.resolve("cache").toString();
    assertFalse(Run.ok("plan", "--model", Run.CLIP, "--cache-dir", cache).isEmpty());
    JsonArray plans = json(Run.ok("plan", "--model", Run.CLIP, "--cache-dir", cache, "--json")).getAsJsonArray("plans");
    assertFalse(plans.isEmpty());
  }

  @Test
  void doctorListsWhatThereIs() {
    String lines = Run.ok("doctor");
    assertTrue(lines.startsWith("ok      Java: "), lines);
    assertTrue(lines.contains("ONNX Runtime"), lines);
    JsonArray checks = json(Run.ok("doctor", "--json")).getAsJsonArray("checks");
    assertEquals(lines.lines().count(), checks.size());
    assertTrue(checks.get(0).getAsJsonObject().get("ok").getAsBoolean());
  }

  @Test
  void doctorTellsWhatACheckpointIs() {
    List<String> lines = Run.ok("doctor", "--model", Run.SIGLIP).lines().toList();
    assertEquals("checkpoint         " + Run.SIGLIP, lines.get(0));
    assertEquals("runs               yes", lines.get(1));
    assertEquals("family             vila1.5", lines.get(2));
    String text = String.join("\n", lines);
    assertTrue(text.contains("\nlanguage model     llama: 3 layers, hidden 64, 4 heads, 2 KV heads, FFN 176; "), text);
    assertTrue(text.contains("\ntemplate           llama_3 (Llama-3 chat tokens, and nothing says that "), text);
    assertTrue(text.contains("\ntemplates          vicuna_v1, vicuna_v1_nosys, "), text);
    assertTrue(text.contains("\ntokenizer          byte-level BPE, tokenizer.json, "), text);
    assertTrue(text.contains("\nprecision          fp32 (fp32 takes "), text);
    assertTrue(text.contains(", within 0.6 of the memory ("), text);
    // 2 * 3 layers * 2 heads * 16 numbers of 4 bytes, 1024 times.
    assertTrue(text.contains("\nKV cache           786 kB per 1k tokens\n"), text);
    assertTrue(text.endsWith("\nlongest context    4096 tokens, KV cache 3.15 MB"), text);
    assertFalse(text.contains("PROBLEM"), text);
  }

  @Test
  void doctorTellsWhatACheckpointIsAsJson() {
    JsonObject report = json(Run.ok("doctor", "--model", Run.CLIP, "--json"));
    assertTrue(report.get("runs").getAsBoolean());
    assertEquals(0, report.getAsJsonArray("problems").size());
    assertEquals("vila1.0", report.get("family").getAsString());
    assertEquals("vicuna_v1", report.get("template").getAsString());
    assertTrue(report.getAsJsonArray("templates").size() >= 11);
    assertEquals(36, report.get("tokens_per_image").getAsInt());
    assertEquals(640, report.get("vocab_size").getAsInt());
    for (String name : List.of("parameters", "file_bytes", "plan_bytes", "weight_memory_bytes", "kv_bytes_per_token")) {
      assertTrue(report.get(name).getAsLong() > 0, name);
    }
    JsonObject language = report.getAsJsonObject("language_model");
    assertTrue(language.get("parameters").getAsLong() > 0);
    assertTrue(language.get("bytes").getAsLong() > 0);
  }

  @Test
  void doctorNamesEverythingThatKeepsACheckpointFromRunning() throws IOException {
    Path broken = temp.resolve("broken");
    copy(Path.of(Run.SIGLIP), broken);
    Files.delete(broken.resolve("llm/tokenizer.json"));
    Files.writeString(broken.resolve("mm_projector/config.json"), "{\"mm_projector_type\": \"qformer\"}");
    Run run = Run.of("doctor", "--model", broken.toString());
    assertEquals(1, run.code());
    assertEquals("", run.err());
    assertTrue(run.out().contains("runs               no\n"), run.out());
    assertFalse(run.out().contains("weights in memory"), run.out());
    List<String> problems = run.out().lines().filter(line -> line.startsWith("PROBLEM")).toList();
    assertEquals(2, problems.size(), run.out());
    assertTrue(
        problems.get(0).startsWith("PROBLEM            " + broken + "/mm_projector/config.json: mm_projector_type is \"qformer\""));
    assertTrue(problems.get(1).startsWith("PROBLEM            " + broken + ": no tokenizer.model, tokenizer.json or vocab.json"));

    Run asJson = Run.of("doctor", "--model", broken.toString(), "--json");
    assertEquals(1, asJson.code());
    assertFalse(json(asJson.out()).get("runs").getAsBoolean());
    assertEquals(2, json(asJson.out()).getAsJsonArray("problems").size());
    Run nowhere = Run.of("doctor", "--model", "/no/such/model");
    assertEquals(1, nowhere.code());
    assertTrue(nowhere.out().endsWith("PROBLEM            /no/such/model: no such folder\n"), nowhere.out());
    Run.fails(2, "Missing required parameter for option '--model' (DIR)", "doctor", "--model");
  }

  private static void copy(Path from, Path to) throws IOException {
    try (var files = Files.walk(from)) {
      for (Path file : files.toList()) {
        Path target = to.resolve(from.relativize(file).toString());
        if (Files.isDirectory(file)) {
          Files.createDirectories(target);
        } else {
          Files.copy(file, target);
        }
      }
    }
  }

  @Test
  void doctorLooksAtACheckpointWithoutOnnxRuntime() throws Exception {
    ProcessBuilder builder = Run.forked("doctor", "--model", Run.SIGLIP, "--json");
    builder.environment().put("VILA_ONNXRUNTIME", "/no/such/library");
    Process process = builder.redirectError(ProcessBuilder.Redirect.INHERIT).start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor());
    assertTrue(json(out).get("runs").getAsBoolean(), out);
  }

  @Test
  void figuresHaveThreeDigits() {
    assertEquals("", ModelReport.size(0));
    assertEquals("999 B", ModelReport.size(999));
    assertEquals("1.00 kB", ModelReport.size(1000));
    assertEquals("36.7 MB", ModelReport.size(36_728_832));
    assertEquals("1.00 MB", ModelReport.size(999_500));
    assertEquals("10.0 GB", ModelReport.size(9_995_000_000L));
    assertEquals("2.70 billion", ModelReport.count(2_701_560_320L));
  }

  @Test
  void benchMeasures() {
    JsonObject figures =
        json(Run.ok("bench", "--model", Run.SIGLIP, "--runs", "2", "--tokens", "4", "--json", "--image", Run.image("photo.png")));
    for (String name :
        List.of(
            "load_seconds",
            "load_to_first_token_seconds",
            "image_seconds",
            "prefill_seconds",
            "prefill_tokens_per_second",
            "decode_tokens_per_second",
            "decode_1_requests_tokens_per_second",
            "decode_2_requests_ratio",
            "decode_4_requests_ratio",
            "decode_8_requests_tokens_per_second",
            "decode_8_requests_ratio",
            "first_token_seconds",
            "first_token_cached_image_seconds",
            "first_token_cached_prefix_seconds",
            "memory_bytes_per_second",
            "int8_multiply_accumulates_per_second",
            "bf16_multiply_accumulates_per_second",
            "peak_rss_language_only_bytes",
            "peak_rss_bytes")) {
      assertTrue(figures.get(name).getAsDouble() > 0, name);
    }
    assertEquals(4, figures.get("decode_tokens").getAsInt());
    assertTrue(figures.get("prefill_tokens").getAsInt() >= 256);
    assertTrue(figures.get("turn_image_tokens").getAsInt() > 0);
    assertTrue(figures.get("turn_text_tokens").getAsInt() >= 45);
    assertFalse(figures.has("decode_share_of_memory_bandwidth"), "fp32 has no packed weights");
    assertFalse(figures.has("prefill_share_of_int8_peak"), "fp32 has no products of 8-bit numbers");
    assertFalse(figures.has("image_fp32_seconds"), "only where it is asked for");
    String table = Run.ok("bench", "--model", Run.SIGLIP, "--precision", "int8", "--runs", "1", "--tokens", "2", "--compare-fp32");
    for (String name :
        List.of(
            "decode tokens per second",
            "decode share of memory bandwidth",
            "prefill share of int8 peak",
            "image fp32 seconds",
            "image fp32 to chosen ratio")) {
      assertTrue(table.contains("\n" + name + " "), table);
    }
    String bf16 = Run.ok("bench", "--model", Run.SIGLIP, "--precision", "bf16", "--runs", "1", "--tokens", "2", "--requests", "2");
    for (String name : List.of("decode share of memory bandwidth", "prefill share of bf16 peak")) {
      assertTrue(bf16.contains("\n" + name + " "), bf16);
    }
    assertFalse(bf16.contains("prefill share of int8 peak"), bf16);
    assertTrue(bf16.contains("\ndecode 2 requests ratio "), bf16);
    assertFalse(bf16.contains("\ndecode 4 requests "), bf16);
  }

  @Test
  void rateOfRequestsTogether() {
    long second = 1_000_000_000;
    // Both decode from 2 to 5: tokens of the first at 3, 4 and 5, of the second at 3 and 5.
    long[][] times = {{second, 3 * second, 4 * second, 5 * second}, {2 * second, 3 * second, 5 * second, 6 * second}};
    assertEquals(5 / 3.0, RequestsTogether.rate(times), 1e-9);
    // One ended before the other began: from the first to the last.
    assertEquals(1, RequestsTogether.rate(new long[][] {{second, 2 * second}, {3 * second, 4 * second}}), 1e-9);
  }

  @Test
  void medianOfRuns() {
    assertEquals(2, Bench.median(List.of(3.0, 1.0, 2.0)));
    assertEquals(2.5, Bench.median(List.of(4.0, 1.0, 2.0, 3.0)));
  }
}
