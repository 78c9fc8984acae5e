// SPDX-License-Identifier: Apache-2.0
// Image files made in memory with the formats' own libraries, and noise to fill them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "image/preprocess.h"

namespace vila::testing {

/// Deterministic noise: `count` values of 0 .. limit-1.
std::vector<uint16_t> noise(size_t count, uint32_t limit, uint32_t seed);
/// An image of noise.
RgbImage noise_image(int32_t width, int32_t height, uint32_t seed);
/// An image of slow waves, which lossy formats keep well.
RgbImage smooth_image(int32_t width, int32_t height);

/// A PNG to be written: `samples` row by row, channels interleaved, each below 2^bit_depth.
struct PngContent {
  uint32_t width = 0, height = 0;
  int bit_depth = 8;
  int color_type = 2;  ///< 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGB and alpha
  bool interlaced = false;
  std::vector<uint16_t> samples;
  std::vector<uint8_t> palette;  ///< RGB triples
  bool transparency = false;     ///< a tRNS chunk that names the colours 0 .. 1
  bool gamma = false;            ///< a gAMA chunk of 1.0
};
std::string encode_png(const PngContent& content);

/// The colour space of the components as they are given (they are stored in JPEG's usual one for it).
enum class JpegColor { gray, rgb, rgb_kept, cmyk, ycck, two_components };
struct JpegContent {
  int32_t width = 0, height = 0;
  JpegColor color = JpegColor::rgb;
  bool progressive = false;
  bool arithmetic = false;
  int quality = 100;
  std::vector<uint8_t> samples;  ///< interleaved; CMYK as it is stored
};
std::string encode_jpeg(const JpegContent& content);

/// `quality` below 0 is lossless. With `alpha`, the alpha channel is a ramp and the colours are kept under it.
std::string encode_webp(const RgbImage& image, float quality, bool alpha);
/// An animation of several frames.
std::string encode_animated_webp(const std::vector<RgbImage>& frames);

}  // namespace vila::testing
