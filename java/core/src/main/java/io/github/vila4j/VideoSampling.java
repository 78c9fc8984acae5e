// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import io.github.vila4j.internal.Natives;
import java.util.Objects;

/**
 * Which frames of a video a model looks at; {@link VilaModel#videoSampling()} gives a model's own.
 *
 * @param rule how they are spread over the video
 * @param frames how many, 1 to 4096
 * @param fps with {@link FrameRule#ROUNDED}: above 0, so many a second from the start on, at most {@code frames}; 0 spreads them
 *     over the whole video. At most 1000
 */
public record VideoSampling(FrameRule rule, int frames, double fps) {
  /** A black frame, in {@link #frameIndices}. */
  public static final int BLACK = -1;

  /**
   * Checks that there is a rule; numbers are checked when they are used.
   *
   * @param rule how the frames are spread
   * @param frames how many
   * @param fps how many a second
   */
  public VideoSampling {
    Objects.requireNonNull(rule, "rule");
  }

  /**
   * The numbers of the frames to show, ascending; {@link #BLACK} stands for a black frame of the size of the video's last one.
   *
   * @param frameCount how many frames the video has
   * @param frameRate its frames per second; 0 where there is no such thing, as with a list of images, and then {@link #fps} has
   *     no effect
   * @return the numbers, counted from 0
   * @throws InvalidArgumentException when a number is out of bounds, or when the only frame of a video would stand behind black ones
   */
  public int[] frameIndices(long frameCount, double frameRate) {
    Engine.start();
    try (var sampling = new io.github.vila4j.internal.VideoSampling()) {
      sampling.rule(rule == FrameRule.TRUNCATED ? Natives.FrameRule.truncated : Natives.FrameRule.rounded);
      sampling.frames(frames);
      sampling.fps(fps);
      return NativeErrors.translating(() -> NativeArrays.take(sampling.frame_indices(frameCount, frameRate)));
    }
  }

  static VideoSampling of(io.github.vila4j.internal.VideoSampling sampling) {
    boolean truncated = sampling.rule().value == Natives.FrameRule.truncated.value;
    return new VideoSampling(truncated ? FrameRule.TRUNCATED : FrameRule.ROUNDED, sampling.frames(), sampling.fps());
  }
}
