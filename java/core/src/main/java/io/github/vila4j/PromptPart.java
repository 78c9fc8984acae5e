// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import java.util.Objects;

/** A part of a turn: text, a {@link VilaImage} or a {@link Video}. */
public sealed interface PromptPart permits PromptPart.TextPart, VilaImage, Video {
  /**
   * Text as a part of a turn. {@code <image>} in it is plain text.
   *
   * @param text any text
   * @return the part
   */
  static PromptPart text(String text) {
    return new TextPart(text);
  }

  /**
   * Text.
   *
   * @param text what it says
   */
  record TextPart(String text) implements PromptPart {
    /**
     * Checks that there is text.
     *
     * @param text what it says
     */
    public TextPart {
      Objects.requireNonNull(text, "text");
    }
  }
}
