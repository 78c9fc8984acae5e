// SPDX-License-Identifier: Apache-2.0
// From an image to the tokens that enter the language model.
#pragma once

#include <vector>

#include "checkpoint/model_spec.h"
#include "image/preprocess.h"
#include "plan/plan.h"
#include "session/image_cache.h"

namespace vila {

/// Runs preprocessing, vision plan and projector plan. Any number of threads.
class VisionEncoder {
 public:
  /// `cache_bytes` bounds the cache of image tokens.
  VisionEncoder(const ModelSpec& spec, plan::Plan& vision, plan::Plan& projector, int64_t cache_bytes);

  /// The image's tokens, from the cache when they are there. Throws cancelled when `stop` is raised.
  ImageTokens encode(const Image::Impl& image, plan::StopSource* stop);
  /// Every stage of one untiled image; the cache is left alone.
  EncodedImage inspect(const RgbImage& image);
  /// The same from pixel values [1,3,S,S]. Throws invalid_argument for another number of values.
  EncodedImage inspect(const std::vector<float>& pixel_values);

  ImageCache& cache() { return cache_; }

 private:
  /// float32 [tokens of the tower, channels] of one crop.
  std::vector<float> features(const std::vector<float>& pixels, plan::StopSource* stop);
  std::vector<float> project(const std::vector<float>& features, plan::StopSource* stop);

  const ModelSpec& spec_;
  plan::Plan& vision_;
  plan::Plan& projector_;
  ImageCache cache_;
};

}  // namespace vila
