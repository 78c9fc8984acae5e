// SPDX-License-Identifier: Apache-2.0
#include "image/preprocess.h"

#include <algorithm>

#include "common/error.h"
#include "image/decode.h"
#include "image/resize.h"

namespace vila {
namespace {

/// The side of the square that enters the tower, which comes from a checkpoint.
int32_t checked_side(int64_t size) {
  if (size < 1 || size > kMaxImageSide) {
    fail(ErrorCode::invalid_argument, "image size ", size, " of the vision tower, expected 1 to ", kMaxImageSide);
  }
  return static_cast<int32_t>(size);
}

/// The `size` x `size` middle of an image whose shorter side becomes `size`.
Placement middle_of(int32_t image_width, int32_t image_height, int32_t size) {
  const int64_t shorter = std::min(image_width, image_height), longer = std::max(image_width, image_height);
  const int64_t long_side = size * longer / shorter;
  if (long_side > INT32_MAX) {
    fail(ErrorCode::capacity, "image of ", image_width, "x", image_height, " pixels with its shorter side resized to ", size,
         ", expected a longer side of at most ", INT32_MAX);
  }
  const auto resized = static_cast<int32_t>(long_side);
  const int32_t width = image_width < image_height ? size : resized;
  const int32_t height = image_width < image_height ? resized : size;
  return {canvas_alone(image_width, image_height), width, height, {(width - size) / 2, (height - size) / 2, size, size}};
}

RgbImage resize_placed(const RgbImage& image, const Placement& placement) {
  return resize_window(Canvas(image, placement.canvas), placement.width, placement.height, placement.window);
}

}  // namespace

RgbImage pad_to_square(const RgbImage& image, std::array<uint8_t, 3> color) {
  if (image.width == image.height) return image;
  const CanvasShape square = square_canvas(image.width, image.height, color);
  return resize_placed(image, {square, square.width, square.height, {0, 0, square.width, square.height}});
}

RgbImage shortest_edge_crop(const RgbImage& image, int32_t size) {
  return resize_placed(image, middle_of(image.width, image.height, size));
}

std::array<float, 256> normalized_levels(const PreprocessSpec& spec, size_t channel) {
  std::array<float, 256> levels;
  for (size_t i = 0; i < levels.size(); ++i) {
    const auto scaled = static_cast<float>(static_cast<double>(i) * spec.rescale);
    levels[i] = (scaled - spec.mean[channel]) / spec.stddev[channel];
  }
  return levels;
}

std::vector<float> normalize(const RgbImage& image, const PreprocessSpec& spec) {
  const size_t area = static_cast<size_t>(image.width) * static_cast<size_t>(image.height);
  std::vector<float> pixels(3 * area);
  for (size_t c = 0; c < 3; ++c) {
    const std::array<float, 256> level = normalized_levels(spec, c);
    const uint8_t* in = image.data.data() + c;
    float* out = pixels.data() + c * area;
    for (size_t i = 0; i < area; ++i) out[i] = level[in[3 * i]];
  }
  return pixels;
}

Placement placement_of(int32_t width, int32_t height, const PreprocessSpec& spec) {
  const int32_t side = checked_side(spec.size);
  const Window whole{0, 0, side, side};
  switch (spec.fit) {
    case PreprocessSpec::Fit::squash: break;
    case PreprocessSpec::Fit::pad:
      // Resized straight from the canvas: the padded square of a long image need not fit into memory.
      return {square_canvas(width, height, spec.pad_color), side, side, whole};
    case PreprocessSpec::Fit::center_crop: return middle_of(width, height, side);
  }
  return {canvas_alone(width, height), side, side, whole};
}

RgbImage fit_image(const RgbImage& image, const PreprocessSpec& spec) {
  return resize_placed(image, placement_of(image.width, image.height, spec));
}

std::vector<float> preprocess(const RgbImage& image, const PreprocessSpec& spec) { return normalize(fit_image(image, spec), spec); }

}  // namespace vila
