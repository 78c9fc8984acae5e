// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "image/decode_checks.h"
#include "image/encoders.h"

namespace vila::testing {
namespace {

constexpr int kChannels[] = {1, 0, 3, 1, 2, 0, 4};

PngContent noise_png(uint32_t width, uint32_t height, int color_type, int bit_depth) {
  PngContent png;
  png.width = width;
  png.height = height;
  png.color_type = color_type;
  png.bit_depth = bit_depth;
  png.samples = noise(size_t{width} * height * static_cast<size_t>(kChannels[color_type]), 1U << bit_depth,
                      width * 7 + static_cast<uint32_t>(bit_depth));
  if (color_type == 3) {
    for (const uint16_t value : noise(3U << bit_depth, 256, 5)) png.palette.push_back(static_cast<uint8_t>(value));
  }
  return png;
}

/// What Pillow's convert("RGB") gives, straight from the samples.
std::vector<uint8_t> expected_rgb(const PngContent& png) {
  std::vector<uint8_t> rgb;
  const auto channels = static_cast<size_t>(kChannels[png.color_type]);
  for (size_t i = 0; i < png.samples.size(); i += channels) {
    for (size_t c = 0; c < 3; ++c) {
      const unsigned sample = png.samples[i + (channels >= 3 ? c : 0)];
      unsigned value = sample;
      if (png.color_type == 3) {
        value = sample * 3 + c < png.palette.size() ? png.palette[sample * 3 + c] : 0;
      } else if (png.bit_depth == 16) {
        value = png.color_type == 0 ? std::min(sample, 255U) : sample / 256;
      } else {
        value = sample * 255 / ((1U << png.bit_depth) - 1);
      }
      rgb.push_back(static_cast<uint8_t>(value));
    }
  }
  return rgb;
}

/// A signature and an IHDR chunk with nothing behind them (its checksum is not right, which is seen later than its sizes).
std::string png_header(const std::string& width, const std::string& height) {
  return "\x89PNG\r\n\x1A\n" + std::string("\0\0\0\x0DIHDR", 8) + width + height + std::string("\x08\x02\0\0\0", 5) + "crc!";
}

/// `file` with the checksum of its IHDR chunk made right.
std::string with_header_checksum(const std::string& file) {
  uint32_t crc = ~0U;
  for (const char c : file.substr(12, 17)) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
  }
  crc = ~crc;
  return patched(file, 29,
                 {static_cast<char>(crc >> 24), static_cast<char>(crc >> 16), static_cast<char>(crc >> 8), static_cast<char>(crc)});
}

TEST_CASE("PNG: every colour type, bit depth, interlacing and some sizes") {
  const std::vector<std::pair<int, std::vector<int>>> forms = {
      {0, {1, 2, 4, 8, 16}}, {2, {8, 16}}, {3, {1, 2, 4, 8}}, {4, {8, 16}}, {6, {8, 16}}};
  int count = 0;
  for (const auto& [color_type, depths] : forms) {
    for (const int depth : depths) {
      for (const auto& [width, height] : {std::pair{1U, 1U}, {5U, 3U}, {19U, 21U}, {300U, 2U}}) {
        PngContent png = noise_png(width, height, color_type, depth);
        for (const bool interlaced : {false, true}) {
          for (const bool ancillary : {false, true}) {
            if (ancillary && color_type >= 4) continue;  // PNG allows no tRNS beside alpha.
            png.interlaced = interlaced;
            png.transparency = png.gamma = ancillary;
            CAPTURE(color_type);
            CAPTURE(depth);
            CAPTURE(interlaced);
            CAPTURE(ancillary);
            CAPTURE(width);
            const RgbImage image = decode(encode_png(png));
            CHECK(image.width == static_cast<int32_t>(width));
            CHECK(image.height == static_cast<int32_t>(height));
            CHECK(image.data == expected_rgb(png));
            ++count;
          }
        }
      }
    }
  }
  CHECK(count == 4 * 2 * (2 * 11 + 4));
}

TEST_CASE("PNG: 16-bit grayscale is clipped, not scaled") {
  PngContent png = noise_png(5, 1, 0, 16);
  png.samples = {0, 254, 255, 256, 65535};
  CHECK(decode(encode_png(png)).data == std::vector<uint8_t>{0, 0, 0, 254, 254, 254, 255, 255, 255, 255, 255, 255, 255, 255, 255});
}

TEST_CASE("PNG: a palette index beyond the palette is black") {
  PngContent png = noise_png(3, 1, 3, 8);
  png.palette = {10, 20, 30, 40, 50, 60};
  png.samples = {1, 2, 0};
  CHECK(decode(encode_png(png)).data == std::vector<uint8_t>{40, 50, 60, 0, 0, 0, 10, 20, 30});
}

TEST_CASE("PNG: alpha is dropped without compositing") {
  PngContent png = noise_png(2, 1, 6, 8);
  png.samples = {200, 100, 50, 0, 1, 2, 3, 255};
  CHECK(decode(encode_png(png)).data == std::vector<uint8_t>{200, 100, 50, 1, 2, 3});
}

TEST_CASE("PNG: a truncated file is refused wherever it ends") {
  for (const bool interlaced : {false, true}) {
    PngContent png = noise_png(19, 21, 2, 8);
    png.interlaced = interlaced;
    const std::string file = encode_png(png);
    // The IEND chunk (12 bytes) and the checksum before it are not needed for the pixels; Pillow does not ask for them either.
    CHECK(accepted_prefixes(file) <= 16);
    CHECK(accepted_prefixes(file.substr(0, file.size() - 16)) == 0);
    CHECK(decode_error(file.substr(0, 20)) == "4:x: truncated PNG image: 20 bytes end before any row");
    CHECK(decode_error(file.substr(0, 40)) == "4:x: truncated PNG image: 40 bytes end before any row");
    CHECK(
        decode_error(file.substr(0, 60), "dir/a.png").starts_with("4:dir/a.png: truncated PNG image: 60 bytes end in row 0 of 21"));
  }
}

TEST_CASE("PNG: damaged files") {
  const std::string file = encode_png(noise_png(19, 21, 2, 8));
  CHECK(decode_error(patched(file, 12, "IDAT")) == "4:x: damaged PNG image: does not begin with an IHDR chunk of 13 bytes");
  CHECK(decode_error(patched(file, 29, "abcd")) == "4:x: damaged PNG image: IHDR: CRC error");
  CHECK(decode_error(with_header_checksum(patched(file, 24, "\x07"))) ==
        "4:x: damaged PNG image: Invalid IHDR data");  // bit depth 7
  CHECK(decode_error(patched(file, 37, "IEND")).starts_with("4:x: damaged PNG image: "));
  CHECK(decode_error(patched(file, 41, "\xFF\xFF")).starts_with("4:x: damaged PNG image: IDAT: "));
}

TEST_CASE("PNG: sizes that are refused before memory is taken") {
  const std::string twenty_thousand("\0\0\x4E\x20", 4), five("\0\0\0\5", 4), zero("\0\0\0\0", 4),
      seventy_thousand("\0\1\x11\x70", 4);
  CHECK(decode_error(png_header(twenty_thousand, twenty_thousand), "big.png") ==
        "6:big.png: PNG image of 20000x20000 pixels, expected at most 65500 a side and 268435456 in all");
  CHECK(decode_error(png_header(seventy_thousand, five)) ==
        "6:x: PNG image of 70000x5 pixels, expected at most 65500 a side and 268435456 in all");
  CHECK(decode_error(png_header("\xFF\xFF\xFF\xFF", "\xFF\xFF\xFF\xFF")) ==
        "6:x: PNG image of 4294967295x4294967295 pixels, expected at most 65500 a side and 268435456 in all");
  CHECK(decode_error(png_header(zero, five)) == "4:x: PNG image of 0x5 pixels, expected at least 1x1");
  CHECK(decode_error(png_header(five, zero)) == "4:x: PNG image of 5x0 pixels, expected at least 1x1");

  // A right header of 16000x16000 pixels, its data cut: too short for any data that deflate could make of it.
  PngContent png;
  png.width = 16000;
  png.height = 1;
  png.bit_depth = 1;
  png.color_type = 0;
  png.samples.resize(16000);
  std::string file = encode_png(png);
  file = with_header_checksum(patched(file, 20, std::string("\0\0\x3E\x80", 4)));
  CHECK(decode_error(file).ends_with("bytes cannot hold 16000x16000 pixels"));
}

}  // namespace
}  // namespace vila::testing
