// SPDX-License-Identifier: Apache-2.0
#include "image/multiscale.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "image/encoders.h"
#include "support/npy.h"

namespace vila::testing {
namespace {

Planes noise_planes(int64_t channels, int64_t height, int64_t width) {
  Planes planes{channels, height, width, {}};
  for (const uint16_t value : noise(static_cast<size_t>(channels * height * width), 2001, 7)) {
    planes.data.push_back(static_cast<float>(value) / 1000.0F - 1.0F);
  }
  return planes;
}

/// The value at a fractional position in double precision, straight from the kernel's definition.
double sample(const float* plane, int64_t height, int64_t width, double y, double x) {
  const auto kernel = [](double d) {
    constexpr double a = -0.75;
    d = std::abs(d);
    if (d <= 1) return (a + 2) * d * d * d - (a + 3) * d * d + 1;
    return d < 2 ? a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a : 0.0;
  };
  double sum = 0;
  const auto top = static_cast<int64_t>(std::floor(y)) - 1, left = static_cast<int64_t>(std::floor(x)) - 1;
  for (int64_t j = top; j < top + 4; ++j) {
    for (int64_t i = left; i < left + 4; ++i) {
      const int64_t row = std::clamp<int64_t>(j, 0, height - 1), column = std::clamp<int64_t>(i, 0, width - 1);
      sum += kernel(y - static_cast<double>(j)) * kernel(x - static_cast<double>(i)) * plane[row * width + column];
    }
  }
  return sum;
}

TEST_CASE("interpolate_bicubic agrees with the kernel's definition") {
  const Planes planes = noise_planes(2, 13, 17);
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{13, 17}, {26, 34}, {7, 5}, {40, 3}, {1, 1}, {20, 60}}) {
    const Planes result = interpolate_bicubic(planes, height, width);
    REQUIRE(result.channels == 2);
    REQUIRE(result.height == height);
    REQUIRE(result.width == width);
    std::vector<float> expected;
    for (int64_t c = 0; c < 2; ++c) {
      for (int64_t y = 0; y < height; ++y) {
        for (int64_t x = 0; x < width; ++x) {
          expected.push_back(static_cast<float>(sample(planes.data.data() + c * 13 * 17, 13, 17,
                                                       (static_cast<double>(y) + 0.5) * 13 / static_cast<double>(height) - 0.5,
                                                       (static_cast<double>(x) + 0.5) * 17 / static_cast<double>(width) - 0.5)));
        }
      }
    }
    CHECK(max_abs_difference(result.data, expected) < 1e-5);
  }
}

TEST_CASE("interpolate_bicubic to the same size is a copy; halving takes four fixed weights") {
  const Planes planes = noise_planes(3, 8, 8);
  CHECK(interpolate_bicubic(planes, 8, 8).data == planes.data);
  Planes line{1, 1, 8, {1, 2, 4, 8, 16, 32, 64, 128}};
  // -3/32, 19/32, 19/32, -3/32 around each pair, the border repeated.
  CHECK(interpolate_bicubic(line, 1, 4).data ==
        std::vector<float>{(-3 * 1 + 19 * 1 + 19 * 2 - 3 * 4) / 32.0F, (-3 * 2 + 19 * 4 + 19 * 8 - 3 * 16) / 32.0F,
                           (-3 * 8 + 19 * 16 + 19 * 32 - 3 * 64) / 32.0F, (-3 * 32 + 19 * 64 + 19 * 128 - 3 * 128) / 32.0F});
}

TEST_CASE("split_planes cuts row by row") {
  Planes planes{2, 4, 6, {}};
  for (int i = 0; i < 48; ++i) planes.data.push_back(static_cast<float>(i));
  const std::vector<Planes> crops = split_planes(planes, 2);
  REQUIRE(crops.size() == 4);
  CHECK(crops[0].data == std::vector<float>{0, 1, 2, 6, 7, 8, 24, 25, 26, 30, 31, 32});
  CHECK(crops[1].data == std::vector<float>{3, 4, 5, 9, 10, 11, 27, 28, 29, 33, 34, 35});
  CHECK(crops[2].data == std::vector<float>{12, 13, 14, 18, 19, 20, 36, 37, 38, 42, 43, 44});
  CHECK(crops[3].height == 2);
  CHECK(crops[3].width == 3);
  CHECK(split_planes(planes, 1)[0].data == planes.data);
}

TEST_CASE("multiscale_crops: 1 crop of the small scale, 4 of the large one") {
  const Planes planes = noise_planes(3, 16, 16);
  const std::vector<Planes> crops = multiscale_crops(planes, {8, 16}, 8);
  REQUIRE(crops.size() == 5);
  for (const Planes& crop : crops) {
    CHECK(crop.channels == 3);
    CHECK(crop.height == 8);
    CHECK(crop.width == 8);
  }
  CHECK(crops[0].data == interpolate_bicubic(planes, 8, 8).data);
  const std::vector<Planes> parts = split_planes(planes, 2);
  for (size_t i = 0; i < 4; ++i) CHECK(crops[i + 1].data == parts[i].data);
}

TEST_CASE("pyramids that make no sense are refused") {
  const Planes planes = noise_planes(1, 4, 4);
  CHECK(error_of([&] {
          multiscale_crops(planes, {8, 9}, 8);
        }) == "1:scale 9 split at 8, expected ascending scales, each a whole number of pixels per crop");
  CHECK(error_of([&] {
          multiscale_crops(planes, {8, 8}, 8);
        }) == "1:scale 8 split at 8, expected ascending scales, each a whole number of pixels per crop");
  CHECK(error_of([&] { multiscale_crops(planes, {8}, 0); }) ==
        "1:scale 8 split at 0, expected ascending scales, each a whole number of pixels per crop");
  CHECK(error_of([&] { split_planes(planes, 3); }) == "1:planes of 4x4 split into 3 parts a side");
  CHECK(error_of([&] { interpolate_bicubic(planes, 0, 4); }) == "1:resize to 4x0 pixels, expected sides of 1 to 65500");
  CHECK(error_of([] { interpolate_bicubic({1, 2, 2, {1, 2, 3}}, 4, 4); }) == "1:planes of [1,2,2] with 3 values");
}

}  // namespace
}  // namespace vila::testing
