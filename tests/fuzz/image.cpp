// SPDX-License-Identifier: Apache-2.0
// Changed image files through the decoders; what they accept goes on through every way of preprocessing.
#include "fuzz/fuzz.h"
#include "image/decode.h"
#include "image/encoders.h"

namespace {

using namespace vila;
using testing::JpegColor;

/// Large enough for every seed, small enough that a file which claims more does not slow the search down.
constexpr int64_t kMaxPixels = 1 << 18;

std::vector<std::string> make_seeds() {
  const char* root = std::getenv("VILA_TEST_DATA");
  if (root == nullptr) {
    std::fprintf(stderr, "fuzz image: VILA_TEST_DATA is not set\n");
    std::exit(2);
  }
  std::vector<std::string> seeds;
  for (const char* name : {"gray.png", "palette.png", "photo.png", "rgba.png", "square.jpg", "tall.jpg", "tiny.png", "wide.png"}) {
    seeds.push_back(fuzz::read_seed(std::string(root) + "/images/" + name));
  }
  const RgbImage noise = testing::noise_image(16, 12, 1), smooth = testing::smooth_image(33, 20);
  seeds.push_back(testing::encode_webp(noise, -1, false));
  seeds.push_back(testing::encode_webp(smooth, 80, false));
  seeds.push_back(testing::encode_webp(smooth, 80, true));
  seeds.push_back(testing::encode_animated_webp({noise, testing::noise_image(16, 12, 2)}));
  for (const JpegColor color : {JpegColor::gray, JpegColor::rgb, JpegColor::rgb_kept, JpegColor::cmyk, JpegColor::ycck}) {
    for (const bool progressive : {false, true}) {
      testing::JpegContent jpeg;
      jpeg.width = 24;
      jpeg.height = 19;
      jpeg.color = color;
      jpeg.progressive = progressive;
      jpeg.quality = 60;
      for (const uint16_t value : testing::noise(24 * 19 * 4, 256, 3)) jpeg.samples.push_back(static_cast<uint8_t>(value));
      seeds.push_back(testing::encode_jpeg(jpeg));
    }
  }
  testing::PngContent png;
  png.width = 13;
  png.height = 11;
  png.interlaced = true;
  png.samples = testing::noise(13 * 11 * 3, 256, 4);
  seeds.push_back(testing::encode_png(png));
  png.bit_depth = 16;
  png.color_type = 0;
  png.samples = testing::noise(13 * 11, 65536, 5);
  seeds.push_back(testing::encode_png(png));
  return seeds;
}

uint32_t checksum(const std::string& bytes) {
  uint32_t crc = ~0U;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
  }
  return ~crc;
}

/// Makes the checksums of a PNG's chunks right, so that changes reach what lies behind them.
void repair_png(std::string& file) {
  for (size_t at = 8; at + 12 <= file.size();) {
    size_t length = 0;
    for (size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<unsigned char>(file[at + i]);
    if (length > file.size() - at - 12) return;
    const uint32_t crc = checksum(file.substr(at + 4, length + 4));
    for (size_t i = 0; i < 4; ++i) file[at + 8 + length + i] = static_cast<char>(crc >> (24 - 8 * i));
    at += length + 12;
  }
}

RgbImage decode(const std::string& input) {
  static const std::string name = "input";
  return decode_image(EncodedFile{reinterpret_cast<const uint8_t*>(input.data()), input.size(), name, kMaxPixels});
}

void require(bool ok, const char* what) {
  if (!ok) throw std::logic_error(what);
}

void run_one(const std::string& input) {
  RgbImage image;
  if (input.starts_with("\x89PNG")) {
    std::string repaired = input;
    repair_png(repaired);
    image = decode(repaired);
  } else {
    image = decode(input);
  }
  require(image.width > 0 && image.height > 0 && int64_t{image.width} * image.height <= kMaxPixels, "size out of bounds");
  require(image.data.size() == static_cast<size_t>(image.width) * static_cast<size_t>(image.height) * 3, "pixels of another size");
  PreprocessSpec spec;
  spec.size = 1 + image.data[0] % 40;
  spec.pad_color = {122, 116, 104};
  spec.mean = spec.stddev = {0.5F, 0.5F, 0.5F};
  for (const PreprocessSpec::Fit fit : {PreprocessSpec::Fit::squash, PreprocessSpec::Fit::pad, PreprocessSpec::Fit::center_crop}) {
    spec.fit = fit;
    const std::vector<float> pixels = preprocess(image, spec);
    require(pixels.size() == static_cast<size_t>(3 * spec.size * spec.size), "pixel values of another size");
    for (const float value : pixels) require(value >= -1.0F && value <= 1.0F, "pixel value out of range");
  }
}

}  // namespace

int main() {
  const std::vector<std::string> tokens = {"IHDR",     "IDAT",     "PLTE",     "tRNS",     "IEND",     "acTL",
                                           "\xFF\xD8", "\xFF\xC0", "\xFF\xC2", "VP8 ",     "VP8L",     "VP8X",
                                           "ANMF",     "\xFF\xC4", "\xFF\xDA", "\xFF\xD9", "\xFF\xDD", "ALPH"};
  return vila::fuzz::run("image", make_seeds(), tokens, run_one);
}
