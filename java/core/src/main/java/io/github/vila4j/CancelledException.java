// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/** The work was cancelled before it had a result. */
public final class CancelledException extends VilaException {
  private static final long serialVersionUID = 1L;

  CancelledException(String message) {
    super(ErrorCode.CANCELLED, message);
  }
}
