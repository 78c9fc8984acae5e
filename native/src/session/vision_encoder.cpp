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
    : spec_(spec),
      vision_(vision),
      projector_(projector),
      levels_{normalized_levels(spec.preprocess, 0), normalized_levels(spec.preprocess, 1), normalized_levels(spec.preprocess, 2)},
      cache_(cache_bytes) {}

void VisionEncoder::check(const Image& image) const {
  if (image.on_device() && vision_.images() == nullptr) {
    fail(ErrorCode::unsupported, "image of ", image.width(), "x", image.height(), " pixels in the memory of a CUDA device: ",
         "this model's backend reads the host's memory, expected pixels there, or a model of the backend tensorrt");
  }
}

int64_t VisionEncoder::token_count(const ImageView& view) const {
  if (!view.close) return spec_.tokens_per_image();
  return spec_.tokens_per_image() * plan_tiles(view.image.width(), view.image.height(), spec_.preprocess).chosen.count();
}

Hash128 VisionEncoder::key(const ImageView& view) {
  const Hash128& hash = view.image.impl()->hash;
  if (view.tile >= 0) return Hasher().bytes(&hash, sizeof hash).text("tile").number(view.tile).finish();
  return view.close ? Hasher().bytes(&hash, sizeof hash).text("tiles").finish() : hash;
}

std::vector<Placement> VisionEncoder::tiles_of(const Image& image) const {
  const int32_t width = image.width(), height = image.height();
  return tile_placements(width, height, plan_tiles(width, height, spec_.preprocess));
}

VisionEncoder::Crop VisionEncoder::square_of(const Image& image) const {
  return {&image, placement_of(image.width(), image.height(), spec_.preprocess), {}};
}

plan::ImagePlan* VisionEncoder::maker_of(const Image& image) const {
  check(image);
  return image.on_device() || image.rgb_size() <= kMostUploaded ? vision_.images() : nullptr;
}

plan::ImageSource VisionEncoder::source_of(const Crop& crop) const {
  const Image::Impl& image = *crop.image->impl();
  plan::ImageSource source;
  source.width = crop.image->width();
  source.height = crop.image->height();
  source.on_device = crop.image->on_device();
  source.rgb = source.on_device ? static_cast<const uint8_t*>(image.device.rgb) : image.rgb.data.data();
  source.stride = source.on_device ? image.device.stride : int64_t{3} * source.width;
  source.stream = image.device.stream;
  source.content = image.hash;
  source.placement = crop.placement;
  source.levels = levels_;
  return source;
}

std::vector<float> VisionEncoder::pixels_of(const Crop& crop, plan::StopSource* stop) {
  if (crop.image == nullptr) return crop.pixels;
  const Placement& placement = crop.placement;
  if (plan::ImagePlan* maker = maker_of(*crop.image)) {
    const size_t area = static_cast<size_t>(placement.window.width) * static_cast<size_t>(placement.window.height);
    std::vector<float> pixels(3 * area);
    maker->run_image(source_of(crop), pixels.data(), nullptr, stop);
    return pixels;
  }
  const Canvas canvas(crop.image->impl()->rgb, placement.canvas);
  return normalize(resize_window(canvas, placement.width, placement.height, placement.window), spec_.preprocess);
}

std::vector<float> VisionEncoder::tower(const Crop& crop, plan::StopSource* stop, std::vector<float>* pixels) {
  const int64_t side = spec_.vision.image, tokens = spec_.vision.tokens(), channels = spec_.vision.hidden;
  std::vector<float> result(static_cast<size_t>(tokens * channels));
  const plan::Binding output = bind_output(names::kVisionFeatures, {1, tokens, channels}, result);
  plan::ImagePlan* maker = crop.image != nullptr ? maker_of(*crop.image) : nullptr;
  if (maker != nullptr) {
    std::vector<float> made(pixels != nullptr ? static_cast<size_t>(3 * side * side) : 0);
    maker->run_image(source_of(crop), pixels != nullptr ? made.data() : nullptr, &output, stop);
    if (pixels != nullptr) append(*pixels, made);
    return result;
  }
  const std::vector<float> made = pixels_of(crop, stop);
  if (pixels != nullptr) append(*pixels, made);
  vision_.run({bind_input(names::kPixelValues, {1, 3, side, side}, made)}, {output}, stop);
  return result;
}

FeatureMap VisionEncoder::tower_map(const Crop& crop, plan::StopSource* stop, std::vector<float>* pixels) {
  const int64_t grid = spec_.vision.grid();
  return {grid, grid, spec_.vision.hidden, tower(crop, stop, pixels)};
}

std::vector<float> VisionEncoder::project(const std::vector<float>& features, plan::StopSource* stop) {
  const int64_t tokens = spec_.tokens_per_image();
  std::vector<float> result(static_cast<size_t>(tokens * spec_.projector.output));
  projector_.run({bind_input(names::kFeatures, {1, spec_.projector_tokens(), spec_.projector.input}, features)},
                 {bind_output(names::kProjected, {1, tokens, spec_.projector.output}, result)}, stop);
  return result;
}

std::vector<float> VisionEncoder::square_features(const Crop& crop, plan::StopSource* stop, std::vector<float>* pixels) {
  const PreprocessSpec& preprocess = spec_.preprocess;
  if (preprocess.scales.empty()) return tower(crop, stop, pixels);
  if (preprocess.tiling == Tiling::dynamic_s2) {  // A square that is not cut stands for every scale.
    return concat_channels(std::vector<FeatureMap>(preprocess.scales.size(), tower_map(crop, stop, pixels))).data;
  }
  const Planes planes{3, preprocess.size, preprocess.size, pixels_of(crop, stop)};
  if (pixels != nullptr) append(*pixels, planes.data);
  std::vector<Planes> crops = multiscale_crops(planes, preprocess.scales, preprocess.split_size);
  std::vector<FeatureMap> maps;
  size_t next = 0;
  for (const int64_t scale : preprocess.scales) {
    const int64_t parts = (scale + preprocess.split_size - 1) / preprocess.split_size;
    std::vector<FeatureMap> grid;
    for (int64_t i = 0; i < parts * parts; ++i) grid.push_back(tower_map({nullptr, {}, std::move(crops[next++].data)}, stop));
    maps.push_back(assemble(grid, parts, parts));
  }
  return merge_scales(maps, preprocess.output_scale).data;
}

std::vector<float> VisionEncoder::close_tokens(const Image& image, plan::StopSource* stop, EncodedImage* stages) {
  const TilePlan plan = plan_tiles(image.width(), image.height(), spec_.preprocess);
  const std::vector<Placement> tiles = tile_placements(image.width(), image.height(), plan);
  std::vector<FeatureMap> maps;
  size_t next = 0;
  for (const TileGrid& grid : plan.grids) {
    std::vector<FeatureMap> parts;
    for (int32_t i = 0; i < grid.count(); ++i) {
      parts.push_back(tower_map({&image, tiles[next++], {}}, stop, stages != nullptr ? &stages->pixel_values : nullptr));
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
  const Image& image = view.image;
  return cache_.get(key(view), stop, [&] {
    if (view.close) return close_tokens(image, stop);
    const Crop crop = view.tile < 0 ? square_of(image) : Crop{&image, tiles_of(image).at(static_cast<size_t>(view.tile)), {}};
    return project(square_features(crop, stop), stop);
  });
}

EncodedImage VisionEncoder::inspect_tiles(const Image& image) {
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
    for (const Placement& tile : tiles_of(image)) {
      const EncodedImage one = inspect(Crop{&image, tile, {}});
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

EncodedImage VisionEncoder::inspect(const Image& image) { return inspect(square_of(image)); }

EncodedImage VisionEncoder::inspect(const std::vector<float>& pixel_values) {
  const int64_t side = spec_.preprocess.size;
  const auto expected = static_cast<size_t>(3 * side * side);
  if (pixel_values.size() != expected) {
    fail(ErrorCode::invalid_argument, "pixel values: ", pixel_values.size(), " numbers, expected ", expected, " ([1,3,", side, ",",
         side, "])");
  }
  return inspect(Crop{nullptr, {}, pixel_values});
}

EncodedImage VisionEncoder::inspect(const Crop& crop) {
  EncodedImage result;
  result.pixel_shape = {1, 3, spec_.preprocess.size, spec_.preprocess.size};
  result.vision_features = square_features(crop, nullptr, &result.pixel_values);
  result.feature_shape = {1, spec_.projector_tokens(), spec_.projector.input};
  result.projected = project(result.vision_features, nullptr);
  result.projected_shape = {1, spec_.tokens_per_image(), spec_.projector.output};
  return result;
}

}  // namespace vila
