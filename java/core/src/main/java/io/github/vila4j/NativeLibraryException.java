// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import java.util.List;

/** The native library could not be loaded. The message lists what was tried and what to do about it. */
public final class NativeLibraryException extends VilaException {
  private static final long serialVersionUID = 1L;

  /**
   * Made by the loader.
   *
   * @param tried each place that was tried, with what went wrong there
   * @param advice what to do about it
   * @param cause what the JVM or the file system said, or null
   */
  public NativeLibraryException(List<String> tried, String advice, Throwable cause) {
    super(
        ErrorCode.NATIVE_LIBRARY,
        "the native library of vila4j could not be loaded; tried: " + String.join("; ", tried) + "; what to do: " + advice,
        cause);
  }
}
