// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import javax.imageio.ImageIO;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.ShortPointer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Images from every source, and resizing. */
class VilaImageTest {
  private static final Path IMAGES = TestData.ROOT.resolve("images");

  @ParameterizedTest
  @ValueSource(strings = {"gray.png", "palette.png", "photo.png", "rgba.png", "tiny.png", "wide.png"})
  void everySourceGivesThePixelsOfTheReference(String name) throws IOException {
    VilaImage expected = TestData.image(name);
    byte[] bytes = Files.readAllBytes(IMAGES.resolve(name));
    assertPixels(expected, VilaImage.of(IMAGES.resolve(name)));
    assertPixels(expected, VilaImage.of(bytes));
    assertPixels(expected, VilaImage.of(new ByteArrayInputStream(bytes)));
    assertPixels(expected, VilaImage.of(ImageIO.read(new ByteArrayInputStream(bytes))));
    assertEquals(0, Vila.liveObjectCount());
  }

  /** JPEG decoders differ by a few levels. */
  @ParameterizedTest
  @ValueSource(strings = {"square.jpg", "tall.jpg"})
  void jpegIsClose(String name) {
    byte[] expected = TestData.image(name).rgb();
    byte[] actual = VilaImage.of(IMAGES.resolve(name)).rgb();
    assertEquals(expected.length, actual.length);
    for (int i = 0; i < expected.length; i++) {
      assertTrue(Math.abs(Byte.toUnsignedInt(expected[i]) - Byte.toUnsignedInt(actual[i])) <= 4);
    }
  }

  private static void assertPixels(VilaImage expected, VilaImage actual) {
    assertEquals(expected.width(), actual.width());
    assertEquals(expected.height(), actual.height());
    assertArrayEquals(expected.rgb(), actual.rgb());
  }

  @Test
  void resizesAreBitExact() {
    Path folder = TestData.ROOT.resolve("resize");
    for (JsonElement element : TestData.json(folder.resolve("resize.json")).getAsJsonArray("cases")) {
      JsonObject given = element.getAsJsonObject();
      VilaImage source = TestData.image(given.get("source").getAsString());
      VilaImage resized = source.resize(given.get("width").getAsInt(), given.get("height").getAsInt());
      assertArrayEquals(TestData.npy(folder.resolve(given.get("out").getAsString())).bytes(), resized.rgb(), given.toString());
    }
  }

  @Test
  void bufferedImagesOfEveryType() {
    int[] types = {
      BufferedImage.TYPE_INT_RGB,
      BufferedImage.TYPE_INT_ARGB,
      BufferedImage.TYPE_INT_BGR,
      BufferedImage.TYPE_3BYTE_BGR,
      BufferedImage.TYPE_4BYTE_ABGR
    };
    for (int type : types) {
      BufferedImage image = new BufferedImage(2, 1, type);
      image.setRGB(0, 0, 0xFF102030);
      image.setRGB(1, 0, 0xFFF0E0D0);
      assertArrayEquals(
          new byte[] {0x10, 0x20, 0x30, (byte) 0xF0, (byte) 0xE0, (byte) 0xD0}, VilaImage.of(image).rgb(), "type " + type);
    }
    for (int type : new int[] {BufferedImage.TYPE_BYTE_GRAY, BufferedImage.TYPE_USHORT_GRAY}) {
      BufferedImage gray = new BufferedImage(1, 1, type);
      gray.getRaster().setSample(0, 0, 0, type == BufferedImage.TYPE_BYTE_GRAY ? 0x80 : 0x8012);
      assertArrayEquals(new byte[] {(byte) 0x80, (byte) 0x80, (byte) 0x80}, VilaImage.of(gray).rgb(), "type " + type);
    }
  }

  @Test
  void badImages() {
    NotFoundException missing = assertThrows(NotFoundException.class, () -> VilaImage.of(Path.of("/no/such.png")));
    assertTrue(missing.getMessage().contains("/no/such.png"), missing.getMessage());
    DamagedFileException text = assertThrows(DamagedFileException.class, () -> VilaImage.of("plain text".getBytes()));
    assertEquals(
        "image bytes: no known image format starts with the bytes 70 6c 61 69 6e 20 74 65, expected a JPEG, PNG or WebP image",
        text.getMessage());
    UnsupportedException gif = assertThrows(UnsupportedException.class, () -> VilaImage.of("GIF89a plus the rest".getBytes()));
    assertTrue(gif.getMessage().startsWith("image bytes: ") && gif.getMessage().contains("GIF"), gif.getMessage());
    assertThrows(VilaException.class, () -> VilaImage.of(new byte[0]));
    InputStream failing =
        new InputStream() {
          @Override
          public int read() throws IOException {
            throw new IOException("broken pipe");
          }
        };
    UncheckedIOException broken = assertThrows(UncheckedIOException.class, () -> VilaImage.of(failing));
    assertEquals("image stream: broken pipe", broken.getMessage());
  }

  @Test
  void truncatedFileIsDamaged() throws IOException {
    byte[] bytes = Files.readAllBytes(IMAGES.resolve("photo.png"));
    byte[] half = Arrays.copyOf(bytes, bytes.length / 2);
    DamagedFileException damaged = assertThrows(DamagedFileException.class, () -> VilaImage.of(half));
    assertEquals(ErrorCode.BAD_FILE, damaged.code());
    assertTrue(damaged.getMessage().startsWith("image bytes"), damaged.getMessage());
  }

  @Test
  void pixelsOfTheWrongNumber() {
    InvalidArgumentException wrong = assertThrows(InvalidArgumentException.class, () -> VilaImage.ofRgb(new byte[11], 2, 2));
    assertEquals("rgb: 11 bytes for 2x2 pixels; expected width * height * 3 with both at least 1", wrong.getMessage());
    assertThrows(InvalidArgumentException.class, () -> VilaImage.ofRgb(new byte[0], 0, 5));
    assertThrows(InvalidArgumentException.class, () -> TestData.image("tiny.png").resize(0, 5));
  }

  @Test
  void pixelsAreCopied() {
    byte[] pixels = {1, 2, 3};
    VilaImage image = VilaImage.ofRgb(pixels, 1, 1);
    pixels[0] = 9;
    image.rgb()[1] = 9;
    assertArrayEquals(new byte[] {1, 2, 3}, image.rgb());
  }

  @Test
  void pixelsOnADeviceAreNotTouched() {
    VilaImage image = VilaImage.of(DevicePixels.of(0x7f0000000000L, 640, 480).withStride(2048).withStream(0x1000L));
    assertTrue(image.onDevice());
    assertEquals(640, image.width());
    assertEquals(480, image.height());
    assertEquals(
        "rgb: image 640x480 has its pixels on a device, expected pixels in Java's memory",
        assertThrows(UnsupportedException.class, image::rgb).getMessage());
    assertThrows(UnsupportedException.class, () -> image.resize(2, 2));
    assertFalse(TestData.image("tiny.png").onDevice());
    assertEquals(0, Vila.liveObjectCount());
  }

  @Test
  void identityOfPixelsOnADevice() {
    DevicePixels pixels = DevicePixels.of(0x7f0000000000L, 4, 3);
    VilaImage unnamed = VilaImage.of(pixels);
    assertEquals(hash(unnamed), hash(unnamed));
    assertNotEquals(hash(unnamed), hash(VilaImage.of(pixels)));
    assertEquals(hash(VilaImage.of(pixels.withKey("frame 7"))), hash(VilaImage.of(pixels.withKey("frame 7"))));
    assertNotEquals(hash(VilaImage.of(pixels.withKey("frame 7"))), hash(VilaImage.of(pixels.withKey("frame 8"))));
  }

  private static String hash(VilaImage image) {
    try (var pixels = image.toNative();
        var hash = pixels.content_hash()) {
      return hash.getString();
    }
  }

  @Test
  void pointersHaveTheirPosition() {
    try (ShortPointer shorts = new ShortPointer(64)) {
      assertEquals(
          "pixels 4x3 at device address 0x" + Long.toHexString(shorts.address() + 10),
          DevicePixels.of(shorts.position(5), 4, 3).toString());
    }
  }

  @Test
  void badPixelsOnADevice() {
    assertBadPixels("rgb is null, expected device memory", DevicePixels.of(0, 4, 3));
    assertBadPixels("rgb is null, expected device memory", DevicePixels.of(new BytePointer(), 4, 3));
    assertBadPixels("image of 0x3 pixels, expected sides of 1 to 65500", DevicePixels.of(1, 0, 3));
    assertBadPixels("stride is 11, expected at least 12 bytes for 4 pixels", DevicePixels.of(1, 4, 3).withStride(11));
    assertThrows(CapacityException.class, () -> VilaImage.of(DevicePixels.of(1, 65500, 65500)));
    assertThrows(InvalidArgumentException.class, () -> DevicePixels.of(1, 4, 3).withKey(""));
    assertThrows(NullPointerException.class, () -> DevicePixels.of(null, 4, 3));
  }

  private static void assertBadPixels(String message, DevicePixels pixels) {
    assertEquals(message, assertThrows(InvalidArgumentException.class, () -> VilaImage.of(pixels)).getMessage());
  }

  /** A model on the CPU says so, whatever the pointer is. */
  @Test
  void theCpuTakesNoPixelsOfADevice() {
    VilaImage image = VilaImage.of(DevicePixels.of(0x7f0000000000L, 640, 480));
    String message =
        "image of 640x480 pixels in the memory of a CUDA device: this model's backend reads the host's memory, "
            + "expected pixels there, or a model of the backend tensorrt";
    try (VilaModel model = TestData.load("vila10-clip-linear")) {
      assertEquals(message, assertThrows(UnsupportedException.class, () -> model.generate(Prompt.of("What?", image))).getMessage());
      assertEquals(message, assertThrows(UnsupportedException.class, () -> model.encodeImage(image)).getMessage());
    }
  }
}
