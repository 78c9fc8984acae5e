// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import com.google.gson.JsonObject;
import io.github.vila4j.CheckpointReport;
import io.github.vila4j.ModelInfo;
import io.github.vila4j.PartSize;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** A checkpoint's report as doctor prints it. */
final class ModelReport {
  /** Positions of the "1k" that the KV cache is counted in. */
  private static final int THOUSAND = 1024;

  private ModelReport() {}

  /** A line per thing that is known, then one per problem. */
  static List<String> lines(CheckpointReport report) {
    ModelInfo info = report.info();
    Lines lines = new Lines();
    lines.add("checkpoint", info.path());
    lines.add("runs", report.isRunnable() ? "yes" : "no");
    lines.add("family", info.family());
    lines.add("language model", part(info.languageModel(), report.language()));
    lines.add("vision tower", part(info.visionTower(), report.vision()));
    lines.add("projector", part(info.projector(), report.projector()));
    if (info.tokensPerImage() > 0) {
      lines.add("image", info.tokensPerImage() + " tokens" + alone(report));
      lines.add("video", report.videoFrames() + " frames, " + report.videoTokens() + " tokens");
    }
    lines.add("preprocessing", info.preprocessing());
    if (!info.promptTemplate().isEmpty()) {
      lines.add("template", info.promptTemplate() + " (" + report.templateReason() + ")");
    }
    lines.add("templates", String.join(", ", report.templates()));
    if (!report.tokenizer().isEmpty()) {
      lines.add("tokenizer", report.tokenizer() + (report.tokenizerSize() > 0 ? ", " + report.tokenizerSize() + " ids" : ""));
    }
    lines.add("weights", info.weightDtype());
    if (!info.precision().isEmpty()) {
      lines.add("precision", info.precision() + " (" + report.precisionReason() + ")");
    }
    lines.add("weight files", size(report.fileBytes()));
    lines.add("plans on disk", size(report.planBytes()));
    lines.add("weights in memory", size(report.weightMemoryBytes()));
    if (info.kvBytesPerToken() > 0) {
      lines.add("KV cache", size(info.kvBytesPerToken() * THOUSAND) + " per 1k tokens");
    }
    if (info.contextLength() > 0) {
      long cache = info.kvBytesPerToken() * info.contextLength();
      lines.add("longest context", info.contextLength() + " tokens, KV cache " + size(cache));
    }
    for (String problem : report.problems()) {
      lines.add("PROBLEM", problem);
    }
    return lines.list;
  }

  /** The same as an object; what is not known is empty or zero. */
  static JsonObject json(CheckpointReport report) {
    ModelInfo info = report.info();
    JsonObject object = new JsonObject();
    object.addProperty("path", info.path());
    object.addProperty("runs", report.isRunnable());
    object.add("problems", Json.tree(report.problems()));
    object.addProperty("family", info.family());
    object.add("language_model", part(info.languageModel(), info.weightDtype(), report.language()));
    object.add("vision_tower", part(info.visionTower(), null, report.vision()));
    object.add("projector", part(info.projector(), null, report.projector()));
    object.addProperty("parameters", info.parameters());
    object.addProperty("tokens_per_image", info.tokensPerImage());
    object.addProperty("min_single_image_tokens", report.minSingleImageTokens());
    object.addProperty("max_single_image_tokens", report.maxSingleImageTokens());
    object.addProperty("video_frames", report.videoFrames());
    object.addProperty("video_tokens", report.videoTokens());
    object.addProperty("preprocessing", info.preprocessing());
    object.addProperty("template", info.promptTemplate());
    object.addProperty("template_reason", report.templateReason());
    object.add("templates", Json.tree(report.templates()));
    object.addProperty("tokenizer", report.tokenizer());
    object.addProperty("tokenizer_size", report.tokenizerSize());
    object.addProperty("vocab_size", info.vocabSize());
    object.add("eos_ids", Json.tree(info.eosIds()));
    object.addProperty("precision", info.precision());
    object.addProperty("precision_reason", report.precisionReason());
    object.addProperty("file_bytes", report.fileBytes());
    object.addProperty("plan_bytes", report.planBytes());
    object.addProperty("weight_memory_bytes", report.weightMemoryBytes());
    object.addProperty("kv_bytes_per_token", info.kvBytesPerToken());
    object.addProperty("context_length", info.contextLength());
    return object;
  }

  private static JsonObject part(String description, String dtype, PartSize size) {
    JsonObject object = new JsonObject();
    object.addProperty("description", description);
    if (dtype != null) {
      object.addProperty("weight_dtype", dtype);
    }
    object.addProperty("parameters", size.parameters());
    object.addProperty("bytes", size.bytes());
    return object;
  }

  private static String part(String description, PartSize size) {
    if (description.isEmpty() || size.parameters() == 0) {
      return description;
    }
    return description + "; " + count(size.parameters()) + " parameters in " + size(size.bytes());
  }

  /** The range of an image that is alone in its prompt, where it differs. */
  private static String alone(CheckpointReport report) {
    int least = report.minSingleImageTokens();
    int most = report.maxSingleImageTokens();
    if (most == report.info().tokensPerImage()) {
      return "";
    }
    return "; the only one of its prompt " + least + " to " + most;
  }

  /** "2.70 billion". */
  static String count(long value) {
    return scaled(value, "", " thousand", " million", " billion", " trillion");
  }

  /** "5.40 GB"; empty for nothing. */
  static String size(long bytes) {
    return bytes == 0 ? "" : scaled(bytes, " B", " kB", " MB", " GB", " TB");
  }

  /** Three digits and a unit; each unit is a thousand of the one before it. */
  private static String scaled(long value, String... units) {
    double scaled = value;
    int unit = 0;
    while (scaled >= 999.5 && unit + 1 < units.length) {
      scaled /= 1000;
      unit++;
    }
    int decimals = unit == 0 || scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2;
    return String.format(Locale.ROOT, "%." + decimals + "f", scaled) + units[unit];
  }

  /** Names and values in two columns. */
  private static final class Lines {
    private final List<String> list = new ArrayList<>();

    void add(String name, String value) {
      if (!value.isEmpty()) {
        list.add(String.format(Locale.ROOT, "%-18s %s", name, value));
      }
    }
  }
}
