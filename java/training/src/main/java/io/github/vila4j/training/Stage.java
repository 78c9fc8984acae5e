// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import java.util.Set;

/**
 * A stage of the recipe.
 *
 * @param kind what it learns from
 * @param parts what it changes
 * @param updates how many steps of the optimizer
 * @param rate the highest learning rate
 * @param text whether conversations without images are mixed in
 * @param fewShot whether few-shot prompts are
 */
record Stage(Kind kind, Set<Part> parts, int updates, double rate, boolean text, boolean fewShot) {
  /** What a stage learns from. */
  enum Kind {
    /** What each patch of an image shows; only the tower. */
    PATCHES,
    /** Images put into words and text without images: every task. */
    LANGUAGE,
    /** What each image token says in words. */
    PROJECTOR,
    /** Documents with images and texts by turns. */
    INTERLEAVED,
    /** Pairs of an image and its caption, in place of documents. */
    PAIRS,
    /** Conversations. */
    TUNING,
    /** Conversations, some about shapes drawn in colours that have no name. */
    TUNING_ON_SHAPES;

    /** Whether a batch is of images without sequences. */
    boolean ofImagesAlone() {
      return this == PATCHES || this == PROJECTOR;
    }
  }
}
