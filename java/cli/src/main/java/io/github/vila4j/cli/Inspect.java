// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import com.google.gson.annotations.SerializedName;
import io.github.vila4j.EncodedImage;
import io.github.vila4j.FloatTensor;
import io.github.vila4j.Prompt;
import io.github.vila4j.PromptCase;
import io.github.vila4j.TokenizedPrompt;
import io.github.vila4j.Tokenizer;
import io.github.vila4j.VilaImage;
import io.github.vila4j.VilaModel;
import io.github.vila4j.VilaSession;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The numbers behind an answer. */
@Command(
    name = "inspect",
    description = "Writes the numbers of each stage for images and prompts, to compare them with another implementation.",
    footer = {
      "",
      "Per image:  OUT/images/<file>/pixel_values.npy, vision_features.npy, projected.npy",
      "Per prompt: OUT/prompts/<name>.json (prompt_text, input_ids, sequence_length, image_spans, 24 greedy ids, their text, top5)",
      "            OUT/prompts/<name>.logits.npy (float32 [4,V]: the prompt's last position, then the first 3 greedy ids')",
      "            OUT/prompts/<name>.tiles/pixel_values.npy [T,3,H,W], vision_features.npy, projected.npy, where the model",
      "            cuts the prompt's only image into tiles",
      "Pixels in <file>.rgb.npy beside an image (uint8 [h,w,3]) take the place of decoding it."
    })
final class Inspect extends BaseCommand {
  private static final int GREEDY = 24;
  private static final int ROWS = 4;
  private static final int TOP = 5;

  @Mixin private ModelOptions model;

  @Option(names = "--prompts", required = true, paramLabel = "FILE", description = "prompts.json: name, template, turns, images.")
  private Path prompts;

  @Option(names = "--images", required = true, paramLabel = "DIR", description = "The folder of the images that the prompts name.")
  private Path images;

  @Option(names = "--out", required = true, paramLabel = "DIR", description = "The folder to write to.")
  private Path out;

  @Option(names = "--json", description = "Print a summary as JSON.")
  private boolean json;

  /** What is written per prompt. */
  private record Result(
      @SerializedName("prompt_text") String promptText,
      @SerializedName("input_ids") int[] inputIds,
      @SerializedName("sequence_length") int sequenceLength,
      @SerializedName("image_spans") List<int[]> imageSpans,
      @SerializedName("greedy") int[] greedy,
      @SerializedName("text") String text,
      @SerializedName("top5") List<Logits.Candidate> top5) {}

  @Override
  public Integer call() {
    List<PromptCase> cases = PromptCase.read(prompts);
    Map<String, VilaImage> pixels = new LinkedHashMap<>();
    for (PromptCase prompt : cases) {
      for (String name : prompt.images()) {
        if (!inside(out.resolve("images"), name) || !inside(images, name)) {
          throw new FailureException(
              prompts + ": prompt '" + prompt.name() + "' names an image outside its folder: '" + name + "'");
        }
        pixels.computeIfAbsent(name, file -> Images.read(images, file));
      }
    }
    try (Interruption interruption = new Interruption();
        VilaModel loaded = model.load(interruption);
        Progress progress = new Progress("inspecting")) {
      int done = 0;
      int all = pixels.size() + cases.size();
      for (Map.Entry<String, VilaImage> image : pixels.entrySet()) {
        step(interruption, progress, image.getKey(), done++, all);
        write(out.resolve("images").resolve(image.getKey()), loaded.encodeImage(image.getValue()));
      }
      for (PromptCase prompt : cases) {
        step(interruption, progress, prompt.name(), done++, all);
        write(loaded, prompt, prompt.toPrompt(prompt.images().stream().map(pixels::get).toList()));
        if (prompt.images().size() == 1 && loaded.info().tiles()) {
          write(out.resolve("prompts").resolve(prompt.name() + ".tiles"), loaded.encodeTiles(pixels.get(prompt.images().get(0))));
        }
      }
    }
    if (json) {
      out().println(Json.pretty(Map.of("images", pixels.size(), "prompts", cases.size(), "out", out.toString())));
    } else {
      out().println(pixels.size() + " images and " + cases.size() + " prompts written to " + out);
    }
    return Main.OK;
  }

  private static boolean inside(Path folder, String name) {
    Path file = folder.resolve(name).normalize();
    return file.startsWith(folder.normalize()) && !file.equals(folder.normalize());
  }

  private static void step(Interruption interruption, Progress progress, String what, int done, int all) {
    if (interruption.isRequested()) {
      throw new FailureException("interrupted");
    }
    progress.onProgress(what, (double) done / all);
  }

  private static void write(Path folder, EncodedImage image) {
    write(folder.resolve("pixel_values.npy"), image.pixelValues());
    write(folder.resolve("vision_features.npy"), image.visionFeatures());
    write(folder.resolve("projected.npy"), image.projected());
  }

  private static void write(Path file, FloatTensor tensor) {
    Npy.write(file, tensor.shape(), tensor.values());
  }

  private void write(VilaModel loaded, PromptCase name, Prompt prompt) {
    TokenizedPrompt tokenized = loaded.tokenize(prompt);
    int[] greedy = new int[GREEDY];
    float[][] rows = new float[ROWS][];
    try (VilaSession session = loaded.newSession()) {
      session.prefill(prompt);
      for (int i = 0; i < GREEDY; i++) {
        float[] logits = session.logits();
        if (i < ROWS) {
          rows[i] = logits;
        }
        greedy[i] = Logits.best(logits);
        if (i + 1 < GREEDY) {
          session.decode(greedy[i]);
        }
      }
    }
    float[] flat = new float[ROWS * rows[0].length];
    for (int i = 0; i < ROWS; i++) {
      System.arraycopy(rows[i], 0, flat, i * rows[0].length, rows[0].length);
    }
    Path folder = out.resolve("prompts");
    Npy.write(folder.resolve(name.name() + ".logits.npy"), new long[] {ROWS, rows[0].length}, flat);
    Json.write(
        folder.resolve(name.name() + ".json"),
        new Result(
            tokenized.text(),
            tokenized.inputIds(),
            tokenized.sequenceLength(),
            tokenized.imageSpans().stream().map(span -> new int[] {span.start(), span.length()}).toList(),
            greedy,
            text(loaded.tokenizer(), greedy),
            Logits.top(rows[0], TOP)));
  }

  /** The text of ids; a padded vocabulary has ids that no token stands behind, and they carry none. */
  private static String text(Tokenizer tokenizer, int[] ids) {
    int size = tokenizer.vocabSize();
    return tokenizer.decode(IntStream.of(ids).filter(id -> id < size).toArray(), true);
  }
}
