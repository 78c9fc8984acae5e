// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import io.github.vila4j.internal.Natives;
import io.github.vila4j.internal.loader.NativeLibrary;
import java.nio.file.Files;
import java.nio.file.Path;
import org.bytedeco.javacpp.BytePointer;

/** The native library in this JVM: loaded, told where ONNX Runtime is, and logging through SLF4J. */
final class Engine {
  private static boolean started;

  private Engine() {}

  /** Loads the native library unless that is done. Every way into native code begins here. */
  static synchronized void start() {
    if (started) {
      return;
    }
    NativeLibrary.load();
    Path onnxRuntime = NativeLibrary.folder().resolve("libonnxruntime.so");
    String chosen = System.getenv("VILA_ONNXRUNTIME");
    if ((chosen == null || chosen.isEmpty()) && Files.isRegularFile(onnxRuntime)) {
      try (BytePointer path = Text.toNative("ONNX Runtime path", onnxRuntime.toString())) {
        NativeErrors.translating(() -> Natives.set_onnxruntime_path(path));
      }
    }
    NativeLog.start();
    started = true;
  }
}
