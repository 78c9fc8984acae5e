// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vila4j.VilaImage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** NumPy files, good and bad. */
class NpyTest {
  @TempDir Path temp;

  @Test
  void pixelsComeBack() throws IOException {
    VilaImage image = VilaImage.ofRgb(new byte[] {1, 2, 3, 4, 5, (byte) 255}, 2, 1);
    Path file = temp.resolve("folder/image.npy");
    Npy.write(file, image);
    byte[] bytes = Files.readAllBytes(file);
    assertEquals(0, (bytes.length - 6) % 64);
    VilaImage read = Npy.readImage(file);
    assertEquals(2, read.width());
    assertEquals(1, read.height());
    assertArrayEquals(image.rgb(), read.rgb());
  }

  @Test
  void filesOfTheReferenceAreRead() {
    Path images = Path.of(System.getProperty("vila.test.data"), "images");
    VilaImage image = Npy.readImage(images.resolve("tall.jpg.rgb.npy"));
    assertEquals(31, image.width());
    assertEquals(333, image.height());
  }

  @Test
  void floatsHaveTheHeaderOfNumPy() throws IOException {
    Path file = temp.resolve("floats.npy");
    Npy.write(file, new long[] {2}, new float[] {1f, -2.5f});
    ByteBuffer data = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    String header = new String(data.array(), 10, 118, StandardCharsets.ISO_8859_1);
    assertTrue(header.startsWith("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"), header);
    assertEquals('\n', header.charAt(117));
    assertEquals(1f, data.getFloat(128));
    assertEquals(-2.5f, data.getFloat(132));
    assertEquals(136, data.capacity());
  }

  private Path file(String header, int dataBytes) throws IOException {
    ByteBuffer data = ByteBuffer.allocate(10 + header.length() + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
    data.put((byte) 0x93).put("NUMPY".getBytes(StandardCharsets.US_ASCII)).put((byte) 1).put((byte) 0);
    data.putShort((short) header.length()).put(header.getBytes(StandardCharsets.US_ASCII));
    return Files.write(temp.resolve("bad.npy"), data.array());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '"',
      value = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 3), } | 12 | array of '<f4', expected '!u1' (uint8)",
        "{'descr': '!u1', 'fortran_order': False, 'shape': (1, 1, 4), } | 4 "
            + "| array of shape [1, 1, 4], expected [height, width, 3]",
        "{'descr': '!u1', 'fortran_order': False, 'shape': (0, 1, 3), } | 0 "
            + "| array of shape [0, 1, 3], expected [height, width, 3]",
        "{'descr': '!u1', 'fortran_order': False, 'shape': (2, 1, 3), } | 5 | 5 bytes of data for the shape [2, 1, 3]",
        "{'descr': '!u1', 'fortran_order': False, 'shape': (99999999, 99999999, 3), } | 5 "
            + "| 5 bytes of data for the shape [99999999, 99999999, 3]",
        "{'descr': '!u1', 'fortran_order': False, 'shape': (99999999999999999999, 1, 3), } | 5 "
            + "| NumPy shape (99999999999999999999, 1, 3)",
        "{'descr': '!u1', 'fortran_order': False} | 5 | NumPy header without a usable 'shape'",
        "nothing | 5 | NumPy header without a usable 'descr'"
      })
  void badHeaders(String header, int bytes, String message) throws IOException {
    Path file = file(header.replace('!', '|'), bytes);
    FailureException failure = assertThrows(FailureException.class, () -> Npy.readImage(file));
    assertEquals(file + ": " + message.replace('!', '|'), failure.getMessage());
  }

  @Test
  void fortranOrderIsPutRight() throws IOException {
    Path file = file("{'descr': '|u1', 'fortran_order': True, 'shape': (1, 2, 3), }", 0);
    byte[] bytes = Files.readAllBytes(file);
    byte[] whole = Arrays.copyOf(bytes, bytes.length + 6);
    System.arraycopy(new byte[] {1, 4, 2, 5, 3, 6}, 0, whole, bytes.length, 6);
    Files.write(file, whole);
    assertArrayEquals(new byte[] {1, 2, 3, 4, 5, 6}, Npy.readImage(file).rgb());
  }

  @Test
  void badFiles() throws IOException {
    Path missing = temp.resolve("missing.npy");
    assertEquals(
        missing + ": no such file or folder", assertThrows(FailureException.class, () -> Npy.readImage(missing)).getMessage());
    Path text = Files.writeString(temp.resolve("text.npy"), "not an array");
    assertEquals(text + ": not a NumPy file", assertThrows(FailureException.class, () -> Npy.readImage(text)).getMessage());
    byte[] bytes = Files.readAllBytes(file("{}", 0));
    bytes[8] = 100;
    Path endless = Files.write(temp.resolve("endless.npy"), bytes);
    assertEquals(
        endless + ": header ends at byte 110 of 12",
        assertThrows(FailureException.class, () -> Npy.readImage(endless)).getMessage());
    bytes[6] = 9;
    Path future = Files.write(temp.resolve("future.npy"), bytes);
    assertEquals(
        future + ": NumPy format version 9, expected 1 to 3",
        assertThrows(FailureException.class, () -> Npy.readImage(future)).getMessage());
  }
}
