// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import java.util.Arrays;

/** How fast this machine reads memory. Holds arrays that no cache does. */
final class MemoryBandwidth {
  private static final int BYTES = 256 << 20;
  private static final int PASSES = 4;

  private final long[][][] arrays;

  /** For so many threads that read at once. */
  MemoryBandwidth(int threads) {
    arrays = new long[threads][2][BYTES / Long.BYTES / 2 / threads];
  }

  /** Bytes per second. Equal arrays are compared, which the JVM does in wide registers in every mode. */
  double measure() {
    long start = System.nanoTime();
    Thread[] readers =
        Arrays.stream(arrays).map(pair -> new Thread(() -> read(pair[0], pair[1]), "vila4j-bandwidth")).toArray(Thread[]::new);
    for (Thread reader : readers) {
      reader.start();
    }
    try {
      for (Thread reader : readers) {
        reader.join();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new FailureException("interrupted", e);
    }
    return (double) BYTES * PASSES / ((System.nanoTime() - start) / 1e9);
  }

  private static void read(long[] one, long[] other) {
    for (int pass = 0; pass < PASSES; pass++) {
      if (!Arrays.equals(one, other)) {
        throw new IllegalStateException("arrays of zeros differ");
      }
    }
  }
}
