// SPDX-License-Identifier: Apache-2.0
// Which frames of a video a model looks at. The arithmetic is that of numpy's linspace and arange in double precision, step by
// step, because a product one bit off would drop to the frame before.
#include <algorithm>
#include <cmath>
#include <limits>

#include "common/error.h"
#include "vila/vila.h"

namespace vila {
namespace {

using Indices = std::vector<int32_t>;

constexpr int32_t kBlack = -1;

/// numpy.linspace(0, last, count).
std::vector<double> spread(int64_t last, int32_t count) {
  std::vector<double> points;
  const double end = static_cast<double>(last), step = count > 1 ? end / (count - 1) : 0;
  for (int32_t i = 0; i < count; ++i) points.push_back(i * step);
  if (count > 1) points.back() = end;
  return points;
}

Indices truncated(const VideoSampling& sampling, int64_t frame_count) {
  Indices indices;
  if (frame_count > sampling.frames) {
    for (const double point : spread(frame_count - 2, sampling.frames)) indices.push_back(static_cast<int32_t>(point));
    return indices;
  }
  if (frame_count == 1 && sampling.frames > 1) {
    fail(ErrorCode::invalid_argument, "video: 1 frame to be shown as ", sampling.frames,
         ", expected 2 frames or more (one is an image)");
  }
  indices.assign(static_cast<size_t>(sampling.frames - frame_count), kBlack);
  for (int32_t i = 0; i < frame_count; ++i) indices.push_back(i);
  return indices;
}

Indices rounded(const VideoSampling& sampling, int64_t frame_count, double video_fps) {
  Indices indices;
  if (sampling.fps > 0 && video_fps > 0) {
    const double duration = static_cast<double>(frame_count) / video_fps, step = 1.0 / sampling.fps;
    const double count = std::min<double>(std::ceil(duration / step), sampling.frames);
    for (int32_t i = 0; i < count; ++i) {
      const double frame = i * step * video_fps;
      if (frame < static_cast<double>(frame_count)) indices.push_back(static_cast<int32_t>(frame));
    }
    return indices;
  }
  for (const double point : spread(frame_count - 1, sampling.frames)) {
    const double below = std::floor(point), fraction = point - below;
    const bool up = fraction > 0.5 || (fraction == 0.5 && std::fmod(below, 2) != 0);
    indices.push_back(static_cast<int32_t>(below) + (up ? 1 : 0));
  }
  return indices;
}

}  // namespace

std::vector<int32_t> VideoSampling::frame_indices(int64_t frame_count, double video_fps) const {
  if (rule != FrameRule::truncated && rule != FrameRule::rounded) {
    fail(ErrorCode::invalid_argument, "video: rule is ", static_cast<int>(rule), ", expected 0 (truncated) or 1 (rounded)");
  }
  if (frames < 1 || frames > kMaxFrames) {
    fail(ErrorCode::invalid_argument, "video: ", frames, " frames to show, expected 1 to ", kMaxFrames);
  }
  if (!(fps >= 0 && fps <= kMaxFps)) {
    fail(ErrorCode::invalid_argument, "video: ", fps, " frames a second to show, expected 0 to ", kMaxFps);
  }
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  if (frame_count < 1 || frame_count > kMost) {
    fail(ErrorCode::invalid_argument, "video: ", frame_count, " frames, expected 1 to ", kMost);
  }
  if (!(video_fps >= 0) || std::isinf(video_fps)) {
    fail(ErrorCode::invalid_argument, "video: ", video_fps, " frames a second, expected 0 (unknown) or more");
  }
  return rule == FrameRule::truncated ? truncated(*this, frame_count) : rounded(*this, frame_count, video_fps);
}

}  // namespace vila
