// SPDX-License-Identifier: Apache-2.0
// Square crops' features put together, pooled and taken apart again: what stands between tower and projector when an image enters
// as several crops. Pure functions.
#pragma once

#include <cstdint>
#include <vector>

namespace vila {

/// Features on a grid, float32 [height, width, channels] row-major.
struct FeatureMap {
  int64_t height = 0, width = 0, channels = 0;
  std::vector<float> data;
};

/// rows x columns maps of one size, row by row, as one large map.
FeatureMap assemble(const std::vector<FeatureMap>& parts, int64_t rows, int64_t columns);
/// The inverse: equal parts, row by row. Throws internal unless they divide the map.
std::vector<FeatureMap> take_apart(const FeatureMap& map, int64_t rows, int64_t columns);
/// Adaptive average pooling, up or down (PyTorch's interpolate(mode="area")): row i of the result is the mean of rows
/// floor(i*in/out) to ceil((i+1)*in/out) - 1, columns likewise.
FeatureMap area_resize(const FeatureMap& map, int64_t height, int64_t width);
/// Maps of one size, their channels one behind the other.
FeatureMap concat_channels(const std::vector<FeatureMap>& maps);

}  // namespace vila
