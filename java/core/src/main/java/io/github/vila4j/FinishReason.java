// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/** Why generation ended. */
public enum FinishReason {
  /** The model chose one of its stop ids, or one of {@link GenerationOptions#stopIds()}. */
  STOP_ID,
  /** The answer reached one of {@link GenerationOptions#stop()}. */
  STOP_STRING,
  /** {@link GenerationOptions#maxNewTokens()} or the end of the context was reached. */
  LENGTH,
  /** It was cancelled, or the listener asked to stop. */
  CANCELLED
}
