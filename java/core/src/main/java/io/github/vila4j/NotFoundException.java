// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/** A file or folder that was named does not exist. */
public final class NotFoundException extends VilaException {
  private static final long serialVersionUID = 1L;

  NotFoundException(String message) {
    super(ErrorCode.NOT_FOUND, message);
  }
}
