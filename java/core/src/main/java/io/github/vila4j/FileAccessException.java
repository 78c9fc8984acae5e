// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/** The operating system refused to read, write, map or lock a file. */
public final class FileAccessException extends VilaException {
  private static final long serialVersionUID = 1L;

  FileAccessException(String message) {
    super(ErrorCode.IO, message);
  }
}
