// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import io.github.vila4j.Completion;
import io.github.vila4j.FinishReason;
import io.github.vila4j.GenerationOptions;
import io.github.vila4j.ImageSpan;
import io.github.vila4j.ModelInfo;
import io.github.vila4j.Prompt;
import io.github.vila4j.TokenizedPrompt;
import io.github.vila4j.Vila;
import io.github.vila4j.VilaImage;
import io.github.vila4j.VilaModel;
import io.github.vila4j.VilaSession;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** How fast a model is here. */
@Command(
    name = "bench",
    description =
        "Measures loading (with plans in the cache), image encoding, prefill, decoding, and the time to the first token of a turn "
            + "with an image: afresh, with the image's tokens cached, and of another question about the same image; how soon a call ends "
            + "that is cancelled; decoding of 2, 4 and 8 requests at once; and what the machine's memory and its products in 8 bits and bfloat16 reach. Medians of "
            + "several runs; one request at a time but for those at once.")
final class Bench extends BaseCommand {
  private static final int SHORT_PROMPT = 10;
  private static final int LONG_PROMPT = 256;
  private static final int QUESTION = 45;
  private static final int UNSEEN = 1000; // beyond the pictures of all runs
  private static final int[] TOGETHER = {1, 2, 4, 8};
  private static final Pattern LANGUAGE_WEIGHTS = Pattern.compile("language-.*\\.safetensors: (\\d+) bytes, .*");

  @Mixin private ModelOptions model;

  @Option(
      names = "--synthetic",
      paramLabel = "NAME",
      description =
          "Instead of --model, random weights in the sizes of vila1.5-3b, llama3-8b, vila-7b or vila-13b, for --precision bf16, "
              + "int8 or int4; written into the cache once.")
  private String synthetic;

  @Option(
      names = "--compare-fp32",
      description = "Also encode the image in fp32 in each run, and print the ratio of the two times.")
  private boolean compareFp32;

  @Option(names = "--image", paramLabel = "FILE", description = "The image to encode; a made-up one unless given.")
  private Path image;

  @Option(
      names = "--runs",
      paramLabel = "N",
      defaultValue = "5",
      description = "Runs per figure, after one to warm up (${DEFAULT-VALUE}).")
  private int runs;

  @Option(names = "--tokens", paramLabel = "N", defaultValue = "64", description = "Tokens to decode per run (${DEFAULT-VALUE}).")
  private int tokens;

  @Option(
      names = "--requests",
      paramLabel = "N",
      defaultValue = "8",
      description = "Most requests at once to measure, of 1, 2, 4 and 8 (${DEFAULT-VALUE}).")
  private int requests;

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  private final Map<String, Object> figures = new LinkedHashMap<>();
  private final Map<String, List<Double>> samples = new LinkedHashMap<>();

  @Override
  public Integer call() {
    if (runs < 1 || tokens < 1 || requests < 1) {
      throw new UsageException(
          "--runs " + runs + " --tokens " + tokens + " --requests " + requests + ": expected at least 1 of each");
    }
    if (synthetic != null && model.isGiven()) {
      throw new UsageException("--model and --synthetic leave each other out");
    }
    VilaImage picture = image == null ? gradient() : Images.read(image);
    try (Interruption interruption = new Interruption()) {
      Path checkpoint = synthetic == null ? model.path() : Vila.syntheticCheckpoint(synthetic, model.toLoadOptions());
      List<String> plans = model.compile(checkpoint, interruption);
      long start = System.nanoTime();
      try (VilaModel loaded = model.load(checkpoint, interruption);
          VilaSession session = loaded.newSession();
          Fp32Images fp32 = new Fp32Images(() -> model.loadImages("fp32", checkpoint, interruption));
          RequestsTogether together = new RequestsTogether(loaded, prompt(loaded, 'a', LONG_PROMPT))) {
        double loadSeconds = seconds(start);
        interruption.cancelWith(
            () -> {
              session.cancel();
              together.cancel();
            });
        session.generate(prompt(loaded, 'a', SHORT_PROMPT), fresh(1));
        double firstSeconds = seconds(start);
        figures.put("checkpoint", checkpoint.toString());
        describe(loaded, picture);
        figures.put("load_seconds", loadSeconds);
        figures.put("load_to_first_token_seconds", firstSeconds);
        MemoryBandwidth memory = null;
        for (int run = -1; run < runs; run++) {
          measure(loaded, session, variant(picture, run), variant(picture, UNSEEN + run));
          if (interruption.isRequested()) {
            throw new FailureException("interrupted");
          }
          if (memory == null) { // The run to warm up has done what the others do; what is made for comparison comes after it.
            figures.put("peak_rss_bytes", peakRss());
            memory = new MemoryBandwidth(model.threads() > 0 ? model.threads() : Runtime.getRuntime().availableProcessors());
          }
          measureTogether(together);
          if (interruption.isRequested()) {
            throw new FailureException("interrupted");
          }
          measureMemory(memory, decodedBytes(plans, checkpoint, loaded.info()));
          measureProducts(loaded.info());
          if (compareFp32) {
            compareWithFp32(fp32, variant(picture, run));
          }
          if (run < 0) {
            samples.clear();
          }
        }
      }
    }
    samples.forEach((name, values) -> figures.put(name, median(values)));
    if (json) {
      out().println(Json.pretty(figures));
    } else {
      figures.forEach((name, value) -> out().println(String.format("%-34s %s", name.replace('_', ' '), text(value))));
    }
    return Main.OK;
  }

  private void describe(VilaModel loaded, VilaImage picture) {
    ModelInfo info = loaded.info();
    TokenizedPrompt turn = loaded.tokenize(prompt(loaded, 'a', QUESTION, picture));
    figures.put("backend", info.backend());
    figures.put("precision", info.precision());
    if (model.threads() > 0) {
      figures.put("threads", model.threads());
    }
    figures.put("runs", runs);
    figures.put("prefill_tokens", loaded.tokenize(prompt(loaded, 'a', LONG_PROMPT)).sequenceLength());
    figures.put("decode_tokens", tokens);
    figures.put("turn_image_tokens", imageTokens(turn));
    figures.put("turn_text_tokens", turn.sequenceLength() - imageTokens(turn));
  }

  /** One run. The pictures must be new to the model. */
  private void measure(VilaModel loaded, VilaSession session, VilaImage picture, VilaImage unseen) {
    Completion completion = session.generate(prompt(loaded, 'a', LONG_PROMPT), fresh(tokens + 1));
    double prefillSeconds = completion.timings().prefillSeconds();
    sample("prefill_seconds", prefillSeconds);
    sample("prefill_tokens_per_second", rate(completion.usage().promptTokens(), prefillSeconds));
    // The first token comes of the prefill.
    sample("decode_tokens_per_second", rate(completion.usage().completionTokens() - 1, completion.timings().decodeSeconds()));
    figures.putIfAbsent("peak_rss_language_only_bytes", peakRss()); // Weights of the tower are mapped: no image, no memory.
    sample("image_seconds", time(() -> loaded.encodeImage(picture)));
    Prompt turn = prompt(loaded, 'a', QUESTION, picture);
    Prompt another = prompt(loaded, 'b', QUESTION, picture);
    sample("first_token_seconds", time(() -> session.generate(turn, fresh(1))));
    sample("first_token_cached_image_seconds", time(() -> session.generate(turn, fresh(1))));
    sample("first_token_cached_prefix_seconds", time(() -> session.generate(another, options(1).reusePrefix(true).build())));
    measureCancel("cancel_prefill_seconds", session, prompt(loaded, 'a', LONG_PROMPT), prefillSeconds);
    measureCancel("cancel_image_seconds", session, prompt(loaded, 'a', QUESTION, unseen), last("image_seconds"));
  }

  /** From asking a call to stop, in the middle of what takes so long, to its return. */
  private void measureCancel(String name, VilaSession session, Prompt prompt, double seconds) {
    long[] asked = new long[1];
    Thread canceller =
        new Thread(
            () -> {
              try {
                Thread.sleep((long) (seconds * 500));
                asked[0] = System.nanoTime();
                session.cancel();
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
    canceller.start();
    Completion completion = session.generate(prompt, fresh(1));
    long returned = System.nanoTime();
    try {
      canceller.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return;
    }
    if (completion.finishReason() == FinishReason.CANCELLED) { // A small model may have been done before.
      sample(name, (returned - asked[0]) / 1e9);
    }
  }

  /** Tokens a second of so many requests at once, all of them together, and as multiples of those of one. */
  private void measureTogether(RequestsTogether together) {
    double single = 0;
    for (int count : IntStream.of(TOGETHER).filter(count -> count <= requests).toArray()) {
      double rate = together.tokensPerSecond(count, tokens);
      sample("decode_" + count + "_requests_tokens_per_second", rate);
      if (count == 1) {
        single = rate;
      } else {
        sample("decode_" + count + "_requests_ratio", rate / Math.max(single, 1e-9));
      }
    }
  }

  /** What decoding reads at least is the weights of the language model's layers, once per token. */
  private void measureMemory(MemoryBandwidth memory, long weightBytes) {
    double bandwidth = memory.measure();
    sample("memory_bytes_per_second", bandwidth);
    if (weightBytes > 0) {
      sample("decode_share_of_memory_bandwidth", last("decode_tokens_per_second") * weightBytes / bandwidth);
    }
  }

  /** The processor's peak in 8 bits and bfloat16, and how much of it a prefill does: in each position, the decoder's layers. */
  private void measureProducts(ModelInfo info) {
    double done = last("prefill_tokens_per_second") * info.blockParameters();
    double int8 = Vila.int8Peak(model.threads());
    double bf16 = Vila.bf16Peak(model.threads());
    sample("int8_multiply_accumulates_per_second", int8);
    sample("bf16_multiply_accumulates_per_second", bf16);
    if (info.precision().startsWith("int")) {
      sample("prefill_share_of_int8_peak", done / int8);
    } else if (info.precision().equals("bf16")) {
      sample("prefill_share_of_bf16_peak", done / bf16);
    }
  }

  /** The same picture in fp32; it must be new to that model, too. */
  private void compareWithFp32(Fp32Images fp32, VilaImage picture) {
    double seconds = fp32.seconds(picture);
    sample("image_fp32_seconds", seconds);
    sample("image_fp32_to_chosen_ratio", seconds / last("image_seconds"));
  }

  private double last(String name) {
    List<Double> values = samples.get(name);
    return values.get(values.size() - 1);
  }

  private void sample(String name, double value) {
    samples.computeIfAbsent(name, key -> new ArrayList<>()).add(value);
  }

  /** Bytes of the language model's weights that decoding a token reads; 0 where that is not known. */
  private static long decodedBytes(List<String> plans, Path checkpoint, ModelInfo info) {
    if (info.precision().startsWith("bf16")) { // Those of packed layers are in another form.
      boolean packed = !info.precision().equals("bf16");
      return packed ? 0 : 2 * (info.blockParameters() + (long) info.vocabSize() * info.hiddenSize());
    }
    return languageWeights(plans) - tableBytes(checkpoint, info);
  }

  /** Bytes of the files of quantised weights beside the language model's plan; 0 where it has none. */
  private static long languageWeights(List<String> plans) {
    return plans.stream().map(LANGUAGE_WEIGHTS::matcher).filter(Matcher::matches).mapToLong(m -> Long.parseLong(m.group(1))).sum();
  }

  /** Bytes of quantised weights that decoding does not read: an embedding table that is not the head, a byte and a 16th a number. */
  private static long tableBytes(Path checkpoint, ModelInfo info) {
    long table = (long) info.vocabSize() * info.hiddenSize();
    boolean ownHead = Vila.inspect(checkpoint).language().parameters() >= info.blockParameters() + 2 * table;
    return ownHead && !info.precision().startsWith("fp32") ? table + table / 16 : 0;
  }

  static GenerationOptions.Builder options(int maxNewTokens) {
    return GenerationOptions.builder().maxNewTokens(maxNewTokens).ignoreEos(true);
  }

  private static GenerationOptions fresh(int maxNewTokens) {
    return options(maxNewTokens).reusePrefix(false).build();
  }

  /** A turn of so many text tokens, or more where the template has more by itself; the images come first. */
  private static Prompt prompt(VilaModel loaded, char letter, int textTokens, VilaImage... images) {
    StringBuilder text = new StringBuilder("<image>\n".repeat(images.length));
    while (true) {
      text.append(text.length() % 2 == 0 ? letter : ' ');
      Prompt prompt = Prompt.of(text.toString(), images);
      TokenizedPrompt tokenized = loaded.tokenize(prompt);
      if (tokenized.sequenceLength() - imageTokens(tokenized) >= textTokens) {
        return prompt;
      }
    }
  }

  private static int imageTokens(TokenizedPrompt prompt) {
    return prompt.imageSpans().stream().mapToInt(ImageSpan::length).sum();
  }

  private static String text(Object value) {
    return value instanceof Double number ? String.format(Locale.ROOT, "%.4g", number) : value.toString();
  }

  /** Per second; finite also where the clock saw no time pass. */
  private static double rate(int count, double seconds) {
    return count / Math.max(seconds, 1e-9);
  }

  static double time(Runnable work) {
    long start = System.nanoTime();
    work.run();
    return seconds(start);
  }

  private static double seconds(long start) {
    return (System.nanoTime() - start) / 1e9;
  }

  static double median(List<Double> values) {
    List<Double> sorted = values.stream().sorted().toList();
    int middle = sorted.size() / 2;
    return sorted.size() % 2 == 1 ? sorted.get(middle) : (sorted.get(middle - 1) + sorted.get(middle)) / 2;
  }

  /** The most memory this process has held, in bytes. */
  private static long peakRss() {
    Path status = Path.of("/proc/self/status");
    try (var lines = Files.lines(status)) {
      return lines
          .filter(line -> line.startsWith("VmHWM:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024)
          .findFirst()
          .orElse(0);
    } catch (IOException e) {
      throw Disk.failure(status, e);
    }
  }

  /** The picture with another first pixel in each run. */
  private static VilaImage variant(VilaImage picture, int run) {
    byte[] rgb = picture.rgb();
    rgb[0] = (byte) run;
    rgb[1] = (byte) (run >> 8);
    return VilaImage.ofRgb(rgb, picture.width(), picture.height());
  }

  private static VilaImage gradient() {
    int size = 384;
    byte[] rgb = new byte[size * size * 3];
    for (int y = 0; y < size; y++) {
      for (int x = 0; x < size; x++) {
        int at = (y * size + x) * 3;
        rgb[at] = (byte) (x * 255 / size);
        rgb[at + 1] = (byte) (y * 255 / size);
        rgb[at + 2] = (byte) ((x + y) * 255 / (2 * size));
      }
    }
    return VilaImage.ofRgb(rgb, size, size);
  }
}
