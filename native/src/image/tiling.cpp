// SPDX-License-Identifier: Apache-2.0
#include "image/tiling.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/error.h"
#include "image/decode.h"
#include "image/python_set.h"

namespace vila {
namespace {

/// Checks a tile's side, which comes from a checkpoint.
int32_t checked_tile(int64_t side) {
  if (side < 1 || side > kMaxImageSide) {
    fail(ErrorCode::invalid_argument, "tiles of ", side, " pixels a side, expected 1 to ", kMaxImageSide);
  }
  return static_cast<int32_t>(side);
}

/// The square grids of all scales but the last, and the tiles of the last one's square.
struct Pyramid {
  std::vector<TileGrid> grids;
  int64_t last_count = 0;
};

Pyramid square_grids(const std::vector<int64_t>& scales) {
  Pyramid pyramid;
  int64_t before = 0;
  for (const int64_t scale : scales) {
    const int64_t side = scales[0] > 0 ? scale / scales[0] : 0;
    if (side < 1 || scale % scales[0] != 0 || scale <= before || side * side > kMaxTiles) {
      fail(ErrorCode::invalid_argument, "scale ", scale, " of a tile pyramid, expected ascending multiples of the first scale ",
           scales[0], " with at most ", kMaxTiles, " tiles");
    }
    before = scale;
    pyramid.grids.push_back({static_cast<int32_t>(side), static_cast<int32_t>(side)});
  }
  pyramid.last_count = pyramid.grids.back().count();
  pyramid.grids.pop_back();
  return pyramid;
}

}  // namespace

int32_t TilePlan::tile_count() const {
  int32_t count = 0;
  for (const TileGrid& grid : grids) count += grid.count();
  return count;
}

std::vector<TileGrid> tile_grids(int64_t min_tiles, int64_t max_tiles) {
  if (min_tiles < 1 || max_tiles < min_tiles || max_tiles > kMaxTiles) {
    fail(ErrorCode::invalid_argument, "image of ", min_tiles, " to ", max_tiles, " tiles, expected a range within 1 to ",
         kMaxTiles);
  }
  // The order of insertion is VILA's: n from min to max, then columns and rows up to n.
  PythonPairSet set;
  for (int64_t n = min_tiles; n <= max_tiles; ++n) {
    for (int64_t columns = 1; columns <= n; ++columns) {
      for (int64_t rows = 1; rows <= n && columns * rows <= max_tiles; ++rows) {
        if (columns * rows >= min_tiles) set.add({static_cast<int32_t>(columns), static_cast<int32_t>(rows)});
      }
    }
  }
  std::vector<TileGrid> grids;
  for (const auto& [columns, rows] : set.items()) grids.push_back({columns, rows});
  std::stable_sort(grids.begin(), grids.end(), [](const TileGrid& a, const TileGrid& b) { return a.count() < b.count(); });
  return grids;
}

TileGrid closest_grid(const std::vector<TileGrid>& grids, int32_t width, int32_t height, int32_t tile) {
  const double aspect = static_cast<double>(width) / height;
  const double area = static_cast<double>(width) * height;
  double smallest = std::numeric_limits<double>::infinity();
  TileGrid best;
  for (const TileGrid& grid : grids) {
    const double difference = std::abs(aspect - static_cast<double>(grid.columns) / grid.rows);
    const bool large = area > 0.5 * tile * tile * grid.count();
    if (difference < smallest || (difference == smallest && large)) best = grid;
    smallest = std::min(smallest, difference);
  }
  return best;
}

TilePlan plan_tiles(int32_t width, int32_t height, const PreprocessSpec& spec) {
  TilePlan plan;
  switch (spec.tiling) {
    case PreprocessSpec::Tiling::none: fail(ErrorCode::invalid_argument, "a plan of tiles for a model that does not tile");
    case PreprocessSpec::Tiling::dynamic:
      plan.tile = checked_tile(spec.size);
      plan.chosen = closest_grid(tile_grids(spec.min_tiles, spec.max_tiles), width, height, plan.tile);
      plan.grids = {plan.chosen};
      if (plan.chosen.count() > 1) plan.grids.push_back({1, 1});
      break;
    case PreprocessSpec::Tiling::dynamic_s2: {
      if (spec.scales.empty()) fail(ErrorCode::invalid_argument, "a tile pyramid without scales");
      Pyramid pyramid = square_grids(spec.scales);
      plan.tile = checked_tile(spec.scales[0]);
      plan.chosen = closest_grid(tile_grids(pyramid.last_count, spec.max_tiles), width, height, plan.tile);
      plan.grids = std::move(pyramid.grids);
      plan.grids.push_back(plan.chosen);
      break;
    }
  }
  return plan;
}

std::vector<Placement> tile_placements(int32_t width, int32_t height, const TilePlan& plan) {
  std::vector<Placement> placements;
  for (const TileGrid& grid : plan.grids) {
    const int64_t across = int64_t{grid.columns} * plan.tile, down = int64_t{grid.rows} * plan.tile;
    if (std::max(across, down) > kMaxImageSide) {
      fail(ErrorCode::capacity, grid.columns, "x", grid.rows, " tiles of ", plan.tile, " pixels a side, expected at most ",
           kMaxImageSide, " pixels in all");
    }
    for (int32_t i = 0; i < grid.count(); ++i) {
      placements.push_back({canvas_alone(width, height), static_cast<int32_t>(across), static_cast<int32_t>(down),
                            {i % grid.columns * plan.tile, i / grid.columns * plan.tile, plan.tile, plan.tile}});
    }
  }
  return placements;
}

std::vector<RgbImage> cut_tiles(const RgbImage& image, const TilePlan& plan) {
  std::vector<RgbImage> tiles;
  const auto side = static_cast<size_t>(plan.tile);
  for (const TileGrid& grid : plan.grids) {
    const int64_t width = int64_t{grid.columns} * plan.tile, height = int64_t{grid.rows} * plan.tile;
    if (std::max(width, height) > kMaxImageSide) {
      fail(ErrorCode::capacity, grid.columns, "x", grid.rows, " tiles of ", plan.tile, " pixels a side, expected at most ",
           kMaxImageSide, " pixels in all");
    }
    const RgbImage squeezed = resize_bicubic(image, static_cast<int32_t>(width), static_cast<int32_t>(height));
    const auto columns = static_cast<size_t>(grid.columns);
    for (size_t i = 0; i < static_cast<size_t>(grid.count()); ++i) {
      RgbImage tile{plan.tile, plan.tile, std::vector<uint8_t>(side * side * 3)};
      for (size_t y = 0; y < side; ++y) {
        const size_t from = ((i / columns * side + y) * columns + i % columns) * side;
        std::copy_n(squeezed.data.begin() + static_cast<ptrdiff_t>(3 * from), 3 * side,
                    tile.data.begin() + static_cast<ptrdiff_t>(3 * y * side));
      }
      tiles.push_back(std::move(tile));
    }
  }
  return tiles;
}

}  // namespace vila
