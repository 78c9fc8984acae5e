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

}  // namespace

RgbImage pad_to_square(const RgbImage& image, std::array<uint8_t, 3> color) {
  if (image.width == image.height) return image;
  const Canvas canvas(image, color);
  return resize_window(canvas, canvas.width, canvas.height, {0, 0, canvas.width, canvas.height});
}

RgbImage shortest_edge_crop(const RgbImage& image, int32_t size) {
  const int64_t shorter = std::min(image.width, image.height), longer = std::max(image.width, image.height);
  const int64_t long_side = size * longer / shorter;
  if (long_side > INT32_MAX) {
    fail(ErrorCode::capacity, "image of ", image.width, "x", image.height, " pixels with its shorter side resized to ", size,
         ", expected a longer side of at most ", INT32_MAX);
  }
  const auto resized = static_cast<int32_t>(long_side);
  const int32_t width = image.width < image.height ? size : resized;
  const int32_t height = image.width < image.height ? resized : size;
  return resize_window(Canvas(image), width, height, {(width - size) / 2, (height - size) / 2, size, size});
}

std::vector<float> normalize(const RgbImage& image, const PreprocessSpec& spec) {
  const size_t area = static_cast<size_t>(image.width) * static_cast<size_t>(image.height);
  std::vector<float> pixels(3 * area);
  for (size_t c = 0; c < 3; ++c) {
    std::array<float, 256> level;
    for (size_t i = 0; i < level.size(); ++i) {
      const auto scaled = static_cast<float>(static_cast<double>(i) * spec.rescale);
      level[i] = (scaled - spec.mean[c]) / spec.stddev[c];
    }
    const uint8_t* in = image.data.data() + c;
    float* out = pixels.data() + c * area;
    for (size_t i = 0; i < area; ++i) out[i] = level[in[3 * i]];
  }
  return pixels;
}

RgbImage fit_image(const RgbImage& image, const PreprocessSpec& spec) {
  const int32_t side = checked_side(spec.size);
  switch (spec.fit) {
    case PreprocessSpec::Fit::squash: break;
    case PreprocessSpec::Fit::pad:
      // Resized straight from the canvas: the padded square of a long image need not fit into memory.
      return resize_window(Canvas(image, spec.pad_color), side, side, {0, 0, side, side});
    case PreprocessSpec::Fit::center_crop: return shortest_edge_crop(image, side);
  }
  return resize_bicubic(image, side, side);
}

std::vector<float> preprocess(const RgbImage& image, const PreprocessSpec& spec) { return normalize(fit_image(image, spec), spec); }

}  // namespace vila
