// SPDX-License-Identifier: Apache-2.0
// Resizing and normalising on the device, bit for bit against the CPU path.
#include "cuda/image_resize.h"

#include <array>
#include <random>

#include "common/rounding.h"
#include "cuda/device.h"
#include "image/tiling.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

RgbImage random_image(int32_t width, int32_t height, std::mt19937& random) {
  RgbImage image{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * static_cast<size_t>(height) * 3)};
  const bool extreme = random() % 2 == 0;  // overshoots, which must be clipped
  for (uint8_t& value : image.data) value = static_cast<uint8_t>(extreme ? 255 * (random() % 2) : random() % 256);
  return image;
}

/// The image with `padding` bytes behind each row.
std::vector<uint8_t> padded_rows(const RgbImage& image, size_t padding) {
  const size_t row = static_cast<size_t>(image.width) * 3;
  std::vector<uint8_t> bytes;
  for (size_t y = 0; y < static_cast<size_t>(image.height); ++y) {
    bytes.insert(bytes.end(), image.data.begin() + static_cast<ptrdiff_t>(y * row),
                 image.data.begin() + static_cast<ptrdiff_t>((y + 1) * row));
    bytes.insert(bytes.end(), padding, 99);
  }
  return bytes;
}

std::vector<uint8_t> resized(const RgbImage& image, const Placement& placement, size_t padding) {
  const cuda::ResizePlan plan(image.width, image.height, placement);
  const DeviceArray<uint8_t> rgb(padded_rows(image, padding));
  const DeviceArray<int32_t> tables(plan.tables());
  const DeviceArray<uint8_t> workspace(plan.workspace_bytes()), result(plan.result_bytes());
  const int64_t stride = int64_t{3} * image.width + static_cast<int64_t>(padding);
  cuda::resize_image(plan, {rgb.get(), image.width, image.height, stride}, tables.get(), workspace.get(), result.get(), nullptr);
  return result.read();
}

PreprocessSpec spec_of(PreprocessSpec::Fit fit, int64_t size) {
  PreprocessSpec spec;
  spec.fit = fit;
  spec.size = size;
  spec.pad_color = {122, 116, 104};
  spec.mean = {0.48145466F, 0.4578275F, 0.40821073F};
  spec.stddev = {0.26862954F, 0.26130258F, 0.27577711F};
  return spec;
}

}  // namespace

TEST_CASE("images of odd sizes, every fit: the same bytes and the same float32") {
  constexpr uint32_t kSeed = 5;
  INFO("seed " << kSeed);
  std::mt19937 random(kSeed);
  for (const auto& [width, height, size] :
       {std::array{1, 1, 5}, {7, 3, 11}, {3, 131, 17}, {61, 61, 61}, {97, 53, 29}, {201, 150, 33}}) {
    for (const auto fit : {PreprocessSpec::Fit::squash, PreprocessSpec::Fit::pad, PreprocessSpec::Fit::center_crop}) {
      CAPTURE(width);
      CAPTURE(height);
      CAPTURE(static_cast<int>(fit));
      const RgbImage image = random_image(width, height, random);
      const PreprocessSpec spec = spec_of(fit, size);
      const std::vector<uint8_t> bytes = resized(image, placement_of(width, height, spec), random() % 5);
      REQUIRE(bytes == fit_image(image, spec).data);

      const DeviceArray<uint8_t> square(bytes);
      const DeviceArray<float> pixels(bytes.size());
      cuda::normalize_pixels({square.get(), size, size, int64_t{3} * size}, cuda::pixel_levels(spec), 1, 1, DType::f32,
                             pixels.get(), nullptr);
      REQUIRE(pixels.read() == preprocess(image, spec));
    }
  }
}

TEST_CASE("a window of a result that is never made as a whole, one axis kept") {
  std::mt19937 random(6);
  const RgbImage image = random_image(57, 40, random);
  for (const Placement& placement :
       {Placement{canvas_alone(57, 40), 300, 40, {101, 7, 64, 21}}, Placement{canvas_alone(57, 40), 57, 11, {5, 2, 50, 9}},
        Placement{square_canvas(57, 40, {1, 2, 3}), 23, 190, {3, 100, 19, 31}}}) {
    const RgbImage expected = resize_window(Canvas(image, placement.canvas), placement.width, placement.height, placement.window);
    CHECK(resized(image, placement, 0) == expected.data);
  }
}

TEST_CASE("tiles in fp32, fp16 and bf16") {
  std::mt19937 random(7);
  constexpr int32_t kTile = 13, kColumns = 3, kRows = 2;
  const RgbImage image = random_image(50, 41, random);
  TilePlan plan;
  plan.tile = kTile;
  plan.grids = {{kColumns, kRows}};
  const PreprocessSpec spec = spec_of(PreprocessSpec::Fit::squash, kTile);
  std::vector<float> expected;
  for (const RgbImage& tile : cut_tiles(image, plan)) {
    const std::vector<float> pixels = normalize(tile, spec);
    expected.insert(expected.end(), pixels.begin(), pixels.end());
  }
  const Placement whole{canvas_alone(50, 41), kTile * kColumns, kTile * kRows, {0, 0, kTile * kColumns, kTile * kRows}};
  const DeviceArray<uint8_t> rgb(resized(image, whole, 2));
  const cuda::DeviceImage squeezed{rgb.get(), whole.width, whole.height, int64_t{3} * whole.width};
  const DeviceArray<float> f32(expected.size());
  const DeviceArray<uint16_t> f16(expected.size()), bf16(expected.size());
  const cuda::PixelLevels levels = cuda::pixel_levels(spec);
  cuda::normalize_pixels(squeezed, levels, kColumns, kRows, DType::f32, f32.get(), nullptr);
  cuda::normalize_pixels(squeezed, levels, kColumns, kRows, DType::f16, f16.get(), nullptr);
  cuda::normalize_pixels(squeezed, levels, kColumns, kRows, DType::bf16, bf16.get(), nullptr);
  CHECK(f32.read() == expected);
  std::vector<uint16_t> halves, brains;
  for (const float value : expected) {
    halves.push_back(to_f16(value));
    brains.push_back(to_bf16(value));
  }
  CHECK(f16.read() == halves);
  CHECK(bf16.read() == brains);
}

TEST_CASE("bad arguments of images, with the exact message") {
  const Placement placement{canvas_alone(4, 3), 2, 2, {0, 0, 2, 2}};
  CHECK(error_of([&] { cuda::ResizePlan(5, 3, placement); }) ==
        "1:resize_image: image of 5x3 pixels at 0,0, expected it inside the canvas of 4x3 with sides of at most 65500");
  CHECK(error_of([&] {
          cuda::ResizePlan(4, 3, {canvas_alone(4, 3), 2, 2, {1, 0, 2, 2}});
        }) == "1:resize_image: window of 2x2 pixels at 1,0, expected it inside the result of 2x2 with sides of at most 65500");
  const cuda::ResizePlan plan(4, 3, placement);
  const DeviceArray<uint8_t> bytes(64);
  const DeviceArray<int32_t> tables(plan.tables());
  const auto run = [&](const cuda::DeviceImage& image) {
    return error_of([&] { cuda::resize_image(plan, image, tables.get(), bytes.get(), bytes.get(), nullptr); });
  };
  CHECK(run({nullptr, 4, 3, 12}) == "1:resize_columns: image is null, expected device memory");
  CHECK(run({bytes.get(), 4, 3, 11}) == "1:resize_columns: image stride is 11, expected at least 3 bytes per pixel of a row");
  CHECK(run({bytes.get(), 3, 3, 9}) == "1:resize_columns: image width is 3, expected that of the plan");
  const auto cut = [&](int32_t columns, DType type) {
    return error_of([&] { cuda::normalize_pixels({bytes.get(), 4, 3, 12}, {}, columns, 1, type, bytes.get(), nullptr); });
  };
  CHECK(cut(3, DType::f32) == "1:normalize_pixels: columns is 3, expected a divisor of the image's width");
  CHECK(cut(2, DType::i32) == "1:normalize_pixels: type is int32, expected fp32, fp16 or bf16");
}
