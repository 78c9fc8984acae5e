// SPDX-License-Identifier: Apache-2.0
// The decoders behind decode_image(), one per format, and the bounds they share.
#pragma once

#include <cstdint>
#include <string>

#include "image/preprocess.h"

namespace vila {

/// Longest side and most pixels of an image.
inline constexpr int32_t kMaxImageSide = 65500;
inline constexpr int64_t kMaxImagePixels = int64_t{1} << 28;

/// A file in memory (not owned) with what decoding it needs.
struct EncodedFile {
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  const std::string& name;               ///< for messages
  int64_t max_pixels = kMaxImagePixels;  ///< more than these are refused before memory is taken for them
};

/// decode_image() with a bound on the pixels of one's own.
RgbImage decode_image(const EncodedFile& file);

/// Each takes a file that starts with the format's magic bytes (3, 8 and 12 of them).
RgbImage decode_jpeg(const EncodedFile& file);
RgbImage decode_png(const EncodedFile& file);
RgbImage decode_webp(const EncodedFile& file);

/// Throws bad_file for a side of zero, capacity beyond kMaxImageSide or file.max_pixels. `format` is "JPEG", "PNG", "WebP".
void check_image_size(const EncodedFile& file, const char* format, int64_t width, int64_t height);

}  // namespace vila
