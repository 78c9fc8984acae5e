// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "image/decode_checks.h"
#include "image/encoders.h"

namespace vila::testing {
namespace {

JpegContent smooth_jpeg(int32_t width, int32_t height, JpegColor color) {
  JpegContent jpeg;
  jpeg.width = width;
  jpeg.height = height;
  jpeg.color = color;
  const RgbImage image = smooth_image(width, height);
  if (color == JpegColor::gray) {
    for (size_t i = 0; i < image.data.size(); i += 3) jpeg.samples.push_back(image.data[i]);
  } else {
    jpeg.samples = image.data;
  }
  return jpeg;
}

/// An 8x8 file of one stored CMYK colour.
std::string cmyk_file(JpegColor color, std::array<uint8_t, 4> stored) {
  JpegContent jpeg;
  jpeg.width = jpeg.height = 8;
  jpeg.color = color;
  for (int i = 0; i < 64; ++i) jpeg.samples.insert(jpeg.samples.end(), stored.begin(), stored.end());
  return encode_jpeg(jpeg);
}

/// The position of the marker segment 0xFF `marker`.
size_t find_marker(const std::string& file, unsigned char marker) {
  const size_t at = file.find(std::string{'\xFF', static_cast<char>(marker)});
  REQUIRE(at != std::string::npos);
  return at;
}

TEST_CASE("JPEG: grayscale, YCbCr and RGB, baseline, progressive and arithmetic") {
  for (const auto& [width, height] : {std::pair{1, 1}, {7, 5}, {16, 16}, {67, 45}}) {
    for (const JpegColor color : {JpegColor::gray, JpegColor::rgb, JpegColor::rgb_kept}) {
      JpegContent jpeg = smooth_jpeg(width, height, color);
      const RgbImage baseline = decode(encode_jpeg(jpeg));
      CHECK(baseline.width == width);
      CHECK(baseline.height == height);
      std::vector<uint8_t> expected = smooth_image(width, height).data;
      if (color == JpegColor::gray) {
        for (size_t i = 0; i < expected.size(); ++i) expected[i] = expected[i - i % 3];
      }
      CAPTURE(width);
      CAPTURE(static_cast<int>(color));
      CHECK(largest_difference(baseline.data, expected) <= (color == JpegColor::rgb ? 12 : 2));
      jpeg.progressive = true;  // the same coefficients, hence the same pixels
      CHECK(decode(encode_jpeg(jpeg)).data == baseline.data);
      jpeg.arithmetic = true;
      CHECK(decode(encode_jpeg(jpeg)).data == baseline.data);
    }
  }
}

TEST_CASE("JPEG: CMYK and YCCK as Pillow converts them") {
  // Values of Pillow 12.3 for the same files.
  struct Case {
    std::array<uint8_t, 4> stored;
    std::array<uint8_t, 3> rgb;
  };
  for (const auto& [stored, rgb] : {Case{{0, 0, 0, 0}, {0, 0, 0}}, Case{{255, 255, 255, 255}, {255, 255, 255}},
                                    Case{{200, 100, 50, 180}, {141, 71, 35}}, Case{{10, 250, 128, 77}, {3, 75, 39}}}) {
    const RgbImage image = decode(cmyk_file(JpegColor::cmyk, stored));
    for (size_t i = 0; i < image.data.size(); ++i) REQUIRE(image.data[i] == rgb[i % 3]);
    const RgbImage ycck = decode(cmyk_file(JpegColor::ycck, stored));
    for (size_t i = 0; i < ycck.data.size(); ++i) REQUIRE(std::abs(ycck.data[i] - rgb[i % 3]) <= 1);
  }
}

TEST_CASE("JPEG: bytes that do not belong are skipped") {
  const std::string file = encode_jpeg(smooth_jpeg(67, 45, JpegColor::rgb));
  const RgbImage expected = decode(file);
  CHECK(decode(file + "trailing bytes").data == expected.data);
  std::string padded = file;
  padded.insert(find_marker(file, 0xDB), "\xFF\xFF\xFF");  // fill bytes before a marker
  CHECK(decode(padded).data == expected.data);
  std::string junk = file;
  junk.insert(find_marker(file, 0xDB), "junk");
  CHECK(decode(junk).data == expected.data);
}

TEST_CASE("JPEG: a truncated file is refused wherever it ends") {
  for (const bool progressive : {false, true}) {
    JpegContent jpeg = smooth_jpeg(31, 45, JpegColor::rgb);
    jpeg.progressive = progressive;
    const std::string file = encode_jpeg(jpeg);
    CHECK(accepted_prefixes(file) == 0);
    CHECK(decode_error(file.substr(0, 100), "dir/a.jpg") == "4:dir/a.jpg: truncated JPEG image: 100 bytes end before any row");
    const std::string end = "4:x: truncated JPEG image: " + std::to_string(file.size() - 10) + " bytes end ";
    CHECK(decode_error(file.substr(0, file.size() - 10)) == end + (progressive ? "before any row" : "in row 30 of 45"));
  }
}

TEST_CASE("JPEG: sizes that are refused or need no memory") {
  std::string file = encode_jpeg(smooth_jpeg(67, 45, JpegColor::rgb));
  const size_t size = find_marker(file, 0xC0) + 5;  // height, width
  CHECK(decode_error(patched(file, size, "\x4E\x20\x4E\x20"), "big.jpg") ==
        "6:big.jpg: JPEG image of 20000x20000 pixels, expected at most 65500 a side and 268435456 in all");
  CHECK(decode_error(patched(file, size, std::string("\xFF\xFF\0\1", 4))) ==
        "6:x: JPEG image of 1x65535 pixels, expected at most 65500 a side and 268435456 in all");
  CHECK(decode_error(patched(file, size, std::string("\0\0\0\5", 4))) == "4:x: JPEG image of 5x0 pixels, expected at least 1x1");
  CHECK(decode_error(patched(file, size, std::string("\0\5\0\0", 4))) == "4:x: JPEG image of 0x5 pixels, expected at least 1x1");
  const std::string short_file = patched(file, size, "\x3E\x80\x3E\x80").substr(0, file.size() - 2);
  CHECK(decode_error(short_file) ==
        "4:x: truncated JPEG image: " + std::to_string(short_file.size()) + " bytes end in row 0 of 16000");
  JpegContent progressive = smooth_jpeg(67, 45, JpegColor::rgb);
  progressive.progressive = true;
  file = encode_jpeg(progressive);
  const std::string claims = patched(file, find_marker(file, 0xC2) + 5, "\x3E\x80\x3E\x80").substr(0, file.size() - 2);
  CHECK(decode_error(claims) == "4:x: truncated JPEG image: " + std::to_string(claims.size()) + " bytes end before any row");
}

TEST_CASE("JPEG: forms that are not supported") {
  JpegContent jpeg;
  jpeg.width = jpeg.height = 8;
  jpeg.color = JpegColor::two_components;
  jpeg.samples.resize(128);
  CHECK(decode_error(encode_jpeg(jpeg)) == "5:x: JPEG image of 2 components, expected 1, 3 or 4");
  const std::string file = encode_jpeg(smooth_jpeg(8, 8, JpegColor::rgb));
  const size_t frame = find_marker(file, 0xC0);
  CHECK(decode_error(patched(file, frame + 4, "\x0C")) == "5:x: unsupported JPEG image: Unsupported JPEG data precision 12");
  CHECK(decode_error(patched(file, frame + 1, "\xC3")) == "5:x: unsupported JPEG image: Unsupported JPEG process: SOF type 0xc3");
}

TEST_CASE("JPEG: damaged files") {
  const std::string file = encode_jpeg(smooth_jpeg(8, 8, JpegColor::rgb));
  CHECK(decode_error(patched(file, find_marker(file, 0xDA) + 4, "\x09")).starts_with("4:x: damaged JPEG image: "));
  CHECK(decode_error("\xFF\xD8\xFF\xD9") == "4:x: damaged JPEG image: JPEG datastream contains no image");
  CHECK(decode_error("\xFF\xD8\xFF\xD8") == "4:x: damaged JPEG image: Invalid JPEG file structure: two SOI markers");
}

TEST_CASE("JPEG: a file of very many scans is refused") {
  JpegContent jpeg = smooth_jpeg(64, 64, JpegColor::gray);
  jpeg.progressive = true;
  const std::string file = encode_jpeg(jpeg);
  const size_t last_scan = file.rfind("\xFF\xDA");
  const std::string scan = file.substr(last_scan, file.size() - 2 - last_scan);
  std::string bomb = file.substr(0, file.size() - 2);
  for (int i = 0; i < 300; ++i) bomb += scan;
  CHECK(decode_error(bomb + "\xFF\xD9") == "6:x: JPEG image of more than 256 scans");
}

}  // namespace
}  // namespace vila::testing
