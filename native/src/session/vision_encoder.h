// SPDX-License-Identifier: Apache-2.0
// From an image to the tokens that enter the language model.
#pragma once

#include <array>
#include <vector>

#include "checkpoint/model_spec.h"
#include "image/preprocess.h"
#include "image/resize.h"
#include "plan/image_plan.h"
#include "plan/plan.h"
#include "session/feature_map.h"
#include "session/image_cache.h"

namespace vila {

/// An image as it enters a prompt. Models with dynamic_s2 look closer at an image that is alone in its prompt.
struct ImageView {
  Image image;
  bool close = false;               ///< cut into tiles at several scales; otherwise one square
  int32_t tile = -1;                ///< with dynamic tiles: which of the image's (image/tiling.h); -1: all of it
};

/// Runs preprocessing, vision plan and projector plan. Any number of threads. Where the vision plan is one of images
/// (plan/image_plan.h) it resizes and normalises them itself. Two things stay on the host: images of the host of more than
/// kMostUploaded bytes, which are resized there, and the pyramid of VILA1.5-3b-s2, which interpolates the float32 pixels of the
/// square.
class VisionEncoder {
 public:
  /// `cache_bytes` bounds the cache of image tokens.
  VisionEncoder(const ModelSpec& spec, plan::Plan& vision, plan::Plan& projector, int64_t cache_bytes);

  /// The largest image of the host that is copied to a device as it is: what the copy there takes of the device's memory.
  static constexpr size_t kMostUploaded = 64 << 20;

  /// Throws unsupported for an image on a device unless the vision plan is one of images.
  void check(const Image& image) const;
  /// Number of tokens of a view; cheap.
  int64_t token_count(const ImageView& view) const;
  /// Identifies the tokens of a view: its image's content and how it is looked at.
  static Hash128 key(const ImageView& view);
  /// The view's tokens, from the cache when they are there; threads that ask for the same at once encode it once. Throws cancelled
  /// when `stop` is raised.
  ImageTokens encode(const ImageView& view, plan::StopSource* stop);
  /// Every stage of one image as one square (untiled); the cache is left alone. With multi-scale features, vision_features are the
  /// merged ones.
  EncodedImage inspect(const Image& image);
  /// The same from pixel values [1,3,S,S], S being PreprocessSpec::size. Throws invalid_argument for another number of values.
  EncodedImage inspect(const std::vector<float>& pixel_values);

  /// Every stage of an image that is alone in its prompt, as tiles; see Model::encode_tiles. The cache is left alone.
  EncodedImage inspect_tiles(const Image& image);

  ImageCache& cache() { return cache_; }

 private:
  /// What enters the tower: a window of an image, or, without an image, pixels [3,S,S].
  struct Crop {
    const Image* image = nullptr;
    Placement placement;
    std::vector<float> pixels;
  };
  /// Where the tiles of an image lie, all grids one behind the other.
  std::vector<Placement> tiles_of(const Image& image) const;
  Crop square_of(const Image& image) const;
  EncodedImage inspect(const Crop& crop);
  /// The plan that makes the pixels of this image, or null where the host does.
  plan::ImagePlan* maker_of(const Image& image) const;
  plan::ImageSource source_of(const Crop& crop) const;
  std::vector<float> pixels_of(const Crop& crop, plan::StopSource* stop);
  /// One crop of the tower's size through the tower: float32 [tokens, channels]. Its pixels are appended to `pixels`, unless null.
  std::vector<float> tower(const Crop& crop, plan::StopSource* stop, std::vector<float>* pixels = nullptr);
  /// The same as a map; towers whose tokens form a grid.
  FeatureMap tower_map(const Crop& crop, plan::StopSource* stop, std::vector<float>* pixels = nullptr);
  /// One block of features through the projector.
  std::vector<float> project(const std::vector<float>& features, plan::StopSource* stop);
  /// What enters the projector for one square of pixels, multi-scale or not.
  std::vector<float> square_features(const Crop& crop, plan::StopSource* stop, std::vector<float>* pixels = nullptr);
  /// The tokens of an image in tiles at several scales; with `stages`, writes down what led to them.
  std::vector<float> close_tokens(const Image& image, plan::StopSource* stop, EncodedImage* stages = nullptr);

  const ModelSpec& spec_;
  plan::Plan& vision_;
  plan::Plan& projector_;
  const std::array<std::array<float, 256>, 3> levels_;
  ImageCache cache_;
};

}  // namespace vila
