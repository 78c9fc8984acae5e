// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.gpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vila4j.InvalidArgumentException;
import io.github.vila4j.VilaImage;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.Test;

/** The presets' types, without CUDA: nothing of the presets' natives is loaded. */
class CudaPixelsTest {
  /** Stands for a pointer of CUDA. */
  private static final class Address extends Pointer {
    Address(long address) {
      this.address = address;
    }
  }

  @Test
  void pointersAndStreamsArePassedOn() {
    CUstream_st stream = new CUstream_st(new Address(0x1000));
    BytePointer rgb = new BytePointer(new Address(0x7f0000000000L));
    assertEquals("pixels 4x3 at device address 0x7f0000000000", CudaPixels.of(rgb, 4, 3, stream).toString());
    assertEquals("pixels 4x3 at device address 0x7f0000000006", CudaPixels.of(rgb.getPointer(6), 4, 3, null).toString());
    assertTrue(VilaImage.of(CudaPixels.of(0x7f0000000000L, 4, 3, stream).withStride(512)).onDevice());
  }

  @Test
  void nullIsRefused() {
    BytePointer none = new BytePointer();
    String message =
        assertThrows(InvalidArgumentException.class, () -> VilaImage.of(CudaPixels.of(none, 4, 3, null))).getMessage();
    assertEquals("rgb is null, expected device memory", message);
  }
}
