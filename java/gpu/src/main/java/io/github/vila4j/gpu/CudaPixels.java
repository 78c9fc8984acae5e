// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.gpu;

import io.github.vila4j.DevicePixels;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.javacpp.BytePointer;

/**
 * Pixels in the memory of a CUDA device, from the types of the JavaCPP presets for CUDA ({@code org.bytedeco:cuda}, which the
 * application depends on itself). {@link io.github.vila4j.VilaImage#of(DevicePixels)} makes an image of them, and says what must
 * stay until when.
 *
 * <pre>{@code
 * VilaImage frame = VilaImage.of(CudaPixels.of(rgb, 1920, 1080, stream).withStride(pitch));
 * }</pre>
 */
public final class CudaPixels {
  private CudaPixels() {}

  /**
   * Pixels whose rows lie without a gap, in memory of {@code cudaMalloc}.
   *
   * @param rgb red, green and blue bytes on the device, from the pointer's position on
   * @param width pixels in a row
   * @param height rows
   * @param stream what fills them has been given to this stream; null for the default stream
   * @return the pixels
   */
  public static DevicePixels of(BytePointer rgb, int width, int height, CUstream_st stream) {
    return DevicePixels.of(rgb, width, height).withStream(stream);
  }

  /**
   * Pixels whose rows lie without a gap, in memory of {@code cuMemAlloc}.
   *
   * @param rgb the CUdeviceptr of red, green and blue bytes, in the primary context of the model's device
   * @param width pixels in a row
   * @param height rows
   * @param stream what fills them has been given to this stream; null for the default stream
   * @return the pixels
   */
  public static DevicePixels of(long rgb, int width, int height, CUstream_st stream) {
    return DevicePixels.of(rgb, width, height).withStream(stream);
  }
}
