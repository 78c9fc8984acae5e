// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/** An argument is outside what the method accepts; the message names it, its value and what was expected. */
public final class InvalidArgumentException extends VilaException {
  private static final long serialVersionUID = 1L;

  InvalidArgumentException(String message) {
    super(ErrorCode.INVALID_ARGUMENT, message);
  }
}
