// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "image/decode_checks.h"
#include "image/encoders.h"

namespace vila::testing {
namespace {

TEST_CASE("WebP: lossless is exact, with and without alpha") {
  for (const auto& [width, height] : {std::pair{1, 1}, {7, 5}, {67, 45}}) {
    const RgbImage original = noise_image(width, height, 3);
    for (const bool alpha : {false, true}) {
      const RgbImage image = decode(encode_webp(original, -1, alpha));
      CHECK(image.width == width);
      CHECK(image.height == height);
      CHECK(image.data == original.data);
    }
  }
}

TEST_CASE("WebP: lossy is close, with and without alpha") {
  const RgbImage original = smooth_image(67, 45);
  for (const bool alpha : {false, true}) {
    const RgbImage image = decode(encode_webp(original, 95, alpha));
    CHECK(image.width == 67);
    CHECK(image.height == 45);
    CHECK(largest_difference(image.data, original.data) <= 24);
  }
}

TEST_CASE("WebP: of an animation the first frame") {
  const std::vector<RgbImage> frames = {noise_image(20, 10, 1), noise_image(20, 10, 2), noise_image(20, 10, 3)};
  const RgbImage image = decode(encode_animated_webp(frames));
  CHECK(image.width == 20);
  CHECK(image.data == frames[0].data);
}

TEST_CASE("WebP: a truncated file is refused wherever it ends") {
  const RgbImage original = smooth_image(31, 17);
  for (const std::string& file : {encode_webp(original, -1, false), encode_webp(original, 80, false),
                                  encode_webp(original, 80, true), encode_animated_webp({original, noise_image(31, 17, 1)})}) {
    CHECK(accepted_prefixes(file) == 0);
    CHECK(decode_error(file.substr(0, file.size() - 1), "dir/a.webp") ==
          "4:dir/a.webp: truncated WebP image: " + std::to_string(file.size() - 1) + " bytes end before its last chunk");
  }
}

TEST_CASE("WebP: damaged files") {
  const std::string lossless = encode_webp(noise_image(31, 17, 1), -1, false);
  CHECK(decode_error(patched(lossless, 20, "\x30")) == "4:x: damaged WebP image: its chunks contradict each other");
  CHECK(decode_error(patched(lossless, 26, std::string(60, '\xFF'))) ==
        "4:x: damaged WebP image: its picture data cannot be decoded");
  CHECK(decode_error(patched(lossless, 12, "ABCD")) == "4:x: damaged WebP image: does not begin with a VP8, VP8L or VP8X chunk");
}

TEST_CASE("WebP: a canvas that is too large") {
  // Extended header, animated, canvas 20000x20000 (stored less one), one ANIM and one ANMF chunk with a small frame.
  std::string file = encode_animated_webp({noise_image(8, 8, 1), noise_image(8, 8, 2)});
  REQUIRE(file.substr(12, 4) == "VP8X");
  file = patched(file, 24, std::string("\x1F\x4E\0\x1F\x4E\0", 6));
  CHECK(decode_error(file, "big.webp") ==
        "6:big.webp: WebP image of 20000x20000 pixels, expected at most 65500 a side and 268435456 in all");
}

}  // namespace
}  // namespace vila::testing
