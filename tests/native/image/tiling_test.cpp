// SPDX-License-Identifier: Apache-2.0
#include "image/tiling.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "image/encoders.h"
#include "support/npy.h"

namespace vila::testing {
namespace {

std::string text(const std::vector<TileGrid>& grids) {
  std::string out;
  for (const TileGrid& grid : grids) out += std::to_string(grid.columns) + "x" + std::to_string(grid.rows) + " ";
  return out;
}

PreprocessSpec dynamic_spec() {
  PreprocessSpec spec;
  spec.tiling = PreprocessSpec::Tiling::dynamic;
  spec.size = 448;
  return spec;
}

PreprocessSpec dynamic_s2_spec() {
  PreprocessSpec spec;
  spec.tiling = PreprocessSpec::Tiling::dynamic_s2;
  spec.size = 448;
  spec.scales = {448, 896, 1344};
  return spec;
}

TEST_CASE("tile grids come in the order of Python's sorted set") {
  // Printed by CPython 3.11 for VILA's expression.
  CHECK(text(tile_grids(1, 12)) ==
        "1x1 1x2 2x1 3x1 1x3 2x2 4x1 1x4 5x1 1x5 1x6 6x1 3x2 2x3 7x1 1x7 4x2 2x4 1x8 8x1 1x9 3x3 9x1 2x5 5x2 10x1 1x10 11x1 1x11 "
        "12x1 3x4 4x3 1x12 6x2 2x6 ");
  CHECK(text(tile_grids(9, 12)) == "3x3 9x1 1x9 10x1 1x10 2x5 5x2 11x1 1x11 1x12 6x2 12x1 3x4 4x3 2x6 ");
  CHECK(text(tile_grids(2, 2)) == "1x2 2x1 ");
  CHECK(text(tile_grids(1, 6)) == "1x1 1x2 2x1 3x1 1x3 4x1 1x4 2x2 1x5 5x1 6x1 2x3 1x6 3x2 ");
  CHECK(text(tile_grids(4, 9)) == "1x4 2x2 4x1 1x5 5x1 6x1 2x3 1x6 3x2 7x1 1x7 2x4 8x1 1x8 4x2 3x3 9x1 1x9 ");
  CHECK(text(tile_grids(30, 33)) ==
        "3x10 10x3 15x2 6x5 1x30 5x6 30x1 2x15 1x31 31x1 4x8 2x16 1x32 8x4 32x1 16x2 1x33 33x1 3x11 11x3 ");
  CHECK(error_of([] { tile_grids(0, 12); }) == "1:image of 0 to 12 tiles, expected a range within 1 to 256");
  CHECK(error_of([] { tile_grids(9, 8); }) == "1:image of 9 to 8 tiles, expected a range within 1 to 256");
  CHECK(error_of([] { tile_grids(1, 257); }) == "1:image of 1 to 257 tiles, expected a range within 1 to 256");
}

TEST_CASE("large tile lists too") {
  const auto digest = [](const std::vector<TileGrid>& grids) {
    uint64_t sum = 0;
    for (const TileGrid& grid : grids) sum = sum * 1000003 + static_cast<uint64_t>(grid.columns * 257 + grid.rows);
    return sum;
  };
  CHECK(tile_grids(1, 40).size() == 158);
  CHECK(digest(tile_grids(1, 40)) == 10244546149581344828ULL);
  CHECK(tile_grids(100, 200).size() == 625);
  CHECK(digest(tile_grids(100, 200)) == 4108954154148718590ULL);
  CHECK(tile_grids(1, 256).size() == 1466);
  CHECK(digest(tile_grids(1, 256)) == 7082257032896269556ULL);
}

TEST_CASE("dynamic: the grid nearest to the aspect ratio, then a thumbnail") {
  const auto chosen = [](int32_t width, int32_t height) {
    const TilePlan plan = plan_tiles(width, height, dynamic_spec());
    CHECK(plan.tile == 448);
    CHECK(plan.grids.front() == plan.chosen);
    CHECK(plan.tile_count() == (plan.chosen.count() > 1 ? plan.chosen.count() + 1 : 1));
    return text(plan.grids);
  };
  CHECK(chosen(300, 300) == "1x1 ");
  CHECK(chosen(450, 450) == "1x1 ");        // 2x2 is as near, but the image has no more than half of its pixels
  CHECK(chosen(634, 634) == "2x2 1x1 ");    // 401956 pixels > 0.5 * 4 * 448^2
  CHECK(chosen(633, 633) == "1x1 ");        // 400689 pixels
  CHECK(chosen(951, 951) == "3x3 1x1 ");    // 904401 > 0.5 * 9 * 448^2 = 903168
  CHECK(chosen(950, 950) == "2x2 1x1 ");    // 902500
  CHECK(chosen(1920, 1080) == "4x2 1x1 ");  // 2x1 and 4x2 are 0.22 away, 3x2 is 0.28
  CHECK(chosen(640, 480) == "4x3 1x1 ");
  CHECK(chosen(480, 640) == "3x4 1x1 ");
  CHECK(chosen(400, 23) == "12x1 1x1 ");
  CHECK(chosen(31, 333) == "1x11 1x1 ");
  CHECK(chosen(1000, 500) == "2x1 1x1 ");  // 500000 pixels: 4x2 would need more than 802816
  CHECK(chosen(1300, 650) == "4x2 1x1 ");  // 845000
}

TEST_CASE("dynamic_s2: fixed grids of the small scales, then 9 to 12 tiles") {
  const auto grids = [](int32_t width, int32_t height) { return text(plan_tiles(width, height, dynamic_s2_spec()).grids); };
  CHECK(grids(100, 100) == "1x1 2x2 3x3 ");
  CHECK(grids(640, 480) == "1x1 2x2 4x3 ");
  CHECK(grids(480, 640) == "1x1 2x2 3x4 ");
  CHECK(grids(1920, 1080) == "1x1 2x2 4x3 ");
  CHECK(grids(400, 23) == "1x1 2x2 12x1 ");
  CHECK(plan_tiles(640, 480, dynamic_s2_spec()).tile_count() == 17);
  CHECK(plan_tiles(640, 480, dynamic_s2_spec()).chosen == TileGrid{4, 3});
}

/// Image sizes from 1:20 to 20:1 at several scales, also ones a pixel beside a whole ratio.
std::vector<std::pair<int32_t, int32_t>> all_ratios() {
  std::vector<std::pair<int32_t, int32_t>> sizes;
  for (const int32_t shorter : {7, 60, 449, 1000}) {
    for (int32_t twentieth = 20; twentieth <= 400; ++twentieth) {
      for (const int32_t beside : {-1, 0, 1}) {
        const int32_t longer = std::max(shorter, shorter * twentieth / 20 + beside);
        sizes.emplace_back(longer, shorter);
        sizes.emplace_back(shorter, longer);
      }
    }
  }
  return sizes;
}

/// |width/height - columns/rows| times height * rows, a whole number.
int64_t distance(int32_t width, int32_t height, const TileGrid& grid) {
  return std::abs(int64_t{width} * grid.rows - int64_t{height} * grid.columns);
}

TEST_CASE("every aspect ratio from 1:20 to 20:1: no grid is nearer than the chosen one") {
  for (const auto& [spec, least] : {std::pair{dynamic_spec(), int64_t{1}}, std::pair{dynamic_s2_spec(), int64_t{9}}}) {
    const std::vector<TileGrid> grids = tile_grids(least, 12);
    for (const auto& [width, height] : all_ratios()) {
      CAPTURE(width);
      CAPTURE(height);
      const TilePlan plan = plan_tiles(width, height, spec);
      REQUIRE(plan.chosen.count() >= least);
      REQUIRE(plan.chosen.count() <= 12);
      // Python compares the distances as doubles, so fractions that are equally near may differ in their last bit.
      const auto rounded = [w = width, h = height](const TileGrid& grid) {
        return std::abs(static_cast<double>(w) / h - static_cast<double>(grid.columns) / grid.rows);
      };
      bool nearest = true, as_near_and_earlier = false, before = true;
      for (const TileGrid& grid : grids) {  // Distances compared as fractions of whole numbers: no rounding.
        const int64_t other = distance(width, height, grid) * plan.chosen.rows,
                      own = distance(width, height, plan.chosen) * grid.rows;
        nearest = nearest && own <= other;
        before = before && grid != plan.chosen;
        as_near_and_earlier = as_near_and_earlier || (before && rounded(grid) == rounded(plan.chosen));
      }
      REQUIRE(nearest);
      if (as_near_and_earlier) {  // Only an image of many pixels takes a later one.
        REQUIRE(int64_t{width} * height * 2 > int64_t{448} * 448 * plan.chosen.count());
      }
      const int32_t thumbnail = least == 1 && plan.chosen.count() > 1 ? 1 : 0, pyramid = least == 9 ? 5 : 0;
      REQUIRE(plan.tile_count() == plan.chosen.count() + thumbnail + pyramid);
    }
  }
}

TEST_CASE("a wider image never gets a narrower grid") {
  for (const PreprocessSpec& spec : {dynamic_spec(), dynamic_s2_spec()}) {
    for (const int32_t height : {50, 448, 900}) {
      double before = 0;
      for (int32_t width = height / 20; width <= 20 * height; width += 1 + height / 90) {
        const TileGrid chosen = plan_tiles(width, height, spec).chosen;
        const double ratio = static_cast<double>(chosen.columns) / chosen.rows;
        CAPTURE(width);
        REQUIRE(ratio >= before);
        before = ratio;
      }
      CHECK(before == 12);
    }
  }
}

TEST_CASE("tiles are cut row by row from the squeezed image") {
  PreprocessSpec spec = dynamic_spec();
  spec.size = 20;
  const RgbImage image = noise_image(64, 48, 1);
  const TilePlan plan = plan_tiles(64, 48, spec);
  REQUIRE(text(plan.grids) == "4x3 1x1 ");
  const std::vector<RgbImage> tiles = cut_tiles(image, plan);
  REQUIRE(tiles.size() == 13);
  const RgbImage squeezed = resize_bicubic(image, 80, 60);
  for (int i = 0; i < 12; ++i) {
    const RgbImage& tile = tiles[static_cast<size_t>(i)];
    REQUIRE(tile.width == 20);
    REQUIRE(tile.height == 20);
    for (int y = 0; y < 20; ++y) {
      const auto line = squeezed.data.begin() + ((i / 4 * 20 + y) * 80 + i % 4 * 20) * 3;
      CHECK(std::equal(line, line + 60, tile.data.begin() + y * 60));
    }
  }
  CHECK(tiles[12].data == resize_bicubic(image, 20, 20).data);
  const std::vector<Placement> placements = tile_placements(64, 48, plan);
  REQUIRE(placements.size() == tiles.size());
  for (size_t i = 0; i < tiles.size(); ++i) {
    const Placement& placement = placements[i];
    const Canvas canvas(image, placement.canvas);
    CHECK(resize_window(canvas, placement.width, placement.height, placement.window).data == tiles[i].data);
  }
}

TEST_CASE("tilings that make no sense are refused") {
  PreprocessSpec spec = dynamic_s2_spec();
  spec.scales = {};
  CHECK(error_of([&] { plan_tiles(10, 10, spec); }) == "1:a tile pyramid without scales");
  spec.scales = {448, 900};
  CHECK(error_of([&] { plan_tiles(10, 10, spec); }) ==
        "1:scale 900 of a tile pyramid, expected ascending multiples of the first scale 448 with at most 256 tiles");
  spec.scales = {0, 900};
  CHECK(error_of([&] { plan_tiles(10, 10, spec); }) ==
        "1:scale 0 of a tile pyramid, expected ascending multiples of the first scale 0 with at most 256 tiles");
  spec = dynamic_spec();
  spec.size = 0;
  CHECK(error_of([&] { plan_tiles(10, 10, spec); }) == "1:tiles of 0 pixels a side, expected 1 to 65500");
  CHECK(error_of([&] { plan_tiles(10, 10, PreprocessSpec{}); }) == "1:a plan of tiles for a model that does not tile");
}

}  // namespace
}  // namespace vila::testing
