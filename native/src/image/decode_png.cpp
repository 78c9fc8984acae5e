// SPDX-License-Identifier: Apache-2.0
// PNG through libpng, with the values that Pillow's convert("RGB") gives:
//   - grayscale of 1, 2, 4 bits is scaled to 0..255; grayscale of 16 bits (Pillow's mode "I;16") is clipped at 255, not scaled;
//   - colour and gray with alpha of 16 bits keep the high byte;
//   - alpha and tRNS are dropped without compositing: the colour under a transparent pixel stays;
//   - a palette index beyond the palette is black; gamma, colour profiles and background are ignored.
//
// libpng reports errors by longjmp. So that it never jumps over a destructor, setjmp and every call into libpng that may fail
// live in the member functions of PngReader that return bool; their locals are trivial. Nothing that libpng calls back throws.
#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <new>

#include "common/error.h"
#include "image/decode.h"

namespace vila {
namespace {

/// What the IHDR chunk says, as far as it is needed before libpng sees the file.
struct PngHeader {
  uint32_t width = 0, height = 0;
  int bit_depth = 0;
  int color_type = 0;
};

constexpr size_t kHeaderEnd = 8 + 8 + 13;  // signature, chunk length and name, IHDR

uint32_t big_endian(const uint8_t* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

PngHeader read_png_header(const EncodedFile& file) {
  if (file.size < kHeaderEnd)
    fail(ErrorCode::bad_file, file.name, ": truncated PNG image: ", file.size, " bytes end before any row");
  if (std::memcmp(file.bytes + 8, "\0\0\0\x0DIHDR", 8) != 0) {
    fail(ErrorCode::bad_file, file.name, ": damaged PNG image: does not begin with an IHDR chunk of 13 bytes");
  }
  return {big_endian(file.bytes + 16), big_endian(file.bytes + 20), file.bytes[24], file.bytes[25]};
}

class PngReader {
 public:
  PngReader(const uint8_t* bytes, size_t size) : bytes_(bytes), size_(size) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, [](png_structp, png_const_charp) {});
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw std::bad_alloc();
    }
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  /// Reads up to the first IDAT chunk and settles the form of the rows: one byte (two for 16-bit grayscale) per sample.
  bool read_header() {
    if (setjmp(jump_) != 0) return false;
    png_set_read_fn(png_, this, read);
    png_set_user_limits(png_, static_cast<png_uint_32>(kMaxImageSide), static_cast<png_uint_32>(kMaxImageSide));
    // Chunks that do not change the pixels are skipped unread: profiles, text, EXIF.
    static constexpr png_byte kSkipped[] =
        "bKGD\0cHRM\0eXIf\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0sRGB\0tEXt\0tIME\0tRNS\0zTXt";
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, kSkipped, sizeof kSkipped / 5);
    png_read_info(png_, info_);
    png_set_packing(png_);
    if (png_get_color_type(png_, info_) != PNG_COLOR_TYPE_GRAY) png_set_strip_16(png_);
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    row_bytes_ = png_get_rowbytes(png_, info_);
    png_get_PLTE(png_, info_, &palette_, &palette_size_);
    return true;
  }

  /// Reads the next row of the current pass into `row` (row_bytes() bytes; in an interlaced file it must hold what earlier
  /// passes left there).
  bool read_row(uint8_t* row) {
    if (setjmp(jump_) != 0) return false;
    png_read_row(png_, row, nullptr);
    return true;
  }

  int passes() const { return passes_; }
  size_t row_bytes() const { return row_bytes_; }
  int channels() const { return png_get_channels(png_, info_); }
  int bit_depth() const { return png_get_bit_depth(png_, info_); }

  /// The palette as 256 RGB colours, black where the file has none.
  std::array<std::array<uint8_t, 3>, 256> palette() const {
    std::array<std::array<uint8_t, 3>, 256> colors{};
    for (int i = 0; i < palette_size_; ++i) colors[static_cast<size_t>(i)] = {palette_[i].red, palette_[i].green, palette_[i].blue};
    return colors;
  }

  /// Throws the error that made the last call return false; `row` < 0 before the first row.
  [[noreturn]] void fail_read(const EncodedFile& file, int64_t row, int64_t rows) const {
    if (out_of_data_ && row < 0) {
      fail(ErrorCode::bad_file, file.name, ": truncated PNG image: ", file.size, " bytes end before any row");
    }
    if (out_of_data_) {
      fail(ErrorCode::bad_file, file.name, ": truncated PNG image: ", file.size, " bytes end in row ", row, " of ", rows);
    }
    fail(ErrorCode::bad_file, file.name, ": damaged PNG image: ", message_);
  }

 private:
  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    PngReader& reader = *static_cast<PngReader*>(png_get_error_ptr(png));
    std::snprintf(reader.message_, sizeof reader.message_, "%s", message);
    std::longjmp(reader.jump_, 1);
  }

  static void read(png_structp png, png_bytep out, size_t count) {
    PngReader& reader = *static_cast<PngReader*>(png_get_io_ptr(png));
    if (count > reader.size_ - reader.position_) {
      reader.out_of_data_ = true;
      std::longjmp(reader.jump_, 1);
    }
    std::memcpy(out, reader.bytes_ + reader.position_, count);
    reader.position_ += count;
  }

  const uint8_t* bytes_;
  size_t size_;
  size_t position_ = 0;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  png_colorp palette_ = nullptr;
  int palette_size_ = 0;
  int passes_ = 1;
  size_t row_bytes_ = 0;
  std::jmp_buf jump_{};
  char message_[256] = {};
  bool out_of_data_ = false;
};

/// Turns rows as PngReader gives them into RGB.
class RowConverter {
 public:
  RowConverter(const PngReader& reader, const PngHeader& header) : channels_(reader.channels()), wide_(reader.bit_depth() == 16) {
    if (header.color_type == PNG_COLOR_TYPE_PALETTE) {
      colors_ = reader.palette();
    } else {
      const int scale = header.bit_depth < 8 ? 255 / ((1 << header.bit_depth) - 1) : 1;
      for (int i = 0; i < 256; ++i) {
        const auto level = static_cast<uint8_t>(std::min(255, i * scale));
        colors_[static_cast<size_t>(i)] = {level, level, level};
      }
    }
  }

  void convert(const uint8_t* row, uint8_t* rgb, int32_t width) const {
    for (int32_t x = 0; x < width; ++x, rgb += 3) {
      if (wide_) {
        std::memset(rgb, row[2 * x] == 0 ? row[2 * x + 1] : 255, 3);
      } else if (channels_ >= 3) {
        std::memcpy(rgb, row + static_cast<ptrdiff_t>(channels_) * x, 3);
      } else {
        std::memcpy(rgb, colors_[row[static_cast<ptrdiff_t>(channels_) * x]].data(), 3);
      }
    }
  }

 private:
  int channels_;
  bool wide_;                                         ///< 16-bit grayscale
  std::array<std::array<uint8_t, 3>, 256> colors_{};  ///< of palette indices or gray levels
};

}  // namespace

RgbImage decode_png(const EncodedFile& file) {
  const PngHeader header = read_png_header(file);
  check_image_size(file, "PNG", header.width, header.height);
  PngReader reader(file.bytes, file.size);
  if (!reader.read_header()) reader.fail_read(file, -1, header.height);
  const auto width = static_cast<int32_t>(header.width);
  const auto height = static_cast<int32_t>(header.height);
  const size_t rows = header.height;
  // Deflate makes at most 1032 bytes of one: a file too short for its pixels is refused before memory is taken for them.
  const uint64_t packed_row = reader.row_bytes() * static_cast<uint64_t>(std::min(header.bit_depth, 8)) / 8;
  if (packed_row * rows / 1032 > file.size) {
    fail(ErrorCode::bad_file, file.name, ": truncated PNG image: ", file.size, " bytes cannot hold ", width, "x", height,
         " pixels");
  }

  const RowConverter converter(reader, header);
  RgbImage image{width, height, std::vector<uint8_t>(size_t{3} * header.width * rows)};
  const size_t stride = size_t{3} * header.width;
  const bool interlaced = reader.passes() > 1;
  std::vector<uint8_t> native(reader.row_bytes() * (interlaced ? rows : 1));
  for (int pass = 0; pass < reader.passes(); ++pass) {
    for (size_t y = 0; y < rows; ++y) {
      uint8_t* row = native.data() + (interlaced ? y * reader.row_bytes() : 0);
      if (!reader.read_row(row)) reader.fail_read(file, static_cast<int64_t>(y), height);
      if (!interlaced) converter.convert(row, image.data.data() + y * stride, width);
    }
  }
  for (size_t y = 0; interlaced && y < rows; ++y) {
    converter.convert(native.data() + y * reader.row_bytes(), image.data.data() + y * stride, width);
  }
  return image;
}

}  // namespace vila
