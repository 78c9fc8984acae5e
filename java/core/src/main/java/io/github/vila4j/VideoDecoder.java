// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Reads video files for {@link Video#of(Path)}. Implementations are found by {@link java.util.ServiceLoader}; the module
 * {@code io.github.vila4j:vila4j-video} has one.
 */
public interface VideoDecoder {
  /**
   * Opens a video file.
   *
   * @param file a file that exists
   * @return its frames, to be closed
   * @throws IOException when it cannot be read as a video; the message says why and need not name the file
   */
  Reader open(Path file) throws IOException;

  /** The frames of one file, from the first on. Used by one thread. */
  interface Reader extends Closeable {
    /**
     * How many frames the container claims to have. Fewer may come.
     *
     * @return below 1 when it does not say
     */
    long frameCount();

    /**
     * Frames per second.
     *
     * @return 0 when the container does not say
     */
    double frameRate();

    /**
     * Passes over the next frame.
     *
     * @return false at the end
     * @throws IOException when the file cannot be read further
     */
    boolean skip() throws IOException;

    /**
     * The next frame, upright as it is stored: a rotation in the container is not applied.
     *
     * @return empty at the end
     * @throws IOException when the file cannot be read further
     */
    Optional<VilaImage> read() throws IOException;
  }
}
