// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/** The backend that runs the model failed. */
public final class BackendException extends VilaException {
  private static final long serialVersionUID = 1L;

  BackendException(String message) {
    super(ErrorCode.BACKEND, message);
  }
}
