// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/**
 * Anything that vila4j refuses or fails to do. The message is one line that names the file or argument, what was found and what
 * was expected. Where a caller may want to tell one kind of failure from another there is a subclass for it; {@link #code()} tells
 * all of them apart. (Using a closed handle is not among them: that is an {@link IllegalStateException}.)
 */
public class VilaException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** The kind of failure. */
  private final ErrorCode code;

  VilaException(ErrorCode code, String message) {
    this(code, message, null);
  }

  VilaException(ErrorCode code, String message, Throwable cause) {
    super(message, cause);
    this.code = code;
  }

  /**
   * The kind of failure.
   *
   * @return never null
   */
  public ErrorCode code() {
    return code;
  }
}
