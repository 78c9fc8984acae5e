// SPDX-License-Identifier: Apache-2.0
#include "session/vision_encoder.h"

#include <cmath>

#include "common/error.h"
#include "graph/names.h"
#include "image/multiscale.h"
#include "image/tiling.h"

namespace vila {
namespace names = graph::names;
namespace {

using Tiling = PreprocessSpec::Tiling;

plan::Binding bind_input(const char* name, std::vector<int64_t> shape, const std::vector<float>& values) {
  return {name, DType::f32, std::move(shape), const_cast<float*>(values.data())};  // Inputs are only read.
}

plan::Binding bind_output(const char* name, std::vector<int64_t> shape, std::vector<float>& values) {
  return {name, DType::f32, std::move(shape), values.data()};
}

void append(std::vector<float>& to, const std::vector<float>& values) { to.insert(to.end(), values.begin(), values.end()); }

/// Maps of several scales at the size of one of them (-1: the last), channels joined in the order of the scales.
FeatureMap merge_scales(const std::vector<FeatureMap>& maps, int64_t output_scale) {
  const FeatureMap& target = output_scale < 0 ? maps.back() : maps[static_cast<size_t>(output_scale)];
  std::vector<FeatureMap> resized;
  for (const FeatureMap& map : maps) resized.push_back(area_resize(map, target.height, target.width));
  return concat_channels(resized);
}

}  // namespace

VisionEncoder::VisionEncoder(const ModelSpec& spec, plan::Plan& vision, plan::Plan& projector, int64_t cache_bytes)
    : spec_(spec), vision_(vision), projector_(projector), cache_(cache_bytes) {}

int64_t VisionEncoder::token_count(const ImageView& view) const {
  if (!view.close) return spec_.tokens_per_image();
  return spec_.tokens_per_image() * plan_tiles(view.image.width(), view.image.height(), spec_.preprocess).chosen.count();
}

Hash128 VisionEncoder::key(const ImageView& view) {
  const Hash128& hash = view.image.impl()->hash;
  return view.close ? Hasher().bytes(&hash, sizeof hash).text("tiles").finish() : hash;
}

std::vector<float> VisionEncoder::tower(const std::vector<float>& pixels, plan::StopSource* stop) {
  const int64_t side = spec_.vision.image, tokens = spec_.vision.tokens(), channels = spec_.vision.hidden;
  std::vector<float> result(static_cast<size_t>(tokens * channels));
  vision_.run({bind_input(names::kPixelValues, {1, 3, side, side}, pixels)},
              {bind_output(names::kVisionFeatures, {1, tokens, channels}, result)}, stop);
  return result;
}

FeatureMap VisionEncoder::tower_map(const std::vector<float>& pixels, plan::StopSource* stop) {
  const int64_t grid = spec_.vision.grid();
  return {grid, grid, spec_.vision.hidden, tower(pixels, stop)};
}

std::vector<float> VisionEncoder::project(const std::vector<float>& features, plan::StopSource* stop) {
  const int64_t tokens = spec_.tokens_per_image();
  std::vector<float> result(static_cast<size_t>(tokens * spec_.projector.output));
  projector_.run({bind_input(names::kFeatures, {1, spec_.projector_tokens(), spec_.projector.input}, features)},
                 {bind_output(names::kProjected, {1, tokens, spec_.projector.output}, result)}, stop);
  return result;
}

std::vector<float> VisionEncoder::square_features(const std::vector<float>& pixels, plan::StopSource* stop) {
  const PreprocessSpec& preprocess = spec_.preprocess;
  if (preprocess.scales.empty()) return tower(pixels, stop);
  if (preprocess.tiling == Tiling::dynamic_s2) {  // A square that is not cut stands for every scale.
    return concat_channels(std::vector<FeatureMap>(preprocess.scales.size(), tower_map(pixels, stop))).data;
  }
  const Planes planes{3, preprocess.size, preprocess.size, pixels};
  const std::vector<Planes> crops = multiscale_crops(planes, preprocess.scales, preprocess.split_size);
  std::vector<FeatureMap> maps;
  size_t next = 0;
  for (const int64_t scale : preprocess.scales) {
    const int64_t parts = (scale + preprocess.split_size - 1) / preprocess.split_size;
    std::vector<FeatureMap> grid;
    for (int64_t i = 0; i < parts * parts; ++i) grid.push_back(tower_map(crops[next++].data, stop));
    maps.push_back(assemble(grid, parts, parts));
  }
  return merge_scales(maps, preprocess.output_scale).data;
}

std::vector<float> VisionEncoder::close_tokens(const RgbImage& image, plan::StopSource* stop, EncodedImage* stages) {
  const TilePlan plan = plan_tiles(image.width, image.height, spec_.preprocess);
  const std::vector<RgbImage> tiles = cut_tiles(image, plan);
  std::vector<FeatureMap> maps;
  size_t next = 0;
  for (const TileGrid& grid : plan.grids) {
    std::vector<FeatureMap> parts;
    for (int32_t i = 0; i < grid.count(); ++i) {
      const std::vector<float> pixels = normalize(tiles[next++], spec_.preprocess);
      if (stages != nullptr) append(stages->pixel_values, pixels);
      parts.push_back(tower_map(pixels, stop));
    }
    maps.push_back(assemble(parts, grid.rows, grid.columns));
  }
  const int64_t rows = plan.chosen.rows, columns = plan.chosen.columns;
  const auto side = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(spec_.tokens_per_image()))));
  std::vector<FeatureMap> blocks;
  for (const FeatureMap& block : take_apart(merge_scales(maps, spec_.preprocess.output_scale), rows, columns)) {
    if (stages != nullptr) append(stages->vision_features, block.data);
    blocks.push_back({side, side, spec_.projector.output, project(block.data, stop)});
  }
  return assemble(blocks, rows, columns).data;
}

ImageTokens VisionEncoder::encode(const ImageView& view, plan::StopSource* stop) {
  const Hash128 id = key(view);
  if (ImageTokens tokens = cache_.find(id)) return tokens;
  const RgbImage& image = view.image.impl()->rgb;
  auto tokens = std::make_shared<const std::vector<float>>(
      view.close ? close_tokens(image, stop) : project(square_features(preprocess(image, spec_.preprocess), stop), stop));
  cache_.put(id, tokens);
  return tokens;
}

EncodedImage VisionEncoder::inspect_tiles(const RgbImage& image) {
  if (spec_.preprocess.tiling == Tiling::none) {
    fail(ErrorCode::unsupported, "image tiles: this model looks at every image as one square");
  }
  const int64_t side = spec_.preprocess.size, tokens = spec_.tokens_per_image(), width = spec_.projector.output;
  EncodedImage result;
  int64_t blocks = 0;
  if (spec_.preprocess.tiling == Tiling::dynamic_s2) {
    result.projected = close_tokens(image, nullptr, &result);
    blocks = static_cast<int64_t>(result.projected.size()) / (tokens * width);
    result.projected_shape = {1, blocks * tokens, width};
  } else {
    for (const RgbImage& tile : cut_tiles(image, plan_tiles(image.width, image.height, spec_.preprocess))) {
      const EncodedImage one = inspect(normalize(tile, spec_.preprocess));
      append(result.pixel_values, one.pixel_values);
      append(result.vision_features, one.vision_features);
      append(result.projected, one.projected);
      ++blocks;
    }
    result.projected_shape = {blocks, tokens, width};
  }
  result.pixel_shape = {static_cast<int64_t>(result.pixel_values.size()) / (3 * side * side), 3, side, side};
  result.feature_shape = {blocks, spec_.projector_tokens(), spec_.projector.input};
  return result;
}

EncodedImage VisionEncoder::inspect(const RgbImage& image) { return inspect(preprocess(image, spec_.preprocess)); }

EncodedImage VisionEncoder::inspect(const std::vector<float>& pixel_values) {
  const int64_t side = spec_.preprocess.size;
  const auto expected = static_cast<size_t>(3 * side * side);
  if (pixel_values.size() != expected) {
    fail(ErrorCode::invalid_argument, "pixel values: ", pixel_values.size(), " numbers, expected ", expected, " ([1,3,", side, ",",
         side, "])");
  }
  EncodedImage result;
  result.pixel_shape = {1, 3, side, side};
  result.pixel_values = pixel_values;
  result.vision_features = square_features(pixel_values, nullptr);
  result.feature_shape = {1, spec_.projector_tokens(), spec_.projector.input};
  result.projected = project(result.vision_features, nullptr);
  result.projected_shape = {1, spec_.tokens_per_image(), spec_.projector.output};
  return result;
}

}  // namespace vila
