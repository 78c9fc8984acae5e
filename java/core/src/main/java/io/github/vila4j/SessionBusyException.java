// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/** The session is inside another call; a session serves one at a time. */
public final class SessionBusyException extends VilaException {
  private static final long serialVersionUID = 1L;

  SessionBusyException(String message) {
    super(ErrorCode.BUSY, message);
  }
}
