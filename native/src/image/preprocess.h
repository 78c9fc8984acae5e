// SPDX-License-Identifier: Apache-2.0
// Bytes to RGB, RGB to the float pixels a vision tower takes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/model_spec.h"
#include "common/hash.h"
#include "common/live_count.h"
#include "vila/vila.h"

namespace vila {

/// An RGB image by value. data.size() == width*height*3.
struct RgbImage {
  int32_t width = 0, height = 0;
  std::vector<uint8_t> data;
};

/// Pixels of a caller in a device's memory.
struct DevicePixels {
  const void* rgb = nullptr;        ///< null: there are none
  int32_t width = 0, height = 0;
  int64_t stride = 0;               ///< bytes from row to row
  void* stream = nullptr;           ///< a cudaStream_t
};

struct Image::Impl {
  RgbImage rgb;                     ///< empty for pixels on a device
  DevicePixels device;
  Hash128 hash;                     ///< of size and pixels, or of size and key
  LiveCount<LiveType::image> live;
};

/// Decodes JPEG, PNG, WebP as Pillow's convert("RGB"). Throws bad_file, unsupported, capacity with `name`; std::bad_alloc.
RgbImage decode_image(const uint8_t* bytes, size_t size, const std::string& name);
/// Pillow's bicubic Image.resize, bit-exact. Sizes are 1 .. 65500 (invalid_argument otherwise) and at most 1<<28 pixels in all
/// (capacity otherwise).
RgbImage resize_bicubic(const RgbImage& image, int32_t width, int32_t height);
/// To a square with the image in the middle (floor), the rest in `color`. Throws capacity for a square over 1<<28 pixels.
RgbImage pad_to_square(const RgbImage& image, std::array<uint8_t, 3> color);
/// The `size` x `size` middle after the shortest edge was resized to `size` (long edge truncated): CLIP's processor.
RgbImage shortest_edge_crop(const RgbImage& image, int32_t size);
/// What normalize() makes of the 256 bytes of a channel.
std::array<float, 256> normalized_levels(const PreprocessSpec& spec, size_t channel);
/// [3,H,W] float: (x*rescale - mean) / stddev, each step rounded to float32 as NumPy does.
std::vector<float> normalize(const RgbImage& image, const PreprocessSpec& spec);

/// The single untiled square of an image, before normalisation. Throws invalid_argument unless spec.size is 1 .. 65500.
RgbImage fit_image(const RgbImage& image, const PreprocessSpec& spec);
/// normalize(fit_image(image)): [3,size,size].
std::vector<float> preprocess(const RgbImage& image, const PreprocessSpec& spec);

}  // namespace vila
