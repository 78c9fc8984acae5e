// SPDX-License-Identifier: Apache-2.0
// From an image to the tokens that enter the language model.
#pragma once

#include <vector>

#include "checkpoint/model_spec.h"
#include "image/preprocess.h"
#include "plan/plan.h"
#include "session/feature_map.h"
#include "session/image_cache.h"

namespace vila {

/// An image as it enters a prompt. Models with dynamic_s2 look closer at an image that is alone in its prompt.
struct ImageView {
  Image image;
  bool close = false;               ///< cut into tiles at several scales; otherwise one square
};

/// Runs preprocessing, vision plan and projector plan. Any number of threads.
class VisionEncoder {
 public:
  /// `cache_bytes` bounds the cache of image tokens.
  VisionEncoder(const ModelSpec& spec, plan::Plan& vision, plan::Plan& projector, int64_t cache_bytes);

  /// Number of tokens of a view; cheap.
  int64_t token_count(const ImageView& view) const;
  /// Identifies the tokens of a view: its image's content and how it is looked at.
  static Hash128 key(const ImageView& view);
  /// The view's tokens, from the cache when they are there. Throws cancelled when `stop` is raised.
  ImageTokens encode(const ImageView& view, plan::StopSource* stop);
  /// Every stage of one image as one square (untiled); the cache is left alone. With multi-scale features, vision_features are the
  /// merged ones.
  EncodedImage inspect(const RgbImage& image);
  /// The same from pixel values [1,3,S,S], S being PreprocessSpec::size. Throws invalid_argument for another number of values.
  EncodedImage inspect(const std::vector<float>& pixel_values);

  /// Every stage of an image that is alone in its prompt, as tiles; see Model::encode_tiles. The cache is left alone.
  EncodedImage inspect_tiles(const RgbImage& image);

  ImageCache& cache() { return cache_; }

 private:
  /// One crop [3,image,image] through the tower: float32 [tokens, channels].
  std::vector<float> tower(const std::vector<float>& pixels, plan::StopSource* stop);
  /// The same as a map; towers whose tokens form a grid.
  FeatureMap tower_map(const std::vector<float>& pixels, plan::StopSource* stop);
  /// One block of features through the projector.
  std::vector<float> project(const std::vector<float>& features, plan::StopSource* stop);
  /// What enters the projector for one square of pixels, multi-scale or not.
  std::vector<float> square_features(const std::vector<float>& pixels, plan::StopSource* stop);
  /// The tokens of an image in tiles at several scales; with `stages`, writes down what led to them.
  std::vector<float> close_tokens(const RgbImage& image, plan::StopSource* stop, EncodedImage* stages = nullptr);

  const ModelSpec& spec_;
  plan::Plan& vision_;
  plan::Plan& projector_;
  ImageCache cache_;
};

}  // namespace vila
