// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import java.util.Objects;
import java.util.Optional;
import org.bytedeco.javacpp.Pointer;

/**
 * Where the pixels of an image lie in the memory of a CUDA device: rows of red, green and blue bytes. For {@link
 * VilaImage#of(DevicePixels)}, which says what must stay until when. Immutable; it keeps a {@link Pointer} that it is given from
 * being freed by the garbage collector, and frees nothing itself.
 *
 * <p>The device is that of the model that reads them ({@link LoadOptions#device}), the memory that of its primary context, which
 * CUDA's runtime uses.
 */
public final class DevicePixels {
  private final Address rgb;
  private final int width;
  private final int height;
  private final long stride;
  private final Address stream;
  private final String key;

  /** A native address with what keeps it valid. */
  private record Address(long value, Object owner) {
    static Address of(Pointer pointer) {
      return pointer == null || pointer.isNull()
          ? new Address(0, null)
          : new Address(pointer.address() + offset(pointer), pointer);
    }

    /** Opaque types have no size, and no position but the first. */
    private static long offset(Pointer pointer) {
      return pointer.position() == 0 ? 0 : pointer.position() * pointer.sizeof();
    }
  }

  private DevicePixels(Address rgb, int width, int height, long stride, Address stream, String key) {
    this.rgb = rgb;
    this.width = width;
    this.height = height;
    this.stride = stride;
    this.stream = stream;
    this.key = key;
  }

  /**
   * Pixels whose rows lie without a gap, ready on the default stream.
   *
   * @param rgb device memory from the pointer's position on
   * @param width pixels in a row
   * @param height rows
   * @return the pixels; whether they make sense is seen when they become an image
   */
  public static DevicePixels of(Pointer rgb, int width, int height) {
    Objects.requireNonNull(rgb, "rgb");
    return new DevicePixels(Address.of(rgb), width, height, 3L * width, new Address(0, null), null);
  }

  /**
   * Pixels whose rows lie without a gap, ready on the default stream.
   *
   * @param rgb a device pointer as a number (CUdeviceptr)
   * @param width pixels in a row
   * @param height rows
   * @return the pixels; whether they make sense is seen when they become an image
   */
  public static DevicePixels of(long rgb, int width, int height) {
    return new DevicePixels(new Address(rgb, null), width, height, 3L * width, new Address(0, null), null);
  }

  /**
   * The same with rows further apart.
   *
   * @param stride bytes from row to row
   * @return new pixels
   */
  public DevicePixels withStride(long stride) {
    return new DevicePixels(rgb, width, height, stride, stream, key);
  }

  /**
   * The same with the stream that the pixels are ready on: they are read behind what it has been given before the call that reads
   * them.
   *
   * @param stream a CUstream or cudaStream_t; null for the default stream
   * @return new pixels
   */
  public DevicePixels withStream(Pointer stream) {
    return new DevicePixels(rgb, width, height, stride, Address.of(stream), key);
  }

  /**
   * The same with the stream that the pixels are ready on.
   *
   * @param stream a CUstream or cudaStream_t as a number; 0 for the default stream
   * @return new pixels
   */
  public DevicePixels withStream(long stream) {
    return new DevicePixels(rgb, width, height, stride, new Address(stream, null), key);
  }

  /**
   * The same with a name of their content, by which caches know them: equal keys of images of one size promise equal pixels.
   *
   * @param key any text but an empty one; the name of a file, the number of a frame
   * @return new pixels
   */
  public DevicePixels withKey(String key) {
    if (key.isEmpty()) {
      throw new InvalidArgumentException("key: empty, expected a name of the pixels' content, or none at all");
    }
    return new DevicePixels(rgb, width, height, stride, stream, key);
  }

  int width() {
    return width;
  }

  int height() {
    return height;
  }

  long stride() {
    return stride;
  }

  long rgb() {
    return rgb.value;
  }

  long stream() {
    return stream.value;
  }

  Optional<String> key() {
    return Optional.ofNullable(key);
  }

  /** Size and address, for people. */
  @Override
  public String toString() {
    return "pixels " + width + "x" + height + " at device address 0x" + Long.toHexString(rgb.value);
  }
}
