// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import io.github.vila4j.VilaImage;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.TypeConversionException;

/** An image to another size. */
@Command(name = "resize", description = "Resizes an image as the models see it: bicubic, bit-exact with Pillow.")
final class Resize extends BaseCommand {
  @Option(names = "--size", required = true, paramLabel = "WxH", converter = SizeConverter.class, description = "The new size.")
  private Size size;

  @Parameters(index = "0", paramLabel = "IN", description = "An image file, or pixels as .npy (uint8 [h,w,3]).")
  private Path in;

  @Parameters(index = "1", paramLabel = "OUT.npy", description = "The pixels of the result, uint8 [h,w,3].")
  private Path out;

  /** A size in pixels. */
  record Size(int width, int height) {}

  /** Reads {@code WxH}. */
  static final class SizeConverter implements ITypeConverter<Size> {
    @Override
    public Size convert(String value) {
      if (!value.matches("[1-9][0-9]{0,5}x[1-9][0-9]{0,5}")) {
        throw new TypeConversionException("'" + value + "' is no size; expected WIDTHxHEIGHT, each 1 to 999999");
      }
      String[] parts = value.split("x");
      return new Size(Integer.parseInt(parts[0]), Integer.parseInt(parts[1]));
    }
  }

  @Override
  public Integer call() {
    VilaImage resized = Images.read(in).resize(size.width(), size.height());
    Npy.write(out, resized);
    return Main.OK;
  }
}
