// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/** How a model spreads the frames it looks at over a video. */
public enum FrameRule {
  /** VILA 1.0 and 1.5: from the first frame to the last but one, fractions dropped; black frames in front of a short video. */
  TRUNCATED,
  /** NVILA: from the first frame to the last, fractions rounded; the frames of a short video come several times. */
  ROUNDED
}
