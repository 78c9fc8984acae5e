// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import io.github.vila4j.VilaImage;
import java.nio.file.Files;
import java.nio.file.Path;

/** Image files of the command line. */
final class Images {
  private Images() {}

  /** Decodes an image file, or takes the pixels of a .npy file. */
  static VilaImage read(Path file) {
    return file.toString().endsWith(".npy") ? Npy.readImage(file) : VilaImage.of(file);
  }

  /** The image {@code name} of a folder; {@code name.rgb.npy} there takes the place of decoding it. */
  static VilaImage read(Path folder, String name) {
    Path file = folder.resolve(name);
    Path pixels = file.resolveSibling(file.getFileName() + ".rgb.npy");
    return Files.exists(pixels) ? Npy.readImage(pixels) : VilaImage.of(file);
  }
}
