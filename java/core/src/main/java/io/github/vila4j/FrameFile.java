// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.ServiceLoader;

/** A video file. Its frames are decoded one after another, so that their numbers are exact; only those that are shown are kept. */
record FrameFile(Path file) implements FrameSource {
  private static final String MODULE = "io.github.vila4j:vila4j-video";

  @Override
  public List<VilaImage> take(VideoSampling sampling) {
    VideoDecoder decoder = decoder();
    if (!Files.isRegularFile(file)) {
      throw new NotFoundException(file + ": no such file");
    }
    try {
      long claimed;
      double rate;
      try (VideoDecoder.Reader reader = decoder.open(file)) {
        claimed = reader.frameCount();
        rate = Double.isFinite(reader.frameRate()) ? Math.max(0, reader.frameRate()) : 0;
        if (claimed < 1) {
          claimed = count(reader);
        }
      }
      // A file that ends before the frame that was asked for has as many frames as came, and is sampled anew.
      while (true) {
        List<VilaImage> frames = new ArrayList<>();
        long came = read(decoder, FrameSource.indices(this, sampling, claimed, rate), frames);
        if (came < 0) {
          return frames;
        }
        claimed = came;
      }
    } catch (IOException e) {
      throw new DamagedFileException(file + ": " + e.getMessage());
    }
  }

  private static long count(VideoDecoder.Reader reader) throws IOException {
    long count = 0;
    while (reader.skip()) {
      count++;
    }
    return count;
  }

  /** Reads the frames of {@code indices}; null stands for a black one. Returns -1, or where the file ended too early. */
  private long read(VideoDecoder decoder, int[] indices, List<VilaImage> frames) throws IOException {
    try (VideoDecoder.Reader reader = decoder.open(file)) {
      long next = 0;
      for (int i = 0; i < indices.length; i++) {
        if (indices[i] == VideoSampling.BLACK) {
          frames.add(null);
        } else if (i > 0 && indices[i] == indices[i - 1]) {
          frames.add(frames.get(i - 1));
        } else {
          for (; next < indices[i]; next++) {
            if (!reader.skip()) {
              return next;
            }
          }
          Optional<VilaImage> frame = reader.read();
          if (frame.isEmpty()) {
            return next;
          }
          frames.add(frame.get());
          next++;
        }
      }
      return -1;
    }
  }

  private VideoDecoder decoder() {
    return ServiceLoader.load(VideoDecoder.class)
        .findFirst()
        .or(() -> ServiceLoader.load(VideoDecoder.class, FrameFile.class.getClassLoader()).findFirst())
        .orElseThrow(
            () -> new UnsupportedException(file + ": there is no decoder for video files; add " + MODULE + " to the class path"));
  }

  @Override
  public String toString() {
    return file.toString();
  }
}
