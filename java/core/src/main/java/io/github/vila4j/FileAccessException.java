// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/** The operating system refused to read, write, map or lock a file. */
public final class FileAccessException extends VilaException {
  private static final long serialVersionUID = 1L;

  FileAccessException(String message) {
    super(ErrorCode.IO, message);
  }

  /**
   * A failure of the modules beside this one.
   *
   * @param message one line that names the file
   * @param cause what the operating system said
   */
  public FileAccessException(String message, Throwable cause) {
    super(ErrorCode.IO, message, cause);
  }
}
