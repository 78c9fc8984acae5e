// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import io.github.vila4j.internal.LogListener;
import io.github.vila4j.internal.Natives;
import org.bytedeco.javacpp.BytePointer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Native log lines as SLF4J's, under the name io.github.vila4j.native. */
final class NativeLog extends LogListener {
  private static final Logger LOGGER = LoggerFactory.getLogger("io.github.vila4j.native");

  /** Held for ever: the native side keeps its address. */
  private static final NativeLog INSTANCE = new NativeLog();

  private NativeLog() {}

  /** Begins to receive the lines of the level that the logger lets through now. */
  static void start() {
    Natives.LogLevel level =
        LOGGER.isTraceEnabled()
            ? Natives.LogLevel.trace
            : LOGGER.isDebugEnabled()
                ? Natives.LogLevel.debug
                : LOGGER.isInfoEnabled() ? Natives.LogLevel.info : Natives.LogLevel.warn;
    NativeErrors.translating(() -> Natives.set_log_listener(INSTANCE, level));
  }

  @Override
  public void on_log(Natives.LogLevel level, BytePointer message) {
    try {
      String line = Text.peek(message);
      switch (level.intern()) {
        case trace -> LOGGER.trace(line);
        case debug -> LOGGER.debug(line);
        case info -> LOGGER.info(line);
        case warn -> LOGGER.warn(line);
        case error -> LOGGER.error(line);
      }
    } catch (Throwable e) {
      // The native side takes no exception, and a logger that fails has nowhere to say so.
    }
  }
}
