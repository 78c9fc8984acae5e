// SPDX-License-Identifier: Apache-2.0
// What decode_image() says of files that are none of its formats.
#include <doctest/doctest.h>

#include "image/decode_checks.h"
#include "image/encoders.h"

namespace vila::testing {
namespace {

using std::string_literals::operator""s;

TEST_CASE("other formats are refused by name") {
  const std::vector<std::pair<std::string, std::string>> files = {{"GIF89a\1\0\1\0"s, "GIF"},
                                                                  {"GIF87a\1\0\1\0"s, "GIF"},
                                                                  {"BM\x46\0\0\0"s, "BMP"},
                                                                  {"II*\0\x08\0\0\0"s, "TIFF"},
                                                                  {"MM\0*\0\0\0\x08"s, "TIFF"},
                                                                  {"\0\0\0\x1C"
                                                                   "ftypavif"s,
                                                                   "AVIF"},
                                                                  {"\0\0\0\x18"
                                                                   "ftypheic"s,
                                                                   "HEIC"},
                                                                  {"\0\0\0\x18"
                                                                   "ftypmif1"s,
                                                                   "HEIF"},
                                                                  {"\xFF\x0A\xFA\x1F"s, "JPEG XL"},
                                                                  {"\0\0\0\x0CjP  \r\n\x87\n"s, "JPEG 2000"},
                                                                  {"\0\0\1\0\1\0"s, "ICO"},
                                                                  {"8BPS\0\1"s, "Photoshop"},
                                                                  {"%PDF-1.7"s, "PDF"},
                                                                  {"P6\n5 3\n255\n"s, "PPM"},
                                                                  {"<svg xmlns"s, "SVG"}};
  for (const auto& [content, format] : files) {
    CHECK(decode_error(content, "dir/a.png") == "5:dir/a.png: " + format + " images are not supported, expected JPEG, PNG or WebP");
  }
}

TEST_CASE("content that is no image") {
  CHECK(decode_error("", "a.png") == "4:a.png: empty file, expected a JPEG, PNG or WebP image");
  CHECK(decode_error("hello world") ==
        "4:x: no known image format starts with the bytes 68 65 6c 6c 6f 20 77 6f, expected a JPEG, PNG or WebP image");
  CHECK(decode_error("\xFF\xD8") == "4:x: no known image format starts with the bytes ff d8, expected a JPEG, PNG or WebP image");
  CHECK(decode_error("RIFF\4\0\0\0WAVE"s) ==
        "4:x: no known image format starts with the bytes 52 49 46 46 04 00 00 00, expected a JPEG, PNG or WebP image");
}

TEST_CASE("a bound on the pixels of one's own") {
  const std::string file = encode_webp(noise_image(20, 10, 1), -1, false), name = "x";
  const auto bytes = reinterpret_cast<const uint8_t*>(file.data());
  CHECK(decode_image(EncodedFile{bytes, file.size(), name, 200}).width == 20);
  CHECK(error_of([&] {
          decode_image(EncodedFile{bytes, file.size(), name, 199});
        }) == "6:x: WebP image of 20x10 pixels, expected at most 65500 a side and 199 in all");
}

}  // namespace
}  // namespace vila::testing
