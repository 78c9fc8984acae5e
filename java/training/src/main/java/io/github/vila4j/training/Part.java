// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import java.util.Locale;

/** A part of the model, in the order of its weights in memory. */
public enum Part {
  /** The image encoder. */
  VISION_TOWER,
  /** Features to tokens. */
  MM_PROJECTOR,
  /** The language model. */
  LLM,
  /** Heads of the first stage that no checkpoint keeps. */
  PROBE,
  /** The words that images are put into, which no checkpoint keeps. */
  WORDS;

  /** Its folder in a checkpoint. */
  String folder() {
    return name().toLowerCase(Locale.ROOT);
  }
}
