// SPDX-License-Identifier: Apache-2.0
#include "session/feature_map.h"

#include <algorithm>

#include "common/error.h"

namespace vila {
namespace {

void require(bool condition, const char* what) {
  if (!condition) fail(ErrorCode::internal, "feature map: ", what);
}

FeatureMap empty_map(int64_t height, int64_t width, int64_t channels) {
  return {height, width, channels, std::vector<float>(static_cast<size_t>(height * width * channels))};
}

/// Copies `count` floats.
void copy(const FeatureMap& from, int64_t from_cell, FeatureMap& to, int64_t to_cell, int64_t cells) {
  const auto begin = from.data.begin() + from_cell * from.channels;
  std::copy(begin, begin + cells * from.channels, to.data.begin() + to_cell * to.channels);
}

}  // namespace

FeatureMap assemble(const std::vector<FeatureMap>& parts, int64_t rows, int64_t columns) {
  require(rows >= 1 && columns >= 1 && static_cast<int64_t>(parts.size()) == rows * columns, "parts do not fill the grid");
  const FeatureMap& first = parts.front();
  FeatureMap map = empty_map(rows * first.height, columns * first.width, first.channels);
  for (int64_t i = 0; i < rows * columns; ++i) {
    const FeatureMap& part = parts[static_cast<size_t>(i)];
    require(part.height == first.height && part.width == first.width && part.channels == first.channels, "parts differ in size");
    for (int64_t y = 0; y < part.height; ++y) {
      copy(part, y * part.width, map, (i / columns * part.height + y) * map.width + i % columns * part.width, part.width);
    }
  }
  return map;
}

std::vector<FeatureMap> take_apart(const FeatureMap& map, int64_t rows, int64_t columns) {
  require(rows >= 1 && columns >= 1 && map.height % rows == 0 && map.width % columns == 0, "cannot be cut evenly");
  std::vector<FeatureMap> parts;
  for (int64_t i = 0; i < rows * columns; ++i) {
    FeatureMap part = empty_map(map.height / rows, map.width / columns, map.channels);
    for (int64_t y = 0; y < part.height; ++y) {
      copy(map, (i / columns * part.height + y) * map.width + i % columns * part.width, part, y * part.width, part.width);
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

FeatureMap area_resize(const FeatureMap& map, int64_t height, int64_t width) {
  require(height >= 1 && width >= 1, "empty size");
  if (height == map.height && width == map.width) return map;
  FeatureMap out = empty_map(height, width, map.channels);
  const auto first = [](int64_t i, int64_t in, int64_t size) { return i * in / size; };
  const auto past = [](int64_t i, int64_t in, int64_t size) { return ((i + 1) * in + size - 1) / size; };
  for (int64_t y = 0; y < height; ++y) {
    const int64_t top = first(y, map.height, height), bottom = past(y, map.height, height);
    for (int64_t x = 0; x < width; ++x) {
      const int64_t left = first(x, map.width, width), right = past(x, map.width, width);
      float* target = out.data.data() + (y * width + x) * map.channels;
      for (int64_t v = top; v < bottom; ++v) {
        for (int64_t u = left; u < right; ++u) {
          const float* source = map.data.data() + (v * map.width + u) * map.channels;
          for (int64_t c = 0; c < map.channels; ++c) target[c] += source[c];
        }
      }
      const auto cells = static_cast<float>((bottom - top) * (right - left));
      for (int64_t c = 0; c < map.channels; ++c) target[c] /= cells;
    }
  }
  return out;
}

FeatureMap concat_channels(const std::vector<FeatureMap>& maps) {
  require(!maps.empty(), "nothing to join");
  int64_t channels = 0;
  for (const FeatureMap& map : maps) {
    require(map.height == maps.front().height && map.width == maps.front().width, "maps differ in size");
    channels += map.channels;
  }
  FeatureMap out = empty_map(maps.front().height, maps.front().width, channels);
  int64_t offset = 0;
  for (const FeatureMap& map : maps) {
    for (int64_t cell = 0; cell < map.height * map.width; ++cell) {
      const auto begin = map.data.begin() + cell * map.channels;
      std::copy(begin, begin + map.channels, out.data.begin() + cell * channels + offset);
    }
    offset += map.channels;
  }
  return out;
}

}  // namespace vila
