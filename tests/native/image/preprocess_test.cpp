// SPDX-License-Identifier: Apache-2.0
#include "image/preprocess.h"

#include <doctest/doctest.h>

#include "image/encoders.h"
#include "support/npy.h"

namespace vila::testing {
namespace {

std::array<uint8_t, 3> pixel(const RgbImage& image, int x, int y) {
  const auto at = static_cast<size_t>((y * image.width + x) * 3);
  return {image.data[at], image.data[at + 1], image.data[at + 2]};
}

TEST_CASE("pad_to_square puts the image in the middle, rounded towards top and left") {
  const std::array<uint8_t, 3> color = {122, 116, 104};
  const RgbImage wide = noise_image(7, 4, 1);
  const RgbImage square = pad_to_square(wide, color);
  REQUIRE(square.width == 7);
  REQUIRE(square.height == 7);
  for (int y = 0; y < 7; ++y) {
    for (int x = 0; x < 7; ++x) CHECK(pixel(square, x, y) == (y < 1 || y >= 5 ? color : pixel(wide, x, y - 1)));
  }
  const RgbImage tall = noise_image(3, 8, 1);
  const RgbImage other = pad_to_square(tall, color);
  REQUIRE(other.width == 8);
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 8; ++x) CHECK(pixel(other, x, y) == (x < 2 || x >= 5 ? color : pixel(tall, x - 2, y)));
  }
  CHECK(pad_to_square(noise_image(5, 5, 1), color).data == noise_image(5, 5, 1).data);
  CHECK(error_of([&] { pad_to_square(noise_image(65500, 1, 1), color); }) ==
        "6:resize to 65500x65500 pixels, expected at most 268435456 in all");
}

TEST_CASE("fit pad is pad_to_square and resize, without the square in memory") {
  PreprocessSpec spec;
  spec.fit = PreprocessSpec::Fit::pad;
  spec.size = 30;
  spec.pad_color = {122, 116, 104};
  for (const auto& [width, height] : {std::pair{41, 29}, {29, 41}, {10, 3}, {3, 10}, {30, 29}, {12, 12}}) {
    const RgbImage image = noise_image(width, height, 1);
    CHECK(fit_image(image, spec).data == resize_bicubic(pad_to_square(image, spec.pad_color), 30, 30).data);
  }
  const RgbImage line = fit_image(noise_image(65500, 1, 1), spec);  // its square would take 12 GB
  CHECK(pixel(line, 15, 3) == spec.pad_color);
}

TEST_CASE("shortest_edge_crop resizes the shorter edge, truncates the longer and crops the middle") {
  // 50x33 to a shorter edge of 20: 30.3 is truncated to 30; the crop starts at (30-20)/2.
  const RgbImage wide = noise_image(50, 33, 1);
  const RgbImage resized = resize_bicubic(wide, 30, 20);
  const RgbImage crop = shortest_edge_crop(wide, 20);
  REQUIRE(crop.width == 20);
  REQUIRE(crop.height == 20);
  for (int y = 0; y < 20; ++y) {
    for (int x = 0; x < 20; ++x) REQUIRE(pixel(crop, x, y) == pixel(resized, x + 5, y));
  }
  // 33x51 to 20: 30.9 is truncated to 30.
  const RgbImage tall = noise_image(33, 51, 1);
  const RgbImage tall_resized = resize_bicubic(tall, 20, 30);
  const RgbImage tall_crop = shortest_edge_crop(tall, 20);
  for (int y = 0; y < 20; ++y) {
    for (int x = 0; x < 20; ++x) REQUIRE(pixel(tall_crop, x, y) == pixel(tall_resized, x, y + 5));
  }
  CHECK(shortest_edge_crop(noise_image(65500, 1, 1), 336).width == 336);  // 22 million columns, only 336 of them computed
}

TEST_CASE("normalize orders channel, row, column and rounds as float32") {
  PreprocessSpec spec;
  spec.mean = {0.5F, 0.25F, 0.0F};
  spec.stddev = {0.5F, 0.5F, 2.0F};
  const RgbImage image{2, 1, {0, 255, 51, 255, 0, 102}};
  const std::vector<float> pixels = normalize(image, spec);
  CHECK(pixels == std::vector<float>{-1.0F, 1.0F, 1.5F, -0.5F, 0.1F, 0.2F});
}

TEST_CASE("a vision tower of an impossible size is refused") {
  PreprocessSpec spec;
  const RgbImage image = noise_image(4, 3, 1);
  spec.size = 0;
  CHECK(error_of([&] { fit_image(image, spec); }) == "1:image size 0 of the vision tower, expected 1 to 65500");
  spec.size = 65501;
  CHECK(error_of([&] { fit_image(image, spec); }) == "1:image size 65501 of the vision tower, expected 1 to 65500");
}

}  // namespace
}  // namespace vila::testing
