// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/**
 * The stages of one image as numbers, for comparison with other implementations. Shapes are those of one square; for tiles see
 * {@link VilaModel#encodeTiles}.
 *
 * @param pixelValues {@code [1,3,H,W]}: what enters the vision tower
 * @param visionFeatures {@code [1,N,C]}: the features of the tower that are used
 * @param projected {@code [1,M,D]}: the image tokens in the order in which they enter the language model
 */
public record EncodedImage(FloatTensor pixelValues, FloatTensor visionFeatures, FloatTensor projected) {
  static EncodedImage of(io.github.vila4j.internal.EncodedImage image) {
    return new EncodedImage(
        new FloatTensor(NativeArrays.take(image.pixel_shape()), NativeArrays.take(image.pixel_values())),
        new FloatTensor(NativeArrays.take(image.feature_shape()), NativeArrays.take(image.vision_features())),
        new FloatTensor(NativeArrays.take(image.projected_shape()), NativeArrays.take(image.projected())));
  }
}
