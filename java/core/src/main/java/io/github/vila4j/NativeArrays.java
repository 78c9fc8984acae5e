// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;

/** Native arrays to Java ones. The native array is freed; null stands for an empty one. */
final class NativeArrays {
  private NativeArrays() {}

  static int[] take(IntPointer pointer) {
    try (pointer) {
      int[] array = new int[size(pointer)];
      if (array.length > 0) {
        pointer.get(array);
      }
      return array;
    }
  }

  static long[] take(LongPointer pointer) {
    try (pointer) {
      long[] array = new long[size(pointer)];
      if (array.length > 0) {
        pointer.get(array);
      }
      return array;
    }
  }

  static float[] take(FloatPointer pointer) {
    try (pointer) {
      float[] array = new float[size(pointer)];
      if (array.length > 0) {
        pointer.get(array);
      }
      return array;
    }
  }

  private static int size(Pointer pointer) {
    return pointer == null || pointer.isNull() ? 0 : Math.toIntExact(pointer.limit() - pointer.position());
  }
}
