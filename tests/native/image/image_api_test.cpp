// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <sys/resource.h>

#include "image/encoders.h"
#include "support/npy.h"
#include "vila/vila.h"

namespace vila::testing {
namespace {

Image from(const RgbImage& rgb) { return Image::from_rgb(rgb.data.data(), rgb.data.size(), rgb.width, rgb.height); }

TEST_CASE("Image::from_rgb keeps the pixels and checks its arguments") {
  const RgbImage rgb = noise_image(5, 4, 1);
  const Image image = from(rgb);
  CHECK(image.width() == 5);
  CHECK(image.height() == 4);
  REQUIRE(image.rgb_size() == 60);
  CHECK(std::vector<uint8_t>(image.rgb(), image.rgb() + 60) == rgb.data);

  const uint8_t* bytes = rgb.data.data();
  CHECK(error_of([&] { Image::from_rgb(bytes, 59, 5, 4); }) == "1:rgb has 59 bytes, expected 60 (5x4x3)");
  CHECK(error_of([&] { Image::from_rgb(nullptr, 60, 5, 4); }) == "1:rgb is null");
  CHECK(error_of([&] { Image::from_rgb(bytes, 0, 0, 4); }) == "1:image of 0x4 pixels, expected sides of 1 to 65500");
  CHECK(error_of([&] { Image::from_rgb(bytes, 60, -5, -4); }) == "1:image of -5x-4 pixels, expected sides of 1 to 65500");
  CHECK(error_of([&] { Image::from_rgb(bytes, 60, 65501, 1); }) == "1:image of 65501x1 pixels, expected sides of 1 to 65500");
  CHECK(error_of([&] { Image::from_rgb(bytes, 60, 65500, 65500); }) ==
        "6:image of 65500x65500 pixels, expected at most 268435456 in all");
}

TEST_CASE("Image::from_file and from_memory") {
  const TempDir dir;
  const RgbImage rgb = noise_image(5, 4, 1);
  const std::string file = encode_webp(rgb, -1, false);
  write_file(dir / "a.webp", file);
  const Image image = Image::from_file((dir / "a.webp").string());
  CHECK(std::vector<uint8_t>(image.rgb(), image.rgb() + image.rgb_size()) == rgb.data);
  CHECK(Image::from_memory(reinterpret_cast<const uint8_t*>(file.data()), file.size(), "a").content_hash() == image.content_hash());

  const std::string missing = (dir / "missing.png").string(), folder = dir.path().string(), empty = (dir / "empty.png").string();
  write_file(empty, "");
  CHECK(error_of([&] { Image::from_file(missing); }) == "2:" + missing + ": No such file or directory");
  CHECK(error_of([&] { Image::from_file(folder); }) == "3:" + folder + ": not a regular file");
  CHECK(error_of([&] { Image::from_file(empty); }) == "4:" + empty + ": empty file, expected a JPEG, PNG or WebP image");
  CHECK(error_of([] { Image::from_memory(nullptr, 10, "upload"); }) == "1:upload: bytes are null, expected 10");
  CHECK(error_of([] { Image::from_memory(nullptr, 0, "upload"); }) == "4:upload: empty file, expected a JPEG, PNG or WebP image");
}

TEST_CASE("Image::content_hash depends on size and pixels only") {
  RgbImage rgb = noise_image(6, 4, 1);
  const std::string hash = from(rgb).content_hash();
  CHECK(hash.size() == 32);
  CHECK(hash.find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(from(rgb).content_hash() == hash);
  CHECK(from({4, 6, rgb.data}).content_hash() != hash);
  rgb.data[17] ^= 1;
  CHECK(from(rgb).content_hash() != hash);
}

TEST_CASE("Image::from_device looks at its arguments and at nothing else") {
  const uint8_t byte = 0;  // stands for device memory, which is not read here
  const int64_t before = live_object_count();
  const Image image = Image::from_device(&byte, 640, 480, 2048, nullptr, "");
  CHECK(live_object_count() == before + 1);
  CHECK(image.on_device());
  CHECK(image.width() == 640);
  CHECK(image.height() == 480);
  CHECK(image.rgb() == nullptr);
  CHECK(image.rgb_size() == 0);
  CHECK_FALSE(from(noise_image(5, 4, 1)).on_device());
  CHECK(error_of([&] { image.resize(2, 2); }) ==
        "5:resize: the image's pixels are on a device, expected pixels in the host's memory");

  CHECK(Image(image).content_hash() == image.content_hash());
  const auto hash = [&](int32_t width, const std::string& key) {
    return Image::from_device(&byte, width, 480, 2048, nullptr, key).content_hash();
  };
  CHECK(hash(640, "") != image.content_hash());
  CHECK(hash(640, "a") == hash(640, "a"));
  CHECK(hash(640, "a") != hash(640, "b"));
  CHECK(hash(640, "a") != hash(641, "a"));

  const auto error = [&](const void* rgb, int32_t width, int32_t height, int64_t stride) {
    return error_of([&] { Image::from_device(rgb, width, height, stride, nullptr, ""); });
  };
  CHECK(error(nullptr, 4, 4, 12) == "1:rgb is null, expected device memory");
  CHECK(error(&byte, 0, 4, 12) == "1:image of 0x4 pixels, expected sides of 1 to 65500");
  CHECK(error(&byte, 65500, 65500, 196500) == "6:image of 65500x65500 pixels, expected at most 268435456 in all");
  CHECK(error(&byte, 4, 4, 11) == "1:stride is 11, expected at least 12 bytes for 4 pixels");
}

TEST_CASE("Image::resize checks its arguments and shares nothing") {
  const Image image = from(noise_image(6, 4, 1));
  CHECK(image.resize(6, 4).content_hash() == image.content_hash());
  CHECK(image.resize(3, 9).width() == 3);
  CHECK(image.resize(3, 9).height() == 9);
  CHECK(error_of([&] { image.resize(0, 4); }) == "1:resize to 0x4 pixels, expected sides of 1 to 65500");
  CHECK(error_of([&] { image.resize(4, 65501); }) == "1:resize to 4x65501 pixels, expected sides of 1 to 65500");
  CHECK(error_of([&] { image.resize(65500, 65500); }) == "6:resize to 65500x65500 pixels, expected at most 268435456 in all");
}

#ifndef __SANITIZE_ADDRESS__  // whose allocator ends the process where it has no memory
TEST_CASE("no memory is a capacity error") {
  const Image image = from(noise_image(6, 4, 1));
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_AS, &before) == 0);
  const rlimit tight{rlim_t{300} << 20, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_AS, &tight) == 0);
  const std::string error = error_of([&] { image.resize(16000, 16000); });
  REQUIRE(setrlimit(RLIMIT_AS, &before) == 0);
  CHECK(error == "6:resize to 16000x16000 pixels: not enough memory");
}
#endif

TEST_CASE("images are counted while they live") {
  const int64_t before = live_object_count();
  {
    const Image image = from(noise_image(6, 4, 1));
    const Image copy = image;
    CHECK(live_object_count() == before + 1);
    const Image other = image.resize(2, 2);
    CHECK(live_object_count() == before + 2);
  }
  CHECK(live_object_count() == before);
}

}  // namespace
}  // namespace vila::testing
