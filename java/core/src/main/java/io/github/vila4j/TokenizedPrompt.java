// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import java.util.ArrayList;
import java.util.List;

/** A prompt as the model sees it. Immutable. */
public final class TokenizedPrompt {
  private final String text;
  private final int[] inputIds;
  private final int sequenceLength;
  private final List<ImageSpan> imageSpans;

  TokenizedPrompt(io.github.vila4j.internal.TokenizedPrompt prompt) {
    text = Text.take(prompt.text());
    inputIds = NativeArrays.take(prompt.input_ids());
    sequenceLength = prompt.sequence_length();
    int[] pairs = NativeArrays.take(prompt.image_spans());
    List<ImageSpan> spans = new ArrayList<>();
    for (int i = 0; i + 1 < pairs.length; i += 2) {
      spans.add(new ImageSpan(pairs[i], pairs[i + 1]));
    }
    imageSpans = List.copyOf(spans);
  }

  /**
   * The turns in their template, {@code <image>} marking each image.
   *
   * @return the text up to where the answer starts
   */
  public String text() {
    return text;
  }

  /**
   * The ids of the text, one placeholder id per image. NVILA's line end behind each image is in the sequence, but not among them.
   *
   * @return a copy
   */
  public int[] inputIds() {
    return inputIds.clone();
  }

  /**
   * The number of positions once image tokens replace the placeholders.
   *
   * @return at least the number of ids
   */
  public int sequenceLength() {
    return sequenceLength;
  }

  /**
   * Where each image lies in that sequence.
   *
   * @return in the images' order
   */
  public List<ImageSpan> imageSpans() {
    return imageSpans;
  }
}
