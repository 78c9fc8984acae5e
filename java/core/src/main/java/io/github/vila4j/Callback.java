// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/** Keeps what a listener throws while native code is between it and the caller. */
final class Callback {
  private Throwable thrown;

  /** Runs a listener; when it throws, the native side is asked to stop. */
  boolean run(java.util.function.BooleanSupplier listener) {
    if (thrown != null) {
      return false;
    }
    try {
      return listener.getAsBoolean();
    } catch (Throwable e) {
      thrown = e;
      return false;
    }
  }

  /** Throws what the listener threw, unchanged. */
  void rethrow() {
    if (thrown != null) {
      throw Callback.<RuntimeException>unchecked(thrown);
    }
  }

  @SuppressWarnings("unchecked")
  private static <E extends Throwable> E unchecked(Throwable thrown) throws E {
    throw (E) thrown;
  }
}
