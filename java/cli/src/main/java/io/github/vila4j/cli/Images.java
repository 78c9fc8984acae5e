// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import io.github.vila4j.VilaImage;
import io.github.vila4j.shapes.Picture;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.imageio.ImageIO;

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

  /** Writes an image as PNG, making its folder where it is missing. */
  static void writePng(Picture picture, Path file) {
    BufferedImage image = new BufferedImage(picture.width(), picture.height(), BufferedImage.TYPE_INT_RGB);
    byte[] rgb = picture.rgb();
    for (int y = 0, at = 0; y < picture.height(); y++) {
      for (int x = 0; x < picture.width(); x++, at += 3) {
        image.setRGB(x, y, (rgb[at] & 0xFF) << 16 | (rgb[at + 1] & 0xFF) << 8 | rgb[at + 2] & 0xFF);
      }
    }
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try {
      ImageIO.write(image, "png", bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    Disk.write(file, bytes.toByteArray());
  }
}
