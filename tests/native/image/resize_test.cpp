// SPDX-License-Identifier: Apache-2.0
#include "image/resize.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "image/encoders.h"
#include "support/npy.h"

namespace vila::testing {
namespace {

/// One axis the slow way: `in` values that are `step` apart.
std::vector<uint8_t> resize_line(const uint8_t* in, size_t step, int in_size, int out_size) {
  const auto kernel = [](double x) {
    x = std::abs(x);
    if (x < 1) return ((-0.5 + 2) * x - (-0.5 + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0.0;
  };
  const double scale = static_cast<double>(in_size) / out_size, stretch = std::max(1.0, scale);
  std::vector<uint8_t> out;
  for (int i = 0; i < out_size; ++i) {
    const double center = (i + 0.5) * scale;
    const int begin = std::max(0, static_cast<int>(center - 2 * stretch + 0.5));
    const int end = std::min(in_size, static_cast<int>(center + 2 * stretch + 0.5));
    double total = 0;
    for (int j = begin; j < end; ++j) total += kernel((j - center + 0.5) * (1 / stretch));
    int64_t sum = 1 << 21;
    for (int j = begin; j < end; ++j) {
      const double weight = kernel((j - center + 0.5) * (1 / stretch)) / total * (1 << 22);
      sum += static_cast<int64_t>(weight + (weight < 0 ? -0.5 : 0.5)) * in[static_cast<size_t>(j) * step];
    }
    out.push_back(static_cast<uint8_t>(std::clamp<int64_t>(sum >> 22, 0, 255)));
  }
  return out;
}

/// The whole image the slow way: rows, then columns; an axis that keeps its size is left alone.
RgbImage resize_slowly(const RgbImage& image, int width, int height) {
  RgbImage wide{width, image.height, std::vector<uint8_t>(static_cast<size_t>(width * image.height * 3))};
  for (int y = 0; y < image.height; ++y) {
    for (int c = 0; c < 3; ++c) {
      const std::vector<uint8_t> line = resize_line(image.data.data() + y * image.width * 3 + c, 3, image.width, width);
      for (int x = 0; x < width; ++x) wide.data[static_cast<size_t>((y * width + x) * 3 + c)] = line[static_cast<size_t>(x)];
    }
  }
  if (width == image.width) wide = image;
  if (height == image.height) return wide;
  RgbImage result{width, height, std::vector<uint8_t>(static_cast<size_t>(width * height * 3))};
  for (int x = 0; x < width * 3; ++x) {
    const std::vector<uint8_t> line = resize_line(wide.data.data() + x, static_cast<size_t>(width) * 3, wide.height, height);
    for (int y = 0; y < height; ++y) result.data[static_cast<size_t>(y * width * 3 + x)] = line[static_cast<size_t>(y)];
  }
  return result;
}

TEST_CASE("resize agrees with the definition for random sizes") {
  const std::vector<uint16_t> sizes = noise(400, 60, 11);
  for (size_t i = 0; i + 3 < sizes.size(); i += 4) {
    const int32_t width = sizes[i] + 1, height = sizes[i + 1] + 1, out_width = sizes[i + 2] + 1, out_height = sizes[i + 3] + 1;
    RgbImage image = noise_image(width, height, static_cast<uint32_t>(i));
    if (i % 8 == 0) {
      for (uint8_t& value : image.data) value = value < 128 ? 0 : 255;  // overshoots, which must be clipped
    }
    CAPTURE(width);
    CAPTURE(height);
    CAPTURE(out_width);
    CAPTURE(out_height);
    CHECK(resize_bicubic(image, out_width, out_height).data == resize_slowly(image, out_width, out_height).data);
  }
}

TEST_CASE("resize agrees with the definition at extreme ratios") {
  for (const auto& [width, height, out_width, out_height] : {std::array{1, 1, 50, 40},
                                                             {2, 1, 1, 1},
                                                             {20000, 1, 1, 2},
                                                             {65500, 1, 3, 1},
                                                             {1, 65500, 2, 3},
                                                             {3, 700, 5, 2},
                                                             {5, 3, 1200, 1}}) {
    const RgbImage image = noise_image(width, height, 4);
    CAPTURE(width);
    CAPTURE(height);
    CHECK(resize_bicubic(image, out_width, out_height).data == resize_slowly(image, out_width, out_height).data);
  }
}

TEST_CASE("resize in strips of columns, where the horizontal pass would take much memory") {
  const RgbImage image = noise_image(3, 60000, 5);
  const RgbImage whole = resize_bicubic(image, 500, 2);  // 372 columns at a time
  for (const int32_t left : {0, 250}) {
    const RgbImage part = resize_window(Canvas(image), 500, 2, {left, 0, 250, 2});
    for (int y = 0; y < 2; ++y) {
      const auto row = whole.data.begin() + (y * 500 + left) * 3;
      CHECK(std::equal(row, row + 750, part.data.begin() + y * 750));
    }
  }
}

TEST_CASE("resize to the same size is a copy, of a constant image constant") {
  const RgbImage image = noise_image(31, 17, 1);
  CHECK(resize_bicubic(image, 31, 17).data == image.data);
  for (const int level : {0, 1, 127, 254, 255}) {
    const RgbImage flat{37, 23, std::vector<uint8_t>(37 * 23 * 3, static_cast<uint8_t>(level))};
    for (const auto& [width, height] : {std::pair{100, 90}, {36, 24}, {5, 200}, {1, 1}}) {
      const RgbImage result = resize_bicubic(flat, width, height);
      CHECK(std::all_of(result.data.begin(), result.data.end(), [level = level](uint8_t value) { return value == level; }));
    }
  }
}

TEST_CASE("resize is its horizontal pass, then its vertical pass") {
  const RgbImage image = noise_image(41, 29, 2);
  for (const auto& [width, height] : {std::pair{100, 90}, {13, 11}, {60, 7}, {9, 80}}) {
    CHECK(resize_bicubic(image, width, height).data == resize_bicubic(resize_bicubic(image, width, 29), width, height).data);
  }
}

TEST_CASE("resize of a mirrored image is mirrored within one level") {
  const RgbImage image = noise_image(40, 1, 3);
  RgbImage mirrored = image;
  for (size_t x = 0; x < 40; ++x)
    std::copy_n(image.data.begin() + static_cast<ptrdiff_t>(3 * x), 3,
                mirrored.data.begin() + static_cast<ptrdiff_t>(3 * (39 - x)));
  const RgbImage a = resize_bicubic(image, 17, 1), b = resize_bicubic(mirrored, 17, 1);
  for (size_t x = 0; x < 17; ++x) {
    for (size_t c = 0; c < 3; ++c) CHECK(std::abs(a.data[3 * x + c] - b.data[3 * (16 - x) + c]) <= 1);
  }
}

TEST_CASE("a window of the result is that part of the whole result") {
  const RgbImage image = noise_image(41, 29, 2);
  for (const auto& [width, height] : {std::pair{100, 90}, {20, 15}, {41, 90}, {100, 29}, {41, 29}}) {
    const RgbImage whole = resize_bicubic(image, width, height);
    const Window window{width / 3, height / 4, width / 2, height / 2};
    const RgbImage part = resize_window(Canvas(image), width, height, window);
    REQUIRE(part.width == window.width);
    REQUIRE(part.height == window.height);
    for (int y = 0; y < window.height; ++y) {
      const auto row = whole.data.begin() + ((window.y + y) * width + window.x) * 3;
      CHECK(std::equal(row, row + window.width * 3, part.data.begin() + y * window.width * 3));
    }
  }
}

}  // namespace
}  // namespace vila::testing
