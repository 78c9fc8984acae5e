// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import java.util.Arrays;

/** How fast this machine reads memory. Holds an array a thread, all of which no cache holds. */
final class MemoryBandwidth {
  private static final int BYTES = 256 << 20;
  private static final int PASSES = 4;
  private static final int PIECE = 2048; // numbers; their copy stays in the nearest cache

  private final long[][] parts;

  /** For so many threads that read at once. */
  MemoryBandwidth(int threads) {
    int pieces = Math.max(1, BYTES / Long.BYTES / PIECE / threads);
    parts = new long[threads][pieces * PIECE];
  }

  /** Bytes per second. Pieces are copied to a place in the cache, which the JVM does in wide registers in every mode. */
  double measure() {
    Thread[] readers = Arrays.stream(parts).map(part -> new Thread(() -> read(part), "vila4j-bandwidth")).toArray(Thread[]::new);
    long start = System.nanoTime();
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
    return (double) PASSES * parts.length * parts[0].length * Long.BYTES / ((System.nanoTime() - start) / 1e9);
  }

  private static void read(long[] part) {
    long[] piece = new long[PIECE];
    for (int pass = 0; pass < PASSES; pass++) {
      for (int at = 0; at < part.length; at += PIECE) {
        System.arraycopy(part, at, piece, 0, PIECE);
      }
    }
  }
}
