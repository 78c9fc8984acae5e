// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import io.github.vila4j.internal.Natives;
import io.github.vila4j.internal.loader.GpuLibraries;
import io.github.vila4j.internal.loader.NativeLibrary;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.bytedeco.javacpp.BytePointer;

/** The native library in this JVM: loaded, told where ONNX Runtime is, and logging through SLF4J. */
final class Engine {
  private static boolean started;
  private static boolean gpuReady;

  private Engine() {}

  /** Loads the native library unless that is done. Every way into native code begins here. */
  static synchronized void start() {
    if (started) {
      return;
    }
    NativeLibrary.load();
    Path onnxRuntime = NativeLibrary.folder().resolve("libonnxruntime.so");
    if (!isSet("VILA_ONNXRUNTIME") && Files.isRegularFile(onnxRuntime)) {
      try (BytePointer path = Text.toNative("ONNX Runtime path", onnxRuntime.toString())) {
        NativeErrors.translating(() -> Natives.set_onnxruntime_path(path));
      }
    }
    NativeLog.start();
    started = true;
  }

  /**
   * Before the backend tensorrt is used: tells the engine of the libraries that jars on the class path hold for it. Variables of
   * the environment and, for TensorRT, the system's library come before them.
   *
   * @throws FileAccessException when they cannot be extracted
   */
  static synchronized void startGpu() {
    start();
    if (gpuReady) {
      return;
    }
    try {
      Optional<Path> library = isSet("VILA_CUDA") ? Optional.empty() : GpuLibraries.cudaLibrary();
      if (library.isPresent()) {
        try (BytePointer path = Text.toNative("path of libvila_cuda.so", library.get().toString())) {
          NativeErrors.translating(() -> Natives.set_cuda_library_path(path));
        }
      }
      if (Text.take(NativeErrors.translating(Natives::tensorrt_path)).isEmpty()) {
        Optional<Path> tensorRt = isSet("VILA_TENSORRT") ? Optional.empty() : GpuLibraries.tensorRt();
        if (tensorRt.isPresent()) {
          try (BytePointer path = Text.toNative("folder of TensorRT", tensorRt.get().toString())) {
            NativeErrors.translating(() -> Natives.set_tensorrt_path(path));
          }
        }
      }
    } catch (IOException e) {
      throw new FileAccessException("backend tensorrt: " + e.getMessage(), e);
    }
    gpuReady = true;
  }

  private static boolean isSet(String variable) {
    String value = System.getenv(variable);
    return value != null && !value.isEmpty();
  }
}
