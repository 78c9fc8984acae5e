// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.video;

import io.github.vila4j.VideoDecoder;
import java.io.IOException;
import java.nio.file.Path;

/** Video files by FFmpeg. Found by {@link java.util.ServiceLoader}; there is no need to name it. */
public final class FfmpegDecoder implements VideoDecoder {
  /** A decoder; all of them are alike. */
  public FfmpegDecoder() {}

  @Override
  public Reader open(Path file) throws IOException {
    try {
      return FfmpegReader.open(file);
    } catch (LinkageError e) {
      throw new IOException("FFmpeg's native libraries do not load: " + e.getMessage(), e);
    }
  }
}
