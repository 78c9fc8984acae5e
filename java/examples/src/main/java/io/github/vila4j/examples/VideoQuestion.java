// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.examples;

import io.github.vila4j.Completion;
import io.github.vila4j.GenerationOptions;
import io.github.vila4j.Prompt;
import io.github.vila4j.Video;
import io.github.vila4j.VilaModel;
import java.nio.file.Path;

/** Asks what happens in a video: a file (with vila4j-video on the class path), or a folder of images. */
public final class VideoQuestion {
  private VideoQuestion() {}

  /**
   * Argument: the video.
   *
   * @param args the arguments
   */
  public static void main(String[] args) {
    Video video = Video.of(Path.of(args[0]));
    GenerationOptions options = GenerationOptions.builder().maxNewTokens(60).build();
    try (VilaModel model = Models.load()) {
      Completion answer = model.generate(Prompt.of("What happens in this video?", video), options);
      System.out.println(answer.text());
      System.out.println("(" + video.frames(model.videoSampling()).size() + " frames, " + answer.usage() + ")");
    }
  }
}
