// SPDX-License-Identifier: Apache-2.0
// The image room against the reference data: decoded pixels, resize bytes, pixel values.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "image/preprocess.h"
#include "support/npy.h"

namespace vila::testing {
namespace {

const std::vector<std::string> kImages = {"gray.png",   "palette.png", "photo.png", "rgba.png",
                                          "square.jpg", "tall.jpg",    "tiny.png",  "wide.png"};

RgbImage read_rgb(const std::string& name) {
  const Npy npy = read_npy(data(name));
  REQUIRE(npy.shape.size() == 3);
  REQUIRE(npy.shape[2] == 3);
  return {static_cast<int32_t>(npy.shape[1]), static_cast<int32_t>(npy.shape[0]), npy.bytes};
}

PreprocessSpec siglip_spec() {
  PreprocessSpec spec;
  spec.fit = PreprocessSpec::Fit::squash;
  spec.size = 100;
  spec.mean = spec.stddev = {0.5F, 0.5F, 0.5F};
  return spec;
}

PreprocessSpec clip_spec(PreprocessSpec::Fit fit) {
  PreprocessSpec spec;
  spec.fit = fit;
  spec.size = 60;
  spec.mean = {0.48145466F, 0.4578275F, 0.40821073F};
  spec.stddev = {0.26862954F, 0.26130258F, 0.27577711F};
  spec.pad_color = {122, 116, 104};  // int(mean * 255)
  return spec;
}

void check_pixels(const std::string& name, const PreprocessSpec& spec, const std::string& golden) {
  const Npy expected = read_npy(data(golden));
  REQUIRE(expected.shape == std::vector<int64_t>{1, 3, spec.size, spec.size});
  const double difference = max_abs_difference(preprocess(read_rgb("images/" + name + ".rgb.npy"), spec), expected.floats);
  CAPTURE(golden);
  CHECK(difference <= 1e-6);
}

TEST_CASE("every given image decodes to its pixels") {
  for (const std::string& name : kImages) {
    CAPTURE(name);
    const Image image = Image::from_file(data("images/" + name).string());
    const RgbImage expected = read_rgb("images/" + name + ".rgb.npy");
    REQUIRE(image.width() == expected.width);
    REQUIRE(image.height() == expected.height);
    REQUIRE(image.rgb_size() == expected.data.size());
    int largest = 0;
    for (size_t i = 0; i < expected.data.size(); ++i) largest = std::max(largest, std::abs(image.rgb()[i] - expected.data[i]));
    const bool jpeg = name.ends_with(".jpg");
    if (jpeg) MESSAGE(name << ": largest difference " << largest);
    CHECK(largest <= (jpeg ? 2 : 0));
  }
}

TEST_CASE("every given resize is bit-exact") {
  const nlohmann::json cases = nlohmann::json::parse(std::ifstream(data("resize/resize.json")));
  int count = 0;
  for (const auto& entry : cases.at("cases")) {
    const std::string out = entry.at("out");
    CAPTURE(out);
    const RgbImage result =
        resize_bicubic(read_rgb(entry.at("source_rgb")), entry.at("width").get<int32_t>(), entry.at("height").get<int32_t>());
    const RgbImage expected = read_rgb("resize/" + out);
    CHECK(result.width == expected.width);
    CHECK(result.height == expected.height);
    CHECK(result.data == expected.data);
    ++count;
  }
  CHECK(count == 8);
}

TEST_CASE("pixel values: squash (SigLIP)") {
  for (const std::string& name : kImages) {
    check_pixels(name, siglip_spec(), "cases/vila15-llama3-siglip/images/" + name + "/pixel_values.npy");
  }
}

TEST_CASE("pixel values: pad (CLIP)") {
  for (const std::string& name : kImages) {
    check_pixels(name, clip_spec(PreprocessSpec::Fit::pad), "cases/vila10-clip-linear/images/" + name + "/pixel_values.npy");
  }
}

TEST_CASE("pixel values: centre crop (CLIP)") {
  for (const std::string& name : kImages) {
    check_pixels(name, clip_spec(PreprocessSpec::Fit::center_crop),
                 "cases/vila10-clip-linear/images/" + name + "/pixel_values_center_crop.npy");
  }
}

}  // namespace
}  // namespace vila::testing
