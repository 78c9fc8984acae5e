// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import java.util.function.Supplier;

/** Turns the exceptions of the JNI code into typed ones. Their message is {@code "<number of the error code>:<message>"}. */
final class NativeErrors {
  private NativeErrors() {}

  /** Runs a native call; its failure leaves as a {@link VilaException}. */
  static <T> T translating(Supplier<T> call) {
    try {
      return call.get();
    } catch (RuntimeException e) {
      throw translate(e);
    }
  }

  /** The same for a call without a result. */
  static void translating(Runnable call) {
    try {
      call.run();
    } catch (RuntimeException e) {
      throw translate(e);
    }
  }

  /** What to throw for {@code e}: itself unless it came from the JNI code. */
  static RuntimeException translate(RuntimeException e) {
    String coded = e.getMessage();
    if (e.getClass() != RuntimeException.class || coded == null) {
      return e;
    }
    int colon = coded.indexOf(':');
    if (colon < 1 || colon > 2) {
      return new VilaException(ErrorCode.INTERNAL, coded);
    }
    String message = coded.substring(colon + 1);
    return switch (coded.substring(0, colon)) {
      case "1" -> new InvalidArgumentException(message);
      case "2" -> new NotFoundException(message);
      case "3" -> new FileAccessException(message);
      case "4" -> new DamagedFileException(message);
      case "5" -> new UnsupportedException(message);
      case "6" -> new CapacityException(message);
      case "7" -> new SessionBusyException(message);
      case "8" -> new CancelledException(message);
      case "9" -> new BackendException(message);
      case "10" -> new VilaException(ErrorCode.INTERNAL, message);
      default -> new VilaException(ErrorCode.INTERNAL, coded);
    };
  }
}
