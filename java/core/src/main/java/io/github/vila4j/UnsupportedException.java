// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/** Something is well-formed, but this version does not run it. */
public final class UnsupportedException extends VilaException {
  private static final long serialVersionUID = 1L;

  UnsupportedException(String message) {
    super(ErrorCode.UNSUPPORTED, message);
  }
}
