// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import java.awt.color.ColorSpace;
import java.awt.image.BufferedImage;
import java.awt.image.ComponentColorModel;
import java.awt.image.DataBuffer;
import java.awt.image.Raster;

/** Pixels of Java's own images. */
final class BufferedImages {
  private BufferedImages() {}

  /** Red, green, blue, row by row; transparency is dropped. */
  static byte[] rgb(BufferedImage image) {
    int width = image.getWidth();
    int height = image.getHeight();
    byte[] rgb = new byte[Math.multiplyExact(Math.multiplyExact(width, height), 3)];
    // getRGB() would take gray values for linear light and brighten them.
    boolean gray =
        image.getColorModel() instanceof ComponentColorModel model
            && model.getColorSpace().getType() == ColorSpace.TYPE_GRAY
            && (model.getTransferType() == DataBuffer.TYPE_BYTE || model.getTransferType() == DataBuffer.TYPE_USHORT);
    int shift = image.getRaster().getTransferType() == DataBuffer.TYPE_USHORT ? 8 : 0;
    Raster raster = image.getRaster();
    int[] row = new int[width];
    int at = 0;
    for (int y = 0; y < height; y++) {
      if (gray) {
        raster.getSamples(0, y, width, 1, 0, row);
      } else {
        image.getRGB(0, y, width, 1, row, 0, width);
      }
      for (int x = 0; x < width; x++) {
        int value = gray ? (row[x] >> shift) * 0x010101 : row[x];
        rgb[at++] = (byte) (value >> 16);
        rgb[at++] = (byte) (value >> 8);
        rgb[at++] = (byte) value;
      }
    }
    return rgb;
  }
}
