// SPDX-License-Identifier: Apache-2.0
#include "image/decode.h"

#include <algorithm>
#include <string_view>

#include "common/error.h"

namespace vila {
namespace {

using std::string_view_literals::operator""sv;

/// A format that is recognised only to be refused by its name.
struct OtherFormat {
  const char* name;
  size_t offset;  ///< of the magic bytes
  std::string_view magic;
};

constexpr OtherFormat kOtherFormats[] = {
    {"GIF", 0, "GIF87a"sv},
    {"GIF", 0, "GIF89a"sv},
    {"TIFF", 0, "II*\0"sv},
    {"TIFF", 0, "MM\0*"sv},
    {"TIFF", 0, "II+\0"sv},
    {"TIFF", 0, "MM\0+"sv},
    {"AVIF", 4, "ftypavif"sv},
    {"AVIF", 4, "ftypavis"sv},
    {"HEIC", 4, "ftypheic"sv},
    {"HEIC", 4, "ftypheix"sv},
    {"HEIC", 4, "ftyphevc"sv},
    {"HEIC", 4, "ftyphevx"sv},
    {"HEIF", 4, "ftypmif1"sv},
    {"HEIF", 4, "ftypmsf1"sv},
    {"JPEG XL", 0, "\xFF\x0A"sv},
    {"JPEG XL", 0, "\0\0\0\x0CJXL \r\n\x87\n"sv},
    {"JPEG 2000", 0, "\0\0\0\x0CjP  \r\n\x87\n"sv},
    {"JPEG 2000", 0, "\xFF\x4F\xFF\x51"sv},
    {"ICO", 0, "\0\0\1\0"sv},
    {"Photoshop", 0, "8BPS"sv},
    {"OpenEXR", 0, "\x76\x2F\x31\x01"sv},
    {"DDS", 0, "DDS "sv},
    {"QOI", 0, "qoif"sv},
    {"Radiance HDR", 0, "#?RADIANCE"sv},
    {"PDF", 0, "%PDF-"sv},
    {"SVG", 0, "<svg"sv},
    {"PBM", 0, "P1\n"sv},
    {"PGM", 0, "P2\n"sv},
    {"PPM", 0, "P3\n"sv},
    {"PBM", 0, "P4\n"sv},
    {"PGM", 0, "P5\n"sv},
    {"PPM", 0, "P6\n"sv},
    {"PAM", 0, "P7\n"sv},
    {"BMP", 0, "BM"sv},
};

/// The first bytes of a file for a message: "3c 21 44 4f".
std::string first_bytes(std::string_view content) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : content.substr(0, 8)) {
    const auto byte = static_cast<unsigned char>(c);
    if (!text.empty()) text += ' ';
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace

void check_image_size(const EncodedFile& file, const char* format, int64_t width, int64_t height) {
  if (width < 1 || height < 1) {
    fail(ErrorCode::bad_file, file.name, ": ", format, " image of ", width, "x", height, " pixels, expected at least 1x1");
  }
  if (width > kMaxImageSide || height > kMaxImageSide || width * height > file.max_pixels) {
    fail(ErrorCode::capacity, file.name, ": ", format, " image of ", width, "x", height, " pixels, expected at most ",
         kMaxImageSide, " a side and ", file.max_pixels, " in all");
  }
}

RgbImage decode_image(const EncodedFile& file) {
  const std::string_view content(reinterpret_cast<const char*>(file.bytes), file.size);
  if (content.starts_with("\xFF\xD8\xFF"sv)) return decode_jpeg(file);
  if (content.starts_with("\x89PNG\r\n\x1A\n"sv)) return decode_png(file);
  if (content.starts_with("RIFF"sv) && content.substr(std::min<size_t>(8, content.size())).starts_with("WEBP"sv)) {
    return decode_webp(file);
  }
  if (content.empty()) fail(ErrorCode::bad_file, file.name, ": empty file, expected a JPEG, PNG or WebP image");
  for (const OtherFormat& other : kOtherFormats) {
    if (content.size() >= other.offset && content.substr(other.offset).starts_with(other.magic)) {
      fail(ErrorCode::unsupported, file.name, ": ", other.name, " images are not supported, expected JPEG, PNG or WebP");
    }
  }
  fail(ErrorCode::bad_file, file.name, ": no known image format starts with the bytes ", first_bytes(content),
       ", expected a JPEG, PNG or WebP image");
}

RgbImage decode_image(const uint8_t* bytes, size_t size, const std::string& name) {
  return decode_image(EncodedFile{bytes, size, name});
}

}  // namespace vila
