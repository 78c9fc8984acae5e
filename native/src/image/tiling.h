// SPDX-License-Identifier: Apache-2.0
// How NVILA cuts one image into tiles (PreprocessSpec::Tiling): arithmetic and pixels. Pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "checkpoint/model_spec.h"
#include "image/preprocess.h"
#include "image/resize.h"

namespace vila {

/// Most tiles of one image that a checkpoint may ask for.
inline constexpr int64_t kMaxTiles = 256;

/// Tiles across and down.
struct TileGrid {
  int32_t columns = 1, rows = 1;
  int32_t count() const { return columns * rows; }
  bool operator==(const TileGrid&) const = default;
};

/// The tiles of one image: for each grid in turn the image, squeezed to columns*tile x rows*tile pixels, is cut row by row.
struct TilePlan {
  int32_t tile = 0;             ///< side in pixels
  std::vector<TileGrid> grids;  ///< dynamic: the chosen one, then 1x1 (the thumbnail) unless it is 1x1; dynamic_s2: one per scale
  TileGrid chosen;              ///< the grid that follows the image's aspect ratio
  int32_t tile_count() const;   ///< over all grids
};

/// All grids of min_tiles to max_tiles tiles by area, those of one area in the order of the Python set that VILA sorts. Throws
/// invalid_argument unless 1 <= min_tiles <= max_tiles <= kMaxTiles.
std::vector<TileGrid> tile_grids(int64_t min_tiles, int64_t max_tiles);

/// The grid of the list whose columns/rows is nearest to width/height. The first wins, except that an equally near later one
/// wins when the image has more than half of its pixels (tile * tile * count).
TileGrid closest_grid(const std::vector<TileGrid>& grids, int32_t width, int32_t height, int32_t tile);

/// The plan of an image of width x height.
/// dynamic: spec.min_tiles to spec.max_tiles tiles of spec.size.
/// dynamic_s2: tiles of scales[0]; every scale but the last is a square grid of scale/scales[0] tiles a side, the last is as many
/// tiles as its square has, up to spec.max_tiles, in the grid nearest to the aspect ratio.
/// Throws invalid_argument for another tiling or for scales that are not ascending multiples of the first.
TilePlan plan_tiles(int32_t width, int32_t height, const PreprocessSpec& spec);

/// The tiles in order as what becomes of an image of width x height: its tile-th part of a grid is the window. Throws capacity
/// for a grid of more than 65500 pixels a side.
std::vector<Placement> tile_placements(int32_t width, int32_t height, const TilePlan& plan);
/// The tiles in order, each tile x tile pixels.
std::vector<RgbImage> cut_tiles(const RgbImage& image, const TilePlan& plan);

}  // namespace vila
