// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/** What kind of failure a {@link VilaException} is. */
public enum ErrorCode {
  /** An argument is outside what the method accepts. */
  INVALID_ARGUMENT,
  /** A file, folder or library that was named does not exist. */
  NOT_FOUND,
  /** The operating system refused a read, write, map or lock. */
  IO,
  /** The content of a file is damaged or contradicts itself. */
  BAD_FILE,
  /** Well-formed, but something this version does not run. */
  UNSUPPORTED,
  /** A prompt, image or request is larger than what was reserved or what the model allows. */
  CAPACITY,
  /** The session is inside another call. */
  BUSY,
  /** Stopped before there was a result. */
  CANCELLED,
  /** The backend (ONNX Runtime) failed. */
  BACKEND,
  /** A broken invariant of vila4j itself: please report it. */
  INTERNAL,
  /** The native library could not be loaded. */
  NATIVE_LIBRARY
}
