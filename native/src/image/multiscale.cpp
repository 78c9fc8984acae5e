// SPDX-License-Identifier: Apache-2.0
#include "image/multiscale.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "common/error.h"
#include "image/decode.h"

namespace vila {
namespace {

/// Four neighbours of one output position and their weights.
struct Taps {
  std::array<int64_t, 4> index;
  std::array<float, 4> weight;
};

/// The cubic of a = -0.75 within one pixel of its middle, and between one and two.
float near_cubic(float x) { return ((-0.75F + 2) * x - (-0.75F + 3)) * x * x + 1; }
float far_cubic(float x) { return ((-0.75F * x + 3.75F) * x - 6) * x + 3; }

std::vector<Taps> bicubic_taps(int64_t in, int64_t out) {
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  std::vector<Taps> axis;
  for (int64_t i = 0; i < out; ++i) {
    const float position = scale * (static_cast<float>(i) + 0.5F) - 0.5F;
    const float floor = std::floor(position);
    const int64_t first = std::min(static_cast<int64_t>(floor), in - 1);
    const float t = std::clamp(position - static_cast<float>(first), 0.0F, 1.0F);
    Taps taps;
    for (int64_t j = 0; j < 4; ++j) taps.index[static_cast<size_t>(j)] = std::clamp<int64_t>(first + j - 1, 0, in - 1);
    taps.weight = {far_cubic(t + 1), near_cubic(t), near_cubic(1 - t), far_cubic(2 - t)};
    axis.push_back(taps);
  }
  return axis;
}

void check_planes(const Planes& planes) {
  const int64_t count = planes.channels * planes.height * planes.width;
  if (planes.channels < 1 || planes.height < 1 || planes.width < 1 || static_cast<size_t>(count) != planes.data.size()) {
    fail(ErrorCode::invalid_argument, "planes of [", planes.channels, ",", planes.height, ",", planes.width, "] with ",
         planes.data.size(), " values");
  }
}

}  // namespace

Planes interpolate_bicubic(const Planes& planes, int64_t height, int64_t width) {
  check_planes(planes);
  if (height < 1 || width < 1 || height > kMaxImageSide || width > kMaxImageSide) {
    fail(ErrorCode::invalid_argument, "resize to ", width, "x", height, " pixels, expected sides of 1 to ", kMaxImageSide);
  }
  const std::vector<Taps> columns = bicubic_taps(planes.width, width), rows = bicubic_taps(planes.height, height);
  Planes result{planes.channels, height, width, {}};
  result.data.reserve(static_cast<size_t>(planes.channels * height * width));
  for (int64_t c = 0; c < planes.channels; ++c) {
    const float* plane = planes.data.data() + c * planes.height * planes.width;
    for (const Taps& row : rows) {
      for (const Taps& column : columns) {
        float sum = 0;
        for (size_t j = 0; j < 4; ++j) {
          const float* line = plane + row.index[j] * planes.width;
          float part = 0;
          for (size_t i = 0; i < 4; ++i) part += column.weight[i] * line[column.index[i]];
          sum += row.weight[j] * part;
        }
        result.data.push_back(sum);
      }
    }
  }
  return result;
}

std::vector<Planes> split_planes(const Planes& planes, int64_t parts) {
  check_planes(planes);
  if (parts < 1 || planes.height % parts != 0 || planes.width % parts != 0) {
    fail(ErrorCode::invalid_argument, "planes of ", planes.width, "x", planes.height, " split into ", parts, " parts a side");
  }
  const int64_t height = planes.height / parts, width = planes.width / parts;
  std::vector<Planes> crops;
  for (int64_t part = 0; part < parts * parts; ++part) {
    const int64_t top = part / parts * height, left = part % parts * width;
    Planes crop{planes.channels, height, width, {}};
    crop.data.reserve(static_cast<size_t>(planes.channels * height * width));
    for (int64_t c = 0; c < planes.channels; ++c) {
      for (int64_t y = 0; y < height; ++y) {
        const float* line = planes.data.data() + (c * planes.height + top + y) * planes.width + left;
        crop.data.insert(crop.data.end(), line, line + width);
      }
    }
    crops.push_back(std::move(crop));
  }
  return crops;
}

std::vector<Planes> multiscale_crops(const Planes& planes, const std::vector<int64_t>& scales, int64_t split_size) {
  std::vector<Planes> crops;
  int64_t before = 0;
  for (const int64_t scale : scales) {
    const int64_t parts = split_size > 0 ? (scale + split_size - 1) / split_size : 0;
    if (scale <= before || scale > kMaxImageSide || parts < 1 || scale % parts != 0) {
      fail(ErrorCode::invalid_argument, "scale ", scale, " split at ", split_size,
           ", expected ascending scales, each a whole number of pixels per crop");
    }
    before = scale;
    for (Planes& crop : split_planes(interpolate_bicubic(planes, scale, scale), parts)) crops.push_back(std::move(crop));
  }
  return crops;
}

}  // namespace vila
