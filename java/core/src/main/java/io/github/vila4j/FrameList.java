// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import java.util.List;

/** Frames in memory. */
record FrameList(List<VilaImage> frames) implements FrameSource {
  @Override
  public List<VilaImage> take(VideoSampling sampling) {
    return FrameSource.pick(FrameSource.indices(this, sampling, frames.size(), 0), frames::get);
  }

  @Override
  public String toString() {
    return "list of frames";
  }
}
