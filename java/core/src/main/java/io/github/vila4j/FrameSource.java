// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;

/** Where the frames of a {@link Video} come from. Its text names it in messages. */
interface FrameSource {
  /** The frames that {@code sampling} asks for, in order, at least one; null stands for a black frame. The last is never black. */
  List<VilaImage> take(VideoSampling sampling);

  /** The numbers of the frames to show; a refusal names {@code source}. */
  static int[] indices(FrameSource source, VideoSampling sampling, long frameCount, double frameRate) {
    try {
      return sampling.frameIndices(frameCount, frameRate);
    } catch (InvalidArgumentException e) {
      throw new InvalidArgumentException(source + ": " + e.getMessage());
    }
  }

  /** The frame of each index, got once per number; null for a black one. */
  static List<VilaImage> pick(int[] indices, IntFunction<VilaImage> frame) {
    List<VilaImage> frames = new ArrayList<>();
    for (int i = 0; i < indices.length; i++) {
      boolean again = i > 0 && indices[i] == indices[i - 1];
      frames.add(again ? frames.get(i - 1) : indices[i] == VideoSampling.BLACK ? null : frame.apply(indices[i]));
    }
    return frames;
  }
}
