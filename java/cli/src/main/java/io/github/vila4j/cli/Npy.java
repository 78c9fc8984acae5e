// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import io.github.vila4j.VilaImage;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.LongStream;

/** NumPy files: float32 and uint8 arrays, little-endian. */
final class Npy {
  private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
  private static final Pattern DESCR = Pattern.compile("'descr'\\s*:\\s*'([^']*)'");
  private static final Pattern ORDER = Pattern.compile("'fortran_order'\\s*:\\s*(True|False)");
  private static final Pattern SHAPE = Pattern.compile("'shape'\\s*:\\s*\\(([0-9, ]*)\\)");

  private Npy() {}

  /** Reads pixels: uint8 [h,w,3]. */
  static VilaImage readImage(Path file) {
    ByteBuffer data = ByteBuffer.wrap(Disk.read(file)).order(ByteOrder.LITTLE_ENDIAN);
    int start = dataStart(file, data);
    String header = new String(data.array(), 0, start, StandardCharsets.ISO_8859_1);
    String type = field(file, header, DESCR, "descr");
    if (!type.equals("|u1") && !type.equals("u1")) {
      throw new FailureException(file + ": array of '" + type + "', expected '|u1' (uint8)");
    }
    long[] shape = shape(file, field(file, header, SHAPE, "shape"));
    if (shape.length != 3 || shape[2] != 3 || shape[0] < 1 || shape[1] < 1) {
      throw new FailureException(file + ": array of shape " + Arrays.toString(shape) + ", expected [height, width, 3]");
    }
    long count = shape[0] > Integer.MAX_VALUE || shape[1] > Integer.MAX_VALUE ? -1 : shape[0] * shape[1];
    long found = data.capacity() - start;
    if (count < 0 || count > Integer.MAX_VALUE / 3 || found != count * 3) {
      throw new FailureException(file + ": " + found + " bytes of data for the shape " + Arrays.toString(shape));
    }
    byte[] rgb = new byte[(int) count * 3];
    data.position(start).get(rgb);
    int height = (int) shape[0];
    int width = (int) shape[1];
    boolean fortran = field(file, header, ORDER, "fortran_order").equals("True");
    return VilaImage.ofRgb(fortran ? fromFortranOrder(rgb, width, height) : rgb, width, height);
  }

  /** The first index changes fastest there. */
  private static byte[] fromFortranOrder(byte[] values, int width, int height) {
    byte[] rgb = new byte[values.length];
    int at = 0;
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        for (int c = 0; c < 3; c++) {
          rgb[at++] = values[y + height * (x + width * c)];
        }
      }
    }
    return rgb;
  }

  /** Where the numbers begin, checked to lie within the file. */
  private static int dataStart(Path file, ByteBuffer data) {
    if (data.capacity() < 10 || !Arrays.equals(data.array(), 0, 6, MAGIC, 0, 6)) {
      throw new FailureException(file + ": not a NumPy file");
    }
    int version = data.get(6);
    if (version < 1 || version > 3 || version > 1 && data.capacity() < 12) {
      throw new FailureException(file + ": NumPy format version " + version + ", expected 1 to 3");
    }
    long start = version == 1 ? 10L + Short.toUnsignedLong(data.getShort(8)) : 12L + Integer.toUnsignedLong(data.getInt(8));
    if (start > data.capacity()) {
      throw new FailureException(file + ": header ends at byte " + start + " of " + data.capacity());
    }
    return (int) start;
  }

  private static String field(Path file, String header, Pattern pattern, String name) {
    Matcher matcher = pattern.matcher(header);
    if (!matcher.find()) {
      throw new FailureException(file + ": NumPy header without a usable '" + name + "'");
    }
    return matcher.group(1);
  }

  private static long[] shape(Path file, String text) {
    try {
      return Arrays.stream(text.split(",")).map(String::strip).filter(part -> !part.isEmpty()).mapToLong(Long::parseLong).toArray();
    } catch (NumberFormatException e) {
      throw new FailureException(file + ": NumPy shape (" + text + ")", e);
    }
  }

  /** Writes pixels as uint8 [h,w,3]. */
  static void write(Path file, VilaImage image) {
    Disk.write(file, header("|u1", image.height(), image.width(), 3), image.rgb());
  }

  /** Writes float32 numbers. */
  static void write(Path file, long[] shape, float[] values) {
    ByteBuffer data = ByteBuffer.allocate(Math.multiplyExact(values.length, Float.BYTES)).order(ByteOrder.LITTLE_ENDIAN);
    data.asFloatBuffer().put(values);
    Disk.write(file, header("<f4", shape), data.array());
  }

  /** Format 1.0: the numbers begin at a multiple of 64. */
  private static byte[] header(String type, long... shape) {
    String sizes = LongStream.of(shape).mapToObj(Long::toString).collect(Collectors.joining(", "));
    String dictionary =
        "{'descr': '" + type + "', 'fortran_order': False, 'shape': (" + sizes + (shape.length == 1 ? ",), }" : "), }");
    int length = (10 + dictionary.length() + 1 + 63) / 64 * 64;
    ByteBuffer header = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
    Arrays.fill(header.array(), (byte) ' ');
    header.put(MAGIC).put((byte) 1).put((byte) 0).putShort((short) (length - 10));
    header.put(dictionary.getBytes(StandardCharsets.US_ASCII)).put(length - 1, (byte) '\n');
    return header.array();
  }
}
