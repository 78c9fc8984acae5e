// SPDX-License-Identifier: Apache-2.0
// WebP through libwebp: lossy and lossless, without or with the extended header; of an animation the first frame on its canvas,
// which starts out black as in Pillow. Alpha is dropped without compositing.
#include <webp/decode.h>
#include <webp/demux.h>

#include <algorithm>
#include <memory>
#include <new>
#include <string_view>

#include "common/error.h"
#include "image/decode.h"

namespace vila {
namespace {

struct DeleteDemuxer {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};

/// Releases a frame iterator at the end of scope.
struct FrameIterator {
  WebPIterator frame{};
  FrameIterator() = default;
  ~FrameIterator() { WebPDemuxReleaseIterator(&frame); }
  FrameIterator(const FrameIterator&) = delete;
  FrameIterator& operator=(const FrameIterator&) = delete;
};

[[noreturn]] void fail_decode(const EncodedFile& file, VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY: throw std::bad_alloc();
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      fail(ErrorCode::bad_file, file.name, ": truncated WebP image: ", file.size, " bytes end before its last row");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      fail(ErrorCode::unsupported, file.name, ": WebP image with a feature that libwebp does not support");
    default: fail(ErrorCode::bad_file, file.name, ": damaged WebP image: its picture data cannot be decoded");
  }
}

}  // namespace

RgbImage decode_webp(const EncodedFile& file) {
  const std::string_view kind(reinterpret_cast<const char*>(file.bytes) + 12, std::min<size_t>(4, file.size - 12));
  if (kind.size() == 4 && kind != "VP8 " && kind != "VP8L" && kind != "VP8X") {
    fail(ErrorCode::bad_file, file.name, ": damaged WebP image: does not begin with a VP8, VP8L or VP8X chunk");
  }
  const WebPData data{file.bytes, file.size};
  WebPDemuxState state = WEBP_DEMUX_PARSE_ERROR;
  const std::unique_ptr<WebPDemuxer, DeleteDemuxer> demuxer(WebPDemuxPartial(&data, &state));
  if (state == WEBP_DEMUX_PARSE_ERROR)
    fail(ErrorCode::bad_file, file.name, ": damaged WebP image: its chunks contradict each other");
  if (state != WEBP_DEMUX_DONE)
    fail(ErrorCode::bad_file, file.name, ": truncated WebP image: ", file.size, " bytes end before its last chunk");
  if (demuxer == nullptr) throw std::bad_alloc();

  const int64_t width = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH);
  const int64_t height = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT);
  check_image_size(file, "WebP", width, height);
  FrameIterator iterator;
  if (WebPDemuxGetFrame(demuxer.get(), 1, &iterator.frame) == 0) {
    fail(ErrorCode::bad_file, file.name, ": damaged WebP image: holds no picture");
  }
  const WebPIterator& frame = iterator.frame;
  if (frame.x_offset < 0 || frame.y_offset < 0 || frame.width < 1 || frame.height < 1 ||
      frame.x_offset + int64_t{frame.width} > width || frame.y_offset + int64_t{frame.height} > height) {
    fail(ErrorCode::bad_file, file.name, ": damaged WebP image: its first frame lies outside the canvas of ", width, "x", height);
  }

  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) fail(ErrorCode::internal, "libwebp is not of the version it was compiled for");
  const VP8StatusCode features = WebPGetFeatures(frame.fragment.bytes, frame.fragment.size, &config.input);
  if (features != VP8_STATUS_OK) fail_decode(file, features);
  if (config.input.width != frame.width || config.input.height != frame.height) {
    fail(ErrorCode::bad_file, file.name, ": damaged WebP image: frame of ", frame.width, "x", frame.height, " holds a picture of ",
         config.input.width, "x", config.input.height);
  }

  RgbImage image{static_cast<int32_t>(width), static_cast<int32_t>(height),
                 std::vector<uint8_t>(static_cast<size_t>(width * height * 3))};
  const size_t offset =
      (static_cast<size_t>(frame.y_offset) * static_cast<size_t>(width) + static_cast<size_t>(frame.x_offset)) * 3;
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = image.data.data() + offset;
  config.output.u.RGBA.stride = static_cast<int>(width * 3);
  config.output.u.RGBA.size = image.data.size() - offset;
  const VP8StatusCode status = WebPDecode(frame.fragment.bytes, frame.fragment.size, &config);
  if (status != VP8_STATUS_OK) fail_decode(file, status);
  return image;
}

}  // namespace vila
