// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import java.io.Console;

/** The terminal of this process, if it has one. */
final class Terminal {
  private Terminal() {}

  /** Whether someone types and reads there. */
  static boolean isInteractive() {
    Console console = System.console();
    if (console == null) {
      return false;
    }
    try {
      // Since JDK 22, whose System.console() may be there although input and output are files.
      return (Boolean) Console.class.getMethod("isTerminal").invoke(console);
    } catch (ReflectiveOperationException e) {
      return true;
    }
  }
}
