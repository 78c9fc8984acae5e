// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/** The content of a file is damaged or contradicts itself. */
public final class DamagedFileException extends VilaException {
  private static final long serialVersionUID = 1L;

  DamagedFileException(String message) {
    super(ErrorCode.BAD_FILE, message);
  }
}
