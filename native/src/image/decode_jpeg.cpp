// SPDX-License-Identifier: Apache-2.0
// JPEG through libjpeg(-turbo) with the settings that Pillow uses: accurate integer IDCT, smooth ("fancy") chroma upsampling,
// the library's own guess of the colour space.
//
// libjpeg reports errors by longjmp. So that it never jumps over a destructor, setjmp and every call into libjpeg live in the
// member functions of JpegReader that return a Step; their locals are trivial. Nothing that libjpeg calls back throws.
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <new>

#include <jpeglib.h>

#include <jerror.h>

#include "common/error.h"
#include "image/decode.h"

namespace vila {
namespace {

/// Most scans of a progressive file: real ones have about ten, and each costs a pass over all coefficients.
constexpr int kMaxScans = 256;

class JpegReader {
 public:
  enum class Step { done, out_of_data, failed };

  JpegReader(const uint8_t* bytes, size_t size) {
    std::memset(&info_, 0, sizeof info_);
    info_.err = jpeg_std_error(&errors_);
    errors_.error_exit = on_error;
    errors_.emit_message = [](j_common_ptr, int) {};
    errors_.output_message = [](j_common_ptr) {};
    info_.client_data = this;
    source_.next_input_byte = bytes;
    source_.bytes_in_buffer = size;
    source_.init_source = [](j_decompress_ptr) {};
    source_.fill_input_buffer = [](j_decompress_ptr) -> boolean { return FALSE; };
    source_.skip_input_data = skip;
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.term_source = [](j_decompress_ptr) {};
    progress_.progress_monitor = limit_scans;
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  Step read_header() {
    if (setjmp(jump_) != 0) return Step::failed;
    jpeg_create_decompress(&info_);
    info_.src = &source_;
    info_.progress = &progress_;
    return jpeg_read_header(&info_, TRUE) == JPEG_SUSPENDED ? Step::out_of_data : Step::done;
  }

  Step start(J_COLOR_SPACE output) {
    if (setjmp(jump_) != 0) return Step::failed;
    info_.out_color_space = output;
    started_ = jpeg_start_decompress(&info_) != 0;
    return started_ ? Step::done : Step::out_of_data;
  }

  /// Reads one row into `row`, which holds output_width*output_components bytes.
  Step read_row(uint8_t* row) {
    if (setjmp(jump_) != 0) return Step::failed;
    return jpeg_read_scanlines(&info_, &row, 1) == 1 ? Step::done : Step::out_of_data;
  }

  const jpeg_decompress_struct& info() const { return info_; }

  /// Throws the error of the last step, which was not `done`.
  [[noreturn]] void fail_step(Step step, const EncodedFile& file) {
    if (step == Step::out_of_data) {
      if (!started_) fail(ErrorCode::bad_file, file.name, ": truncated JPEG image: ", file.size, " bytes end before any row");
      fail(ErrorCode::bad_file, file.name, ": truncated JPEG image: ", file.size, " bytes end in row ", info_.output_scanline,
           " of ", info_.image_height);
    }
    if (too_many_scans_) fail(ErrorCode::capacity, file.name, ": JPEG image of more than ", kMaxScans, " scans");
    switch (errors_.msg_code) {
      case JERR_EMPTY_IMAGE:
      case JERR_IMAGE_TOO_BIG: check_image_size(file, "JPEG", info_.image_width, info_.image_height); break;
      case JERR_OUT_OF_MEMORY: throw std::bad_alloc();
      case JERR_ARITH_NOTIMPL:
      case JERR_BAD_PRECISION:
      case JERR_COMPONENT_COUNT:
      case JERR_CONVERSION_NOTIMPL:
      case JERR_NOTIMPL:
      case JERR_SOF_UNSUPPORTED: fail(ErrorCode::unsupported, file.name, ": unsupported JPEG image: ", message_); break;
      default: break;
    }
    fail(ErrorCode::bad_file, file.name, ": damaged JPEG image: ", message_);
  }

 private:
  static JpegReader& of(j_common_ptr info) { return *static_cast<JpegReader*>(info->client_data); }

  [[noreturn]] static void on_error(j_common_ptr info) {
    JpegReader& reader = of(info);
    info->err->format_message(info, reader.message_);
    std::longjmp(reader.jump_, 1);
  }

  static void skip(j_decompress_ptr info, long count) {
    if (count <= 0) return;
    const size_t step = std::min(static_cast<size_t>(count), info->src->bytes_in_buffer);
    info->src->next_input_byte += step;
    info->src->bytes_in_buffer -= step;
  }

  static void limit_scans(j_common_ptr info) {
    JpegReader& reader = of(info);
    if (reader.info_.input_scan_number <= kMaxScans) return;
    reader.too_many_scans_ = true;
    std::longjmp(reader.jump_, 1);
  }

  jpeg_decompress_struct info_;
  jpeg_error_mgr errors_{};
  jpeg_source_mgr source_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf jump_{};
  char message_[JMSG_LENGTH_MAX] = {};
  bool started_ = false;
  bool too_many_scans_ = false;
};

/// a*b/255, rounded to nearest.
int multiply_255(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/// Rows of inverted CMYK (Adobe's convention, which Pillow assumes of every four-component JPEG) to RGB:
/// 255-K minus the share of the ink in it.
void cmyk_to_rgb(const uint8_t* cmyk, uint8_t* rgb, int32_t width) {
  for (int32_t x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
    const int light = cmyk[3];
    for (int c = 0; c < 3; ++c) rgb[c] = static_cast<uint8_t>(light - multiply_255(255 - cmyk[c], light));
  }
}

}  // namespace

RgbImage decode_jpeg(const EncodedFile& file) {
  JpegReader reader(file.bytes, file.size);
  const auto check = [&](JpegReader::Step step) {
    if (step != JpegReader::Step::done) reader.fail_step(step, file);
  };
  check(reader.read_header());
  const jpeg_decompress_struct& info = reader.info();
  check_image_size(file, "JPEG", info.image_width, info.image_height);
  const int components = info.num_components;
  if (components != 1 && components != 3 && components != 4) {
    fail(ErrorCode::unsupported, file.name, ": JPEG image of ", components, " components, expected 1, 3 or 4");
  }
  const bool cmyk = components == 4;
  check(reader.start(cmyk ? JCS_CMYK : JCS_RGB));

  RgbImage image{static_cast<int32_t>(info.image_width), static_cast<int32_t>(info.image_height), {}};
  const size_t stride = size_t{3} * info.image_width;
  const size_t total = stride * info.image_height;
  // Memory follows the rows that are really there: a short file may claim any size.
  image.data.reserve(std::min(total, file.size * 1024));
  std::vector<uint8_t> row(cmyk ? size_t{4} * info.image_width : 0);
  for (int32_t y = 0; y < image.height; ++y) {
    image.data.resize(stride * (static_cast<size_t>(y) + 1));
    uint8_t* rgb = image.data.data() + stride * static_cast<size_t>(y);
    check(reader.read_row(cmyk ? row.data() : rgb));
    if (cmyk) cmyk_to_rgb(row.data(), rgb, image.width);
  }
  return image;
}

}  // namespace vila
