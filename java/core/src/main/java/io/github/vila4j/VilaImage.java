// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import io.github.vila4j.internal.Image;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Objects;
import java.util.UUID;
import java.util.function.Supplier;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;

/**
 * An RGB image, 8 bits a channel. Immutable, thread-safe, and plain Java memory: there is nothing to close. Only {@link
 * #of(DevicePixels)} is different: such an image stands for a caller's pixels on a GPU.
 *
 * <p>JPEG, PNG and WebP are told apart by their content and decoded as Pillow's {@code convert("RGB")} would: transparency is
 * dropped, EXIF rotation is not applied.
 */
public final class VilaImage implements PromptPart {
  private final int width;
  private final int height;
  private final byte[] rgb; // null: on a device
  private final DevicePixels device;
  private final String key; // of the device's pixels

  private VilaImage(int width, int height, byte[] rgb) {
    this.width = width;
    this.height = height;
    this.rgb = rgb;
    this.device = null;
    this.key = null;
  }

  private VilaImage(DevicePixels device) {
    this.width = device.width();
    this.height = device.height();
    this.rgb = null;
    this.device = device;
    this.key = device.key().orElseGet(() -> "VilaImage " + UUID.randomUUID());
  }

  /** An address that nobody frees. */
  private static final class Address extends Pointer {
    Address(long address) {
      this.address = address;
    }
  }

  /**
   * Decodes an image file.
   *
   * @param file a JPEG, PNG or WebP file
   * @return the image
   * @throws NotFoundException when there is no such file
   * @throws DamagedFileException when it is damaged
   * @throws UnsupportedException when it is of another format
   * @throws CapacityException when it has too many pixels
   */
  public static VilaImage of(Path file) {
    Engine.start();
    try (BytePointer path = Text.toNative("image file", file.toString())) {
      return copy(() -> Image.from_file(path));
    }
  }

  /**
   * Decodes the bytes of an image file.
   *
   * @param bytes the whole of a JPEG, PNG or WebP file
   * @return the image
   * @throws DamagedFileException when it is damaged
   * @throws UnsupportedException when it is of another format
   * @throws CapacityException when it has too many pixels
   */
  public static VilaImage of(byte[] bytes) {
    return decode(Objects.requireNonNull(bytes, "bytes"), "image bytes");
  }

  /**
   * Reads a stream to its end and decodes it. The stream stays open.
   *
   * @param stream gives the whole of a JPEG, PNG or WebP file
   * @return the image
   * @throws UncheckedIOException when the stream fails
   * @throws DamagedFileException when the image is damaged
   * @throws UnsupportedException when it is of another format
   * @throws CapacityException when it has too many pixels
   */
  public static VilaImage of(InputStream stream) {
    try {
      return decode(stream.readAllBytes(), "image stream");
    } catch (IOException e) {
      throw new UncheckedIOException("image stream: " + e.getMessage(), e);
    }
  }

  /**
   * Copies an image of Java's own. Transparency is dropped.
   *
   * @param image any image
   * @return its pixels
   */
  public static VilaImage of(BufferedImage image) {
    return new VilaImage(image.getWidth(), image.getHeight(), BufferedImages.rgb(image));
  }

  /**
   * Copies pixels.
   *
   * @param rgb {@code width * height * 3} bytes: red, green, blue, row by row
   * @param width at least 1
   * @param height at least 1
   * @return the image
   * @throws InvalidArgumentException when the sizes do not fit
   */
  public static VilaImage ofRgb(byte[] rgb, int width, int height) {
    if (width < 1 || height < 1 || rgb.length != 3L * width * height) {
      throw new InvalidArgumentException(
          "rgb: " + rgb.length + " bytes for " + width + "x" + height
              + " pixels; expected width * height * 3 with both at least 1");
    }
    return new VilaImage(width, height, rgb.clone());
  }

  /**
   * Pixels that stay where they are, in the memory of a CUDA device. Only a model of the backend {@code tensorrt} reads them;
   * others throw {@link UnsupportedException}. {@link #rgb()} and {@link #resize} throw it, too.
   *
   * <p>Nothing is copied and no CUDA function is called here. Every call that takes this image, in a prompt or by itself, reads
   * the pixels behind what their stream has been given before that call. Memory and stream must stay, and the pixels unchanged,
   * until the last such call has returned (of a {@link TokenStream}: has ended); what the stream is given after that may write to
   * them at once. The stream must not be capturing.
   *
   * <p>The pixels are never hashed: caches know them by {@link DevicePixels#withKey their key}, or, without one, by this object.
   * So make a new image when the pixels change. A pointer that is no memory of the device is an {@link InvalidArgumentException}
   * of the call that reads it.
   *
   * @param pixels where they lie
   * @return the image
   * @throws InvalidArgumentException when the pointer is null or the sizes do not fit
   * @throws CapacityException when it has too many pixels
   */
  public static VilaImage of(DevicePixels pixels) {
    Engine.start();
    VilaImage image = new VilaImage(pixels);
    image.toNative().close(); // which looks at the numbers
    return image;
  }

  private static VilaImage decode(byte[] bytes, String name) {
    Engine.start();
    try (BytePointer what = Text.toNative("name", name)) {
      return copy(() -> Image.from_memory(bytes, bytes.length, what));
    }
  }

  /** Takes the pixels of a native image and frees it. */
  private static VilaImage copy(Supplier<Image> make) {
    try (Image image = NativeErrors.translating(make)) {
      if (image.rgb_size() > Integer.MAX_VALUE - 16) {
        throw new CapacityException(
            "image: " + image.width() + "x" + image.height() + " pixels are more than a Java array holds");
      }
      byte[] rgb = new byte[(int) image.rgb_size()];
      image.rgb().capacity(rgb.length).get(rgb);
      return new VilaImage(image.width(), image.height(), rgb);
    }
  }

  /** The native image; the caller closes it. */
  Image toNative() {
    if (onDevice()) {
      try (BytePointer name = Text.toNative("key", key)) {
        Pointer pointer = new Address(device.rgb());
        Pointer stream = new Address(device.stream());
        return NativeErrors.translating(() -> Image.from_device(pointer, width, height, device.stride(), stream, name));
      }
    }
    return NativeErrors.translating(() -> Image.from_rgb(rgb, rgb.length, width, height));
  }

  /**
   * Bicubic resize, bit-exact with Pillow's {@code Image.resize} (antialiased, 8 bits).
   *
   * @param toWidth at least 1
   * @param toHeight at least 1
   * @return a new image
   * @throws UnsupportedException when the pixels are on a device
   */
  public VilaImage resize(int toWidth, int toHeight) {
    requireHost("resize");
    Engine.start();
    try (Image image = toNative()) {
      return copy(() -> image.resize(toWidth, toHeight));
    }
  }

  private void requireHost(String what) {
    if (onDevice()) {
      throw new UnsupportedException(what + ": " + this + " has its pixels on a device, expected pixels in Java's memory");
    }
  }

  /**
   * Whether the pixels lie in the memory of a CUDA device.
   *
   * @return true only after {@link #of(DevicePixels)}
   */
  public boolean onDevice() {
    return device != null;
  }

  /**
   * Pixels in a row.
   *
   * @return at least 1
   */
  public int width() {
    return width;
  }

  /**
   * Rows.
   *
   * @return at least 1
   */
  public int height() {
    return height;
  }

  /**
   * The pixels: red, green, blue, row by row.
   *
   * @return a copy of {@code width * height * 3} bytes
   * @throws UnsupportedException when the pixels are on a device
   */
  public byte[] rgb() {
    requireHost("rgb");
    return rgb.clone();
  }

  /** The size, for people. */
  @Override
  public String toString() {
    return "image " + width + "x" + height;
  }
}
