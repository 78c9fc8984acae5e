// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

/**
 * The sizes of a model in the VILA1.5 layout: a SigLIP tower, mlp_downsample, Llama with grouped queries.
 *
 * @param imageSize pixels on a side; {@code imageSize / patch} is even
 * @param patch pixels on a side of a patch
 * @param visionHidden width of the tower
 * @param visionHeads its attention heads
 * @param visionFfn width of its feed-forward layers
 * @param visionLayers its blocks; the last is never run, because features are taken before it
 * @param hidden width of the language model
 * @param layers its blocks
 * @param heads its query heads
 * @param kvHeads its key and value heads
 * @param headDim the width of each
 * @param ffn width of its feed-forward layers
 * @param vocab ids
 */
public record ModelShape(
    int imageSize, int patch, int visionHidden, int visionHeads, int visionFfn, int visionLayers, int hidden, int layers, int heads,
    int kvHeads, int headDim, int ffn, int vocab) {
  /** The most positions of a sequence. */
  public static final int MAX_POSITIONS = 1024;
  /** The base of the rotary angles. */
  public static final double ROPE_THETA = 500000;
  /** Epsilon of the language model's norms. */
  public static final double RMS_EPS = 1e-5;
  /** Epsilon of the tower's norms. */
  public static final double VISION_EPS = 1e-6;
  /** Epsilon of the projector's norm. */
  public static final double PROJECTOR_EPS = 1e-5;

  /**
   * The demo model.
   *
   * @param vocab ids of its tokenizer
   * @return its sizes
   */
  public static ModelShape demo(int vocab) {
    return new ModelShape(112, 14, 128, 4, 256, 7, 160, 8, 6, 3, 32, 480, vocab);
  }

  /**
   * A model for the ablations and the tests.
   *
   * @param vocab ids of its tokenizer
   * @return its sizes
   */
  public static ModelShape small(int vocab) {
    return new ModelShape(112, 14, 96, 3, 192, 4, 160, 6, 6, 3, 32, 320, vocab);
  }

  /** Patches on a side. */
  int grid() {
    return imageSize / patch;
  }

  /** Features per image. */
  int patches() {
    return grid() * grid();
  }

  /** Numbers of a patch. */
  int patchValues() {
    return 3 * patch * patch;
  }

  /** Tokens per image. */
  int imageTokens() {
    return patches() / 4;
  }

  /** The tower's blocks that are run. */
  int visionRun() {
    return visionLayers - 1;
  }
}
