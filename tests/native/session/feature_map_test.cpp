// SPDX-License-Identifier: Apache-2.0
#include "session/feature_map.h"

#include <doctest/doctest.h>

#include "support/npy.h"

using namespace vila;  // NOLINT
using vila::testing::error_of;

namespace {

FeatureMap counted(int64_t height, int64_t width, int64_t channels, float first) {
  FeatureMap map{height, width, channels, {}};
  for (int64_t i = 0; i < height * width * channels; ++i) map.data.push_back(first + static_cast<float>(i * i % 101));
  return map;
}

float at(const FeatureMap& map, int64_t row, int64_t column, int64_t channel) {
  return map.data[static_cast<size_t>((row * map.width + column) * map.channels + channel)];
}

}  // namespace

TEST_CASE("parts put together lie row by row, and come apart again") {
  for (int64_t rows = 1; rows <= 4; ++rows) {
    for (int64_t columns = 1; columns <= 4; ++columns) {
      std::vector<FeatureMap> parts;
      for (int64_t i = 0; i < rows * columns; ++i) parts.push_back(counted(2, 3, 2, static_cast<float>(1000 * i)));
      const FeatureMap whole = assemble(parts, rows, columns);
      REQUIRE(whole.height == 2 * rows);
      REQUIRE(whole.width == 3 * columns);
      for (int64_t y = 0; y < whole.height; ++y) {
        for (int64_t x = 0; x < whole.width; ++x) {
          const FeatureMap& part = parts[static_cast<size_t>(y / 2 * columns + x / 3)];
          REQUIRE(at(whole, y, x, 1) == at(part, y % 2, x % 3, 1));
        }
      }
      const std::vector<FeatureMap> again = take_apart(whole, rows, columns);
      REQUIRE(again.size() == parts.size());
      for (size_t i = 0; i < parts.size(); ++i) CHECK(again[i].data == parts[i].data);
    }
  }
  CHECK(error_of([] { take_apart(counted(5, 4, 1, 0), 2, 2); }).starts_with("10:"));
}

TEST_CASE("area_resize is the mean of the covered cells, up and down") {
  for (int64_t height = 1; height <= 9; ++height) {
    for (int64_t width = 1; width <= 9; width += 2) {
      const FeatureMap map = counted(height, width, 3, 0);
      for (int64_t to_height = 1; to_height <= 12; ++to_height) {
        for (const int64_t to_width : {int64_t{1}, width, int64_t{7}}) {
          const FeatureMap resized = area_resize(map, to_height, to_width);
          REQUIRE(resized.height == to_height);
          REQUIRE(resized.width == to_width);
          for (int64_t y = 0; y < to_height; ++y) {
            for (int64_t x = 0; x < to_width; ++x) {
              double sum = 0;
              int64_t count = 0;
              for (int64_t row = 0; row < height; ++row) {
                for (int64_t column = 0; column < width; ++column) {
                  // The cell [row, row + 1) of the input overlaps [y, y + 1) * height / to_height, in whole numbers.
                  const bool inside = row * to_height < (y + 1) * height && (row + 1) * to_height > y * height &&
                                      column * to_width < (x + 1) * width && (column + 1) * to_width > x * width;
                  if (inside) sum += static_cast<double>(at(map, row, column, 2)), ++count;
                }
              }
              REQUIRE(at(resized, y, x, 2) == doctest::Approx(sum / static_cast<double>(count)).epsilon(1e-6));
            }
          }
        }
      }
    }
  }
}

TEST_CASE("channels of several maps lie one behind the other") {
  const FeatureMap joined = concat_channels({counted(2, 2, 1, 0), counted(2, 2, 3, 100), counted(2, 2, 2, 200)});
  CHECK(joined.channels == 6);
  for (int64_t y = 0; y < 2; ++y) {
    for (int64_t x = 0; x < 2; ++x) {
      CHECK(at(joined, y, x, 0) == at(counted(2, 2, 1, 0), y, x, 0));
      CHECK(at(joined, y, x, 3) == at(counted(2, 2, 3, 100), y, x, 2));
      CHECK(at(joined, y, x, 5) == at(counted(2, 2, 2, 200), y, x, 1));
    }
  }
}
