// SPDX-License-Identifier: Apache-2.0
#include "image/encoders.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>
#include <webp/mux.h>

namespace vila::testing {
namespace {

std::vector<uint8_t> with_ramp_alpha(const RgbImage& image) {
  std::vector<uint8_t> rgba;
  for (size_t i = 0; i < image.data.size(); i += 3) {
    rgba.insert(rgba.end(), {image.data[i], image.data[i + 1], image.data[i + 2], static_cast<uint8_t>(i / 3)});
  }
  return rgba;
}

void require(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(std::string("cannot encode: ") + what);
}

}  // namespace

std::vector<uint16_t> noise(size_t count, uint32_t limit, uint32_t seed) {
  std::vector<uint16_t> values(count);
  uint32_t state = seed * 2654435761U + 12345U;
  for (uint16_t& value : values) {
    state = state * 1664525U + 1013904223U;
    value = static_cast<uint16_t>((state >> 8) % limit);
  }
  return values;
}

RgbImage noise_image(int32_t width, int32_t height, uint32_t seed) {
  RgbImage image{width, height, {}};
  for (const uint16_t value : noise(static_cast<size_t>(width) * static_cast<size_t>(height) * 3, 256, seed)) {
    image.data.push_back(static_cast<uint8_t>(value));
  }
  return image;
}

RgbImage smooth_image(int32_t width, int32_t height) {
  RgbImage image{width, height, {}};
  for (int32_t y = 0; y < height; ++y) {
    for (int32_t x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c)
        image.data.push_back(static_cast<uint8_t>(128 + 100 * std::sin(x * 0.05 + c) * std::cos(y * 0.04 - c)));
    }
  }
  return image;
}

std::string encode_png(const PngContent& content) {
  static constexpr int kChannels[] = {1, 0, 3, 1, 2, 0, 4};
  const auto fail_png = [](png_structp, png_const_charp message) {
    std::fprintf(stderr, "encode_png: %s\n", message);
    std::abort();
  };
  std::string out;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, fail_png, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &out,
      [](png_structp p, png_bytep bytes, size_t size) {
        static_cast<std::string*>(png_get_io_ptr(p))->append(reinterpret_cast<const char*>(bytes), size);
      },
      nullptr);
  png_set_IHDR(png, info, content.width, content.height, content.bit_depth, content.color_type,
               content.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_set_check_for_invalid_index(png, 0);
  std::vector<png_color> palette;
  for (size_t i = 0; i + 2 < content.palette.size(); i += 3) {
    palette.push_back({content.palette[i], content.palette[i + 1], content.palette[i + 2]});
  }
  if (!palette.empty()) png_set_PLTE(png, info, palette.data(), static_cast<int>(palette.size()));
  const png_byte alphas[2] = {0, 128};
  png_color_16 color{};
  color.gray = color.red = color.green = color.blue = 1;
  if (content.transparency) png_set_tRNS(png, info, alphas, 2, &color);
  if (content.gamma) png_set_gAMA(png, info, 1.0);
  png_write_info(png, info);
  png_set_packing(png);

  const size_t row_samples = size_t{content.width} * static_cast<size_t>(kChannels[content.color_type]);
  std::vector<std::vector<uint8_t>> rows(content.height);
  for (size_t i = 0; i < content.samples.size(); ++i) {
    std::vector<uint8_t>& row = rows[i / row_samples];
    if (content.bit_depth == 16) row.push_back(static_cast<uint8_t>(content.samples[i] >> 8));
    row.push_back(static_cast<uint8_t>(content.samples[i]));
  }
  std::vector<png_bytep> pointers;
  for (std::vector<uint8_t>& row : rows) pointers.push_back(row.data());
  png_write_image(png, pointers.data());
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return out;
}

std::string encode_jpeg(const JpegContent& content) {
  jpeg_compress_struct info;
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_width = static_cast<JDIMENSION>(content.width);
  info.image_height = static_cast<JDIMENSION>(content.height);
  switch (content.color) {
    case JpegColor::gray: info.input_components = 1, info.in_color_space = JCS_GRAYSCALE; break;
    case JpegColor::rgb:
    case JpegColor::rgb_kept: info.input_components = 3, info.in_color_space = JCS_RGB; break;
    case JpegColor::cmyk:
    case JpegColor::ycck: info.input_components = 4, info.in_color_space = JCS_CMYK; break;
    case JpegColor::two_components: info.input_components = 2, info.in_color_space = JCS_UNKNOWN; break;
  }
  jpeg_set_defaults(&info);
  if (content.color == JpegColor::rgb_kept) jpeg_set_colorspace(&info, JCS_RGB);
  if (content.color == JpegColor::ycck) jpeg_set_colorspace(&info, JCS_YCCK);
  jpeg_set_quality(&info, content.quality, TRUE);
  if (content.progressive) jpeg_simple_progression(&info);
  info.arith_code = content.arithmetic ? TRUE : FALSE;
  jpeg_start_compress(&info, TRUE);
  const size_t stride = static_cast<size_t>(content.width) * static_cast<size_t>(info.input_components);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(content.samples.data() + info.next_scanline * stride);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  std::string out(reinterpret_cast<const char*>(buffer), size);
  jpeg_destroy_compress(&info);
  std::free(buffer);
  return out;
}

std::string encode_webp(const RgbImage& image, float quality, bool alpha) {
  WebPConfig config;
  WebPPicture picture;
  require(WebPConfigInit(&config) && WebPPictureInit(&picture), "WebP version");
  config.lossless = quality < 0 ? 1 : 0;
  config.quality = quality < 0 ? 50 : quality;
  config.exact = 1;
  picture.use_argb = config.lossless;
  picture.width = image.width;
  picture.height = image.height;
  if (alpha) {
    require(WebPPictureImportRGBA(&picture, with_ramp_alpha(image).data(), image.width * 4) != 0, "WebP import");
  } else {
    require(WebPPictureImportRGB(&picture, image.data.data(), image.width * 3) != 0, "WebP import");
  }
  WebPMemoryWriter writer;
  WebPMemoryWriterInit(&writer);
  picture.writer = WebPMemoryWrite;
  picture.custom_ptr = &writer;
  const bool ok = WebPEncode(&config, &picture) != 0;
  std::string out(reinterpret_cast<const char*>(writer.mem), writer.size);
  WebPMemoryWriterClear(&writer);
  WebPPictureFree(&picture);
  require(ok, "WebP");
  return out;
}

std::string encode_animated_webp(const std::vector<RgbImage>& frames) {
  WebPAnimEncoderOptions options;
  require(WebPAnimEncoderOptionsInit(&options) != 0, "WebP version");
  WebPAnimEncoder* encoder = WebPAnimEncoderNew(frames[0].width, frames[0].height, &options);
  WebPConfig config;
  require(WebPConfigInit(&config) != 0, "WebP version");
  config.lossless = 1;
  config.exact = 1;
  int milliseconds = 0;
  for (const RgbImage& frame : frames) {
    WebPPicture picture;
    require(WebPPictureInit(&picture) != 0, "WebP version");
    picture.use_argb = 1;
    picture.width = frame.width;
    picture.height = frame.height;
    require(WebPPictureImportRGB(&picture, frame.data.data(), frame.width * 3) != 0, "WebP import");
    require(WebPAnimEncoderAdd(encoder, &picture, milliseconds, &config) != 0, "WebP frame");
    WebPPictureFree(&picture);
    milliseconds += 100;
  }
  WebPData data{};
  require(WebPAnimEncoderAdd(encoder, nullptr, milliseconds, nullptr) && WebPAnimEncoderAssemble(encoder, &data), "WebP animation");
  std::string out(reinterpret_cast<const char*>(data.bytes), data.size);
  WebPDataClear(&data);
  WebPAnimEncoderDelete(encoder);
  return out;
}

}  // namespace vila::testing
