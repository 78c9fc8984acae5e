// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/** Who speaks in a turn of a {@link Prompt}. */
public enum Role {
  /** The one who asks. */
  USER,
  /** The model. */
  ASSISTANT
}
