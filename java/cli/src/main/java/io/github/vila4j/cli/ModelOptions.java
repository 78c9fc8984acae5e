// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import io.github.vila4j.LoadOptions;
import io.github.vila4j.ProgressListener;
import io.github.vila4j.Vila;
import io.github.vila4j.VilaModel;
import io.github.vila4j.demo.DemoModel;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Option;

/** Which model, and how to load it. */
final class ModelOptions {
  static final String DEMO = "Unless given, the demo model, which knows drawn shapes.";

  @Option(names = "--model", paramLabel = "DIR", description = "The checkpoint's folder. " + DEMO)
  private Path model;

  @Option(
      names = "--precision",
      paramLabel = "P",
      defaultValue = "default",
      description =
          "fp32, bf16, int8 or int4; unless given, the first of these whose weights take at most 0.6 of the memory. For tensorrt "
              + "also fp16 and fp8; unless given, the checkpoint's type.")
  private String precision;

  @Option(names = "--backend", paramLabel = "NAME", defaultValue = "auto", description = "auto, onnxruntime or tensorrt.")
  private String backend;

  @Option(
      names = "--device",
      paramLabel = "N",
      description = "The CUDA device of tensorrt, as doctor lists them from 0 on; the first unless given.")
  private int device;

  @Option(names = "--threads", paramLabel = "N", description = "Threads of one computation; as many as cores unless given.")
  private int threads;

  @Option(
      names = "--context",
      paramLabel = "N",
      description = "Most positions of a conversation; the model's own limit unless given.")
  private int context;

  @Option(names = "--cache-dir", paramLabel = "DIR", description = "The folder of compiled plans.")
  private Path cacheDir;

  boolean isGiven() {
    return model != null;
  }

  Path path() {
    return model == null ? DemoModel.folder() : model;
  }

  /** Threads of one computation; 0 where the engine chooses. */
  int threads() {
    return threads;
  }

  LoadOptions toLoadOptions() {
    LoadOptions.Builder builder =
        LoadOptions.builder()
            .precision(precision)
            .backend(backend)
            .device(device)
            .threads(threads)
            .contextLength(context);
    if (cacheDir != null) {
      builder.cacheDir(cacheDir);
    }
    return builder.build();
  }

  /** Loads the model, showing progress on a terminal; stops when the process is asked to end. */
  VilaModel load(Interruption interruption) {
    return load(path(), interruption);
  }

  /** The same for another checkpoint. */
  VilaModel load(Path checkpoint, Interruption interruption) {
    try (Progress progress = new Progress("loading")) {
      return Vila.load(checkpoint, toLoadOptions(), listener(progress, interruption));
    }
  }

  /** Its vision tower and projector in another precision. */
  VilaModel loadImages(String otherPrecision, Path checkpoint, Interruption interruption) {
    LoadOptions options = toLoadOptions().toBuilder().precision(otherPrecision).imagesOnly(true).build();
    try (Progress progress = new Progress("loading")) {
      return Vila.load(checkpoint, options, listener(progress, interruption));
    }
  }

  /** Compiles a checkpoint's plans likewise; returns a line each. */
  List<String> compile(Path checkpoint, Interruption interruption) {
    try (Progress progress = new Progress("compiling")) {
      return Vila.compile(checkpoint, toLoadOptions(), listener(progress, interruption));
    }
  }

  private static ProgressListener listener(Progress progress, Interruption interruption) {
    return (stage, fraction) -> progress.onProgress(stage, fraction) && !interruption.isRequested();
  }
}
