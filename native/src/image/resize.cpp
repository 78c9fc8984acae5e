// SPDX-License-Identifier: Apache-2.0
#include "image/resize.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "common/error.h"
#include "image/decode.h"

namespace vila {
namespace {

constexpr int kFractionBits = 22;
constexpr int32_t kHalf = 1 << (kFractionBits - 1);
/// Bytes of the horizontal pass that are kept at a time.
constexpr int64_t kStripBytes = int64_t{64} << 20;

/// Keys' cubic convolution kernel with a = -0.5.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

constexpr int kHighShift = 12;

/// The byte of a sum of products with high and low halves of weights. Sums are taken modulo 2^32; the whole fits into 32 bits.
uint8_t to_byte(uint32_t high, uint32_t low) {
  const auto sum = static_cast<int32_t>((high << kHighShift) + low + kHalf);
  return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

/// A row of RGB as three rows of 16-bit values, with room for the zero weights behind the last pixel.
class PlanarRow {
 public:
  PlanarRow(int32_t width, std::array<uint8_t, 3> color) {
    for (size_t c = 0; c < 3; ++c) planes_[c].resize(static_cast<size_t>(width) + AxisWeights::kLanes, color[c]);
  }
  /// Replaces `count` pixels from `left` on.
  void assign(int32_t left, int32_t count, const uint8_t* rgb) {
    int16_t *red = planes_[0].data() + left, *green = planes_[1].data() + left, *blue = planes_[2].data() + left;
    for (ptrdiff_t x = 0; x < count; ++x) {
      red[x] = rgb[3 * x];
      green[x] = rgb[3 * x + 1];
      blue[x] = rgb[3 * x + 2];
    }
  }
  const int16_t* plane(size_t channel) const { return planes_[channel].data(); }

 private:
  std::array<std::vector<int16_t>, 3> planes_;
};

/// The products of one span in one plane: sums with the high and low halves of the weights.
struct Sums {
  uint32_t high = 0, low = 0;
};

/// `count` (a multiple of kLanes, at most kMaxTaps) values of three planes times their weights, added to `sums`.
void add_products(const int16_t* red, const int16_t* green, const int16_t* blue, const int16_t* high, const int16_t* low,
                  int32_t count, Sums (&sums)[3]) {
  int32_t red_high = 0, red_low = 0, green_high = 0, green_low = 0, blue_high = 0, blue_low = 0;
  const int32_t blocks = count / AxisWeights::kLanes;
  for (int32_t i = 0; i < blocks * AxisWeights::kLanes; ++i) {
    red_high += red[i] * high[i];
    red_low += red[i] * low[i];
    green_high += green[i] * high[i];
    green_low += green[i] * low[i];
    blue_high += blue[i] * high[i];
    blue_low += blue[i] * low[i];
  }
  sums[0].high += static_cast<uint32_t>(red_high);
  sums[0].low += static_cast<uint32_t>(red_low);
  sums[1].high += static_cast<uint32_t>(green_high);
  sums[1].low += static_cast<uint32_t>(green_low);
  sums[2].high += static_cast<uint32_t>(blue_high);
  sums[2].low += static_cast<uint32_t>(blue_low);
}

/// Products of 255 and 2048 that fit into a signed 32-bit sum.
constexpr int32_t kMaxTaps = 4096;

/// One row to the RGB values of spans first .. last-1; `out` is that of span 0.
void resize_row(const PlanarRow& in, const AxisWeights& axis, size_t first, size_t last, uint8_t* out) {
  for (size_t i = first; i < last; ++i) {
    const AxisWeights::Span& span = axis.spans[i];
    Sums sums[3];
    const int32_t padded = (span.count + AxisWeights::kLanes - 1) / AxisWeights::kLanes * AxisWeights::kLanes;
    for (int32_t at = 0; at < padded; at += kMaxTaps) {
      const ptrdiff_t x = span.start + at;
      const size_t weight = span.offset + static_cast<size_t>(at);
      add_products(in.plane(0) + x, in.plane(1) + x, in.plane(2) + x, axis.high.data() + weight, axis.low.data() + weight,
                   std::min(kMaxTaps, padded - at), sums);
    }
    for (size_t c = 0; c < 3; ++c) out[3 * i + c] = to_byte(sums[c].high, sums[c].low);
  }
}

/// The weights of an axis that keeps its size: none, and one span per position.
AxisWeights identity(int32_t first, int32_t count) {
  AxisWeights axis;
  axis.spans.resize(static_cast<size_t>(count));
  for (int32_t i = 0; i < count; ++i) axis.spans[static_cast<size_t>(i)] = {first + i, 1, 0};
  return axis;
}

/// The horizontal pass: rows of a canvas to rows of the window's columns.
class HorizontalPass {
 public:
  HorizontalPass(const Canvas& canvas, int32_t width, const Window& window)
      : canvas_(canvas),
        axis_(canvas.width != width ? bicubic_weights(canvas.width, width, window.x, window.width)
                                    : identity(window.x, window.width)),
        copies_(canvas.width == width),
        row_(copies_ ? 0 : canvas.width, canvas.color),
        blank_(static_cast<size_t>(window.width) * 3) {
    const int32_t left = canvas.left, right = canvas.left + canvas.image.width;
    const auto begin = axis_.spans.begin(), end = axis_.spans.end();
    const auto first = std::partition_point(begin, end, [left](const auto& span) { return span.start + span.count <= left; });
    const auto last = std::partition_point(first, end, [right](const auto& span) { return span.start < right; });
    first_ = static_cast<size_t>(first - begin);
    last_ = static_cast<size_t>(last - begin);
    if (copies_) {
      for (size_t i = 0; i < blank_.size(); ++i) blank_[i] = canvas.color[i % 3];
    } else {
      resize_row(row_, axis_, 0, axis_.spans.size(), blank_.data());
    }
  }

  /// Row `y` of the canvas to `out` (3 bytes per column of the window). Only columns that see the image are computed anew.
  void run(int32_t y, uint8_t* out) {
    std::copy(blank_.begin(), blank_.end(), out);
    const RgbImage& image = canvas_.image;
    if (y < canvas_.top || y >= canvas_.top + image.height) return;
    const uint8_t* in = image.data.data() + static_cast<size_t>(y - canvas_.top) * static_cast<size_t>(image.width) * 3;
    if (copies_) {
      if (first_ == last_) return;
      const auto x = static_cast<size_t>(axis_.spans[first_].start - canvas_.left);
      std::copy_n(in + 3 * x, 3 * (last_ - first_), out + 3 * first_);
    } else {
      row_.assign(canvas_.left, image.width, in);
      resize_row(row_, axis_, first_, last_, out);
    }
  }

 private:
  const Canvas& canvas_;
  AxisWeights axis_;
  bool copies_;  ///< the axis keeps its size
  PlanarRow row_;
  std::vector<uint8_t> blank_;   ///< the result of a row without the image
  size_t first_ = 0, last_ = 0;  ///< the columns that see the image
};

/// The weighted sum of `span.count` rows of `stride` bytes, the first of them at `rows`.
class ColumnSums {
 public:
  explicit ColumnSums(size_t stride) : stride_(stride), sums_(stride) {}
  void resize(const uint8_t* rows, const AxisWeights& axis, const AxisWeights::Span& span, uint8_t* out) {
    std::fill(sums_.begin(), sums_.end(), kHalf);
    for (int32_t i = 0; i < span.count; ++i, rows += stride_) {
      const size_t at = span.offset + static_cast<size_t>(i);
      const int32_t weight = axis.high[at] * (1 << kHighShift) + axis.low[at];
      for (size_t x = 0; x < stride_; ++x) sums_[x] += weight * rows[x];
    }
    for (size_t x = 0; x < stride_; ++x) out[x] = static_cast<uint8_t>(std::clamp(sums_[x] >> kFractionBits, 0, 255));
  }

 private:
  size_t stride_;
  std::vector<int32_t> sums_;
};

/// resize_window() without bounds, all of the horizontal pass kept at once. Writes into `out`, whose rows are `out_stride` apart.
void resize_strip(const Canvas& canvas, int32_t width, int32_t height, const Window& window, uint8_t* out, size_t out_stride) {
  const bool vertical = canvas.height != height;
  const AxisWeights rows =
      vertical ? bicubic_weights(canvas.height, height, window.y, window.height) : identity(window.y, window.height);
  const int32_t first_row = rows.spans.front().start;
  const int32_t last_row = rows.spans.back().start + rows.spans.back().count;
  const size_t stride = static_cast<size_t>(window.width) * 3;
  HorizontalPass horizontal(canvas, width, window);
  std::vector<uint8_t> narrow(stride * static_cast<size_t>(last_row - first_row));
  for (int32_t y = first_row; y < last_row; ++y) horizontal.run(y, narrow.data() + stride * static_cast<size_t>(y - first_row));

  ColumnSums sums(stride);
  for (size_t y = 0; y < rows.spans.size(); ++y) {
    const AxisWeights::Span& span = rows.spans[y];
    const uint8_t* in = narrow.data() + stride * static_cast<size_t>(span.start - first_row);
    uint8_t* target = out + y * out_stride;
    if (vertical) {
      sums.resize(in, rows, span, target);
    } else {
      std::copy_n(in, stride, target);
    }
  }
}

}  // namespace

AxisWeights bicubic_weights(int32_t in, int32_t out, int32_t first, int32_t count) {
  const double scale = static_cast<double>(in) / out;
  const double stretch = std::max(scale, 1.0);
  const double support = 2.0 * stretch;
  const double inverse = 1.0 / stretch;
  AxisWeights axis;
  axis.spans.reserve(static_cast<size_t>(count));
  std::vector<double> values;
  for (int32_t i = first; i < first + count; ++i) {
    const double center = (i + 0.5) * scale;
    const auto begin = static_cast<int32_t>(std::max(0.0, center - support + 0.5));
    const auto end = static_cast<int32_t>(std::min(static_cast<double>(in), center + support + 0.5));
    axis.spans.push_back({begin, end - begin, axis.high.size()});
    values.clear();
    double sum = 0;
    for (int32_t j = begin; j < end; ++j) {
      values.push_back(cubic((j - center + 0.5) * inverse));
      sum += values.back();
    }
    for (const double value : values) {
      const double exact = value / sum * (1 << kFractionBits);
      const auto weight = static_cast<int32_t>(exact + (exact < 0 ? -0.5 : 0.5));
      const int32_t high = (weight + (1 << (kHighShift - 1))) >> kHighShift;
      axis.high.push_back(static_cast<int16_t>(high));
      axis.low.push_back(static_cast<int16_t>(weight - high * (1 << kHighShift)));
    }
    const size_t lanes = AxisWeights::kLanes;
    axis.high.resize((axis.high.size() + lanes - 1) / lanes * lanes);
    axis.low.resize(axis.high.size());
  }
  return axis;
}

CanvasShape canvas_alone(int32_t width, int32_t height) { return {width, height, 0, 0, {}}; }

CanvasShape square_canvas(int32_t width, int32_t height, std::array<uint8_t, 3> around) {
  const int32_t side = std::max(width, height);
  return {side, side, (side - width) / 2, (side - height) / 2, around};
}

RgbImage resize_window(const Canvas& canvas, int32_t width, int32_t height, const Window& window) {
  if (int64_t{window.width} * window.height > kMaxImagePixels) {
    fail(ErrorCode::capacity, "resize to ", window.width, "x", window.height, " pixels, expected at most ", kMaxImagePixels,
         " in all");
  }
  const size_t stride = static_cast<size_t>(window.width) * 3;
  RgbImage result{window.width, window.height, std::vector<uint8_t>(stride * static_cast<size_t>(window.height))};
  // Strips of columns bound the memory of the horizontal pass, which has as many rows as the canvas.
  const auto strip = static_cast<int32_t>(std::clamp<int64_t>(kStripBytes / 3 / canvas.height, 1, window.width));
  for (int32_t x = 0; x < window.width; x += strip) {
    const Window part{window.x + x, window.y, std::min(strip, window.width - x), window.height};
    resize_strip(canvas, width, height, part, result.data.data() + static_cast<size_t>(x) * 3, stride);
  }
  return result;
}

RgbImage resize_bicubic(const RgbImage& image, int32_t width, int32_t height) {
  if (width < 1 || height < 1 || width > kMaxImageSide || height > kMaxImageSide) {
    fail(ErrorCode::invalid_argument, "resize to ", width, "x", height, " pixels, expected sides of 1 to ", kMaxImageSide);
  }
  if (width == image.width && height == image.height) return image;
  return resize_window(Canvas(image), width, height, {0, 0, width, height});
}

}  // namespace vila
