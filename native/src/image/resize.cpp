// SPDX-License-Identifier: Apache-2.0
#include "image/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

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

uint8_t to_byte(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255)); }

/// One row of RGB, starting at input position `first`, to one value per span.
void resize_row(const uint8_t* in, const AxisWeights& axis, uint8_t* out) {
  for (const AxisWeights::Span& span : axis.spans) {
    const uint8_t* pixel = in + static_cast<ptrdiff_t>(span.start) * 3;
    const int32_t* weight = axis.weights.data() + span.offset;
    int32_t red = kHalf, green = kHalf, blue = kHalf;
    for (int32_t i = 0; i < span.count; ++i, pixel += 3) {
      red += weight[i] * pixel[0];
      green += weight[i] * pixel[1];
      blue += weight[i] * pixel[2];
    }
    out[0] = to_byte(red);
    out[1] = to_byte(green);
    out[2] = to_byte(blue);
    out += 3;
  }
}

/// The weighted sum of `span.count` rows of `stride` bytes, the first of them at `rows`.
void resize_column(const uint8_t* rows, size_t stride, const AxisWeights::Span& span, const int32_t* weights,
                   std::vector<int32_t>& sums, uint8_t* out) {
  std::fill(sums.begin(), sums.end(), kHalf);
  for (int32_t i = 0; i < span.count; ++i, rows += stride) {
    const int32_t weight = weights[i];
    for (size_t x = 0; x < stride; ++x) sums[x] += weight * rows[x];
  }
  for (size_t x = 0; x < stride; ++x) out[x] = to_byte(sums[x]);
}

/// The weights of an axis that keeps its size: none, and one span per position.
AxisWeights identity(int32_t first, int32_t count) {
  AxisWeights axis;
  axis.spans.resize(static_cast<size_t>(count));
  for (int32_t i = 0; i < count; ++i) axis.spans[static_cast<size_t>(i)] = {first + i, 1, 0};
  return axis;
}

/// resize_window() without bounds, all of the horizontal pass kept at once. Writes into `out`, whose rows are `out_stride` apart.
void resize_strip(const RowSource& source, int32_t width, int32_t height, const Window& window, uint8_t* out, size_t out_stride) {
  const bool horizontal = source.width != width, vertical = source.height != height;
  const AxisWeights columns = horizontal ? bicubic_weights(source.width, width, window.x, window.width) : AxisWeights{};
  const AxisWeights rows =
      vertical ? bicubic_weights(source.height, height, window.y, window.height) : identity(window.y, window.height);
  const int32_t first_row = rows.spans.front().start;
  const int32_t last_row = rows.spans.back().start + rows.spans.back().count;
  const size_t stride = static_cast<size_t>(window.width) * 3;

  std::vector<uint8_t> narrow(stride * static_cast<size_t>(last_row - first_row));
  for (int32_t y = first_row; y < last_row; ++y) {
    const uint8_t* in = source.row(y);
    uint8_t* target = narrow.data() + stride * static_cast<size_t>(y - first_row);
    if (horizontal) {
      resize_row(in, columns, target);
    } else {
      std::memcpy(target, in + static_cast<ptrdiff_t>(window.x) * 3, stride);
    }
  }

  std::vector<int32_t> sums(stride);
  for (size_t y = 0; y < rows.spans.size(); ++y) {
    const AxisWeights::Span& span = rows.spans[y];
    const uint8_t* in = narrow.data() + stride * static_cast<size_t>(span.start - first_row);
    uint8_t* target = out + y * out_stride;
    if (vertical) {
      resize_column(in, stride, span, rows.weights.data() + span.offset, sums, target);
    } else {
      std::memcpy(target, in, stride);
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
    axis.spans.push_back({begin, end - begin, axis.weights.size()});
    values.clear();
    double sum = 0;
    for (int32_t j = begin; j < end; ++j) {
      values.push_back(cubic((j - center + 0.5) * inverse));
      sum += values.back();
    }
    for (const double value : values) {
      const double weight = value / sum * (1 << kFractionBits);
      axis.weights.push_back(static_cast<int32_t>(weight + (weight < 0 ? -0.5 : 0.5)));
    }
  }
  return axis;
}

RowSource rows_of(const RgbImage& image) {
  return {image.width, image.height,
          [&image](int32_t y) { return image.data.data() + static_cast<size_t>(y) * static_cast<size_t>(image.width) * 3; }};
}

RgbImage resize_window(const RowSource& source, int32_t width, int32_t height, const Window& window) {
  if (int64_t{window.width} * window.height > kMaxImagePixels) {
    fail(ErrorCode::capacity, "resize to ", window.width, "x", window.height, " pixels, expected at most ", kMaxImagePixels,
         " in all");
  }
  const size_t stride = static_cast<size_t>(window.width) * 3;
  RgbImage result{window.width, window.height, std::vector<uint8_t>(stride * static_cast<size_t>(window.height))};
  // Strips of columns bound the memory of the horizontal pass, which has as many rows as the source.
  const auto strip = static_cast<int32_t>(std::clamp<int64_t>(kStripBytes / 3 / source.height, 1, window.width));
  for (int32_t x = 0; x < window.width; x += strip) {
    const Window part{window.x + x, window.y, std::min(strip, window.width - x), window.height};
    resize_strip(source, width, height, part, result.data.data() + static_cast<size_t>(x) * 3, stride);
  }
  return result;
}

RgbImage resize_bicubic(const RgbImage& image, int32_t width, int32_t height) {
  if (width < 1 || height < 1 || width > kMaxImageSide || height > kMaxImageSide) {
    fail(ErrorCode::invalid_argument, "resize to ", width, "x", height, " pixels, expected sides of 1 to ", kMaxImageSide);
  }
  if (width == image.width && height == image.height) return image;
  return resize_window(rows_of(image), width, height, {0, 0, width, height});
}

}  // namespace vila
