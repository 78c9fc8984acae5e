// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import io.github.vila4j.Completion;
import io.github.vila4j.FinishReason;
import io.github.vila4j.GenerationOptions;
import io.github.vila4j.Prompt;
import io.github.vila4j.Role;
import io.github.vila4j.TokenListener;
import io.github.vila4j.Video;
import io.github.vila4j.VilaImage;
import io.github.vila4j.VilaModel;
import io.github.vila4j.VilaSession;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** One question, one answer. */
@Command(name = "ask", description = "Answers a prompt about any number of images and videos, or none.")
final class Ask extends BaseCommand {
  @Mixin private ModelOptions model;
  @Mixin private PromptOptions framing;
  @Mixin private SamplingOptions sampling;

  @Option(names = "--image", paramLabel = "FILE", description = "An image (JPEG, PNG, WebP or pixels as .npy); may be repeated.")
  private List<Path> images = List.of();

  @Option(
      names = "--video",
      paramLabel = "PATH",
      description = "A video file, or a folder of images that are its frames; may be repeated. Videos come before the text.")
  private List<Path> videos = List.of();

  @Option(
      names = "--frames",
      paramLabel = "N",
      description = "How many frames of each video to look at. Default: the model's own number.")
  private Integer frames;

  @Option(names = "--json", description = "Print one JSON object when the answer is complete.")
  private boolean json;

  @Parameters(
      paramLabel = "PROMPT",
      description = "What to ask. Each <image> in it places the next image; without any, images come first. '-' reads stdin.")
  private String prompt;

  @Override
  public Integer call() {
    if (frames != null && videos.isEmpty()) {
      throw new UsageException("--frames needs a video; give it with --video PATH");
    }
    List<VilaImage> pixels = images.stream().map(Images::read).toList();
    Video[] clips = videos.stream().map(this::open).toArray(Video[]::new);
    Prompt request = framing.begin().marked(Role.USER, prompt.equals("-") ? readAll() : prompt, clips).images(pixels).build();
    GenerationOptions options = sampling.toGenerationOptions();
    try (Interruption interruption = new Interruption();
        VilaModel loaded = model.load(interruption);
        VilaSession session = loaded.newSession()) {
      interruption.cancelWith(session::cancel);
      TokenListener print =
          token -> {
            out().print(token.text());
            out().flush();
            return !interruption.isRequested();
          };
      Completion completion = session.generate(request, options, json ? token -> !interruption.isRequested() : print);
      out().println(json ? Json.pretty(Json.of(completion)) : "");
      out().flush();
      return completion.finishReason() == FinishReason.CANCELLED ? Main.FAILED : Main.OK;
    }
  }

  private Video open(Path path) {
    return frames == null ? Video.of(path) : Video.of(path).withFrames(frames);
  }

  private String readAll() {
    try (var lines = main().in().lines()) {
      return lines.collect(Collectors.joining("\n"));
    } catch (UncheckedIOException e) {
      throw new FailureException("stdin: " + e.getCause().getMessage(), e);
    }
  }
}
