// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/** Receives an answer as it grows. Called in the thread that is inside {@link VilaSession#generate}. */
@FunctionalInterface
public interface TokenListener {
  /**
   * One call per generated id, in order, and a last one with id -1 where text was still held back. An exception thrown here ends
   * the generation and arrives unchanged at the caller of {@code generate}.
   *
   * @param token the id and its text
   * @return false to stop: the completion then ends with this token and {@link FinishReason#CANCELLED}
   */
  boolean onToken(Token token);
}
