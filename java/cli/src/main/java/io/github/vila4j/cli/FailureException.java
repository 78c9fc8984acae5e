// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

/** The command could not do its work: exit code 1. The message names the file, what was found and what was expected. */
final class FailureException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  FailureException(String message) {
    super(message);
  }

  FailureException(String message, Throwable cause) {
    super(message, cause);
  }
}
