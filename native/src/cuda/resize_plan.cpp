// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "common/error.h"
#include "cuda/image_resize.h"
#include "image/decode.h"

namespace vila::cuda {
namespace {

/// An axis as the kernels read it.
struct Axis {
  std::vector<AxisSpan> spans;
  std::vector<int32_t> weights;
};

/// Outputs first .. first+count-1 of `in` positions that become `out`. An axis that keeps its size has the weight 1 everywhere,
/// which gives every byte back.
Axis axis_of(int32_t in, int32_t out, int32_t first, int32_t count) {
  constexpr int32_t kOne = 1 << 22;
  Axis axis;
  axis.spans.reserve(static_cast<size_t>(count));
  if (in == out) {
    axis.weights = {kOne};
    for (int32_t i = first; i < first + count; ++i) axis.spans.push_back({i, 1, 0});
    return axis;
  }
  const AxisWeights halves = bicubic_weights(in, out, first, count);
  for (const AxisWeights::Span& span : halves.spans) {
    axis.spans.push_back({span.start, span.count, static_cast<int32_t>(axis.weights.size())});
    for (size_t i = span.offset; i < span.offset + static_cast<size_t>(span.count); ++i) {
      axis.weights.push_back(halves.high[i] * 4096 + halves.low[i]);
    }
  }
  return axis;
}

bool inside(int32_t start, int32_t count, int32_t whole) { return start >= 0 && count >= 1 && int64_t{start} + count <= whole; }

}  // namespace

ResizePlan::ResizePlan(int32_t width, int32_t height, const Placement& placement)
    : width_(width), height_(height), placement_(placement) {
  const CanvasShape& canvas = placement.canvas;
  const Window& window = placement.window;
  if (!inside(canvas.left, width, canvas.width) || !inside(canvas.top, height, canvas.height) ||
      std::max(canvas.width, canvas.height) > kMaxImageSide) {
    fail(ErrorCode::invalid_argument, "resize_image: image of ", width, "x", height, " pixels at ", canvas.left, ",", canvas.top,
         ", expected it inside the canvas of ", canvas.width, "x", canvas.height, " with sides of at most ", kMaxImageSide);
  }
  if (!inside(window.x, window.width, placement.width) || !inside(window.y, window.height, placement.height) ||
      std::max(window.width, window.height) > kMaxImageSide) {
    fail(ErrorCode::invalid_argument, "resize_image: window of ", window.width, "x", window.height, " pixels at ", window.x, ",",
         window.y, ", expected it inside the result of ", placement.width, "x", placement.height, " with sides of at most ",
         kMaxImageSide);
  }
  if (int64_t{window.width} * window.height > kMaxImagePixels) {
    fail(ErrorCode::capacity, "resize_image: window of ", window.width, "x", window.height, " pixels, expected at most ",
         kMaxImagePixels, " in all");
  }
  const Axis columns = axis_of(canvas.width, placement.width, window.x, window.width);
  Axis rows = axis_of(canvas.height, placement.height, window.y, window.height);
  first_row_ = rows.spans.front().start;
  rows_ = rows.spans.back().start + rows.spans.back().count - first_row_;
  for (AxisSpan& span : rows.spans) span.start -= first_row_;
  for (const Axis* axis : {&columns, static_cast<const Axis*>(&rows)}) {
    for (const AxisSpan& span : axis->spans) tables_.insert(tables_.end(), {span.start, span.count, span.weight});
  }
  column_weights_ = tables_.size();
  tables_.insert(tables_.end(), columns.weights.begin(), columns.weights.end());
  row_weights_ = tables_.size();
  tables_.insert(tables_.end(), rows.weights.begin(), rows.weights.end());
}

size_t ResizePlan::workspace_bytes() const { return static_cast<size_t>(rows_) * static_cast<size_t>(placement_.window.width) * 3; }

size_t ResizePlan::result_bytes() const {
  return static_cast<size_t>(placement_.window.height) * static_cast<size_t>(placement_.window.width) * 3;
}

PixelLevels pixel_levels(const PreprocessSpec& spec) {
  PixelLevels levels;
  for (size_t channel = 0; channel < 3; ++channel) {
    const std::array<float, 256> level = normalized_levels(spec, channel);
    std::copy(level.begin(), level.end(), levels.level[channel]);
  }
  return levels;
}

}  // namespace vila::cuda
