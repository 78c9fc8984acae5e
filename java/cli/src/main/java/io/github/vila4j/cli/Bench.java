// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import io.github.vila4j.Completion;
import io.github.vila4j.GenerationOptions;
import io.github.vila4j.ModelInfo;
import io.github.vila4j.Prompt;
import io.github.vila4j.VilaImage;
import io.github.vila4j.VilaModel;
import io.github.vila4j.VilaSession;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** How fast a model is here. */
@Command(name = "bench", description = "Measures loading, image encoding, prefill and decoding; medians of several runs.")
final class Bench extends BaseCommand {
  @Mixin private ModelOptions model;

  @Option(names = "--image", paramLabel = "FILE", description = "The image to encode; a made-up one unless given.")
  private Path image;

  @Option(
      names = "--runs",
      paramLabel = "N",
      defaultValue = "5",
      description = "Runs per figure, after one to warm up (${DEFAULT-VALUE}).")
  private int runs;

  @Option(names = "--tokens", paramLabel = "N", defaultValue = "64", description = "Tokens to generate per run (${DEFAULT-VALUE}).")
  private int tokens;

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  @Override
  public Integer call() {
    if (runs < 1 || tokens < 1) {
      throw new UsageException("--runs " + runs + " --tokens " + tokens + ": expected at least 1 of each");
    }
    VilaImage pixels = image == null ? gradient() : Images.read(image);
    Prompt prompt = Prompt.of("<image>\nDescribe the image in detail.", pixels);
    GenerationOptions options = GenerationOptions.builder().maxNewTokens(tokens).ignoreEos(true).reusePrefix(false).build();
    Map<String, Object> figures = new LinkedHashMap<>();
    try (Interruption interruption = new Interruption()) {
      long start = System.nanoTime();
      try (VilaModel loaded = model.load(interruption);
          VilaSession session = loaded.newSession()) {
        double loadSeconds = seconds(start);
        interruption.cancelWith(session::cancel);
        double[] imageSeconds = new double[runs];
        double[] prefillRates = new double[runs];
        double[] decodeRates = new double[runs];
        double[] prefillSeconds = new double[runs];
        for (int run = -1; run < runs; run++) {
          if (interruption.isRequested()) {
            throw new FailureException("interrupted");
          }
          start = System.nanoTime();
          loaded.encodeImage(pixels);
          double encoding = seconds(start);
          Completion completion = session.generate(prompt, options);
          if (run >= 0) {
            imageSeconds[run] = encoding;
            prefillSeconds[run] = completion.timings().prefillSeconds();
            prefillRates[run] = rate(completion.usage().promptTokens(), completion.timings().prefillSeconds());
            decodeRates[run] = rate(completion.usage().completionTokens(), completion.timings().decodeSeconds());
          }
          figures.put("prompt_tokens", completion.usage().promptTokens());
          figures.put("completion_tokens", completion.usage().completionTokens());
        }
        ModelInfo info = loaded.info();
        figures.put("backend", info.backend());
        figures.put("precision", info.precision());
        figures.put("runs", runs);
        figures.put("load_seconds", loadSeconds);
        figures.put("image_seconds", median(imageSeconds));
        figures.put("prefill_seconds", median(prefillSeconds));
        figures.put("prefill_tokens_per_second", median(prefillRates));
        figures.put("decode_tokens_per_second", median(decodeRates));
        figures.put("peak_rss_bytes", peakRss());
      }
    }
    if (json) {
      out().println(Json.pretty(figures));
    } else {
      figures.forEach((name, value) -> out().println(String.format("%-26s %s", name.replace('_', ' '), text(value))));
    }
    return Main.OK;
  }

  private static String text(Object value) {
    return value instanceof Double number ? String.format(Locale.ROOT, "%.4g", number) : value.toString();
  }

  /** Per second; finite also where the clock saw no time pass. */
  private static double rate(int count, double seconds) {
    return count / Math.max(seconds, 1e-9);
  }

  private static double seconds(long start) {
    return (System.nanoTime() - start) / 1e9;
  }

  static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    int middle = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
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
