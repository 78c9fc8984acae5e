// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>

#include "checkpoint/config_readers.h"
#include "common/problems.h"

namespace vila {
namespace {

using Fit = PreprocessSpec::Fit;
using Tiling = PreprocessSpec::Tiling;

constexpr size_t kMaxScales = 8;

/// What a tower of this kind takes when its folder has no preprocessor_config.json.
void set_usual(PreprocessSpec& s, const VisionSpec& vision) {
  switch (vision.kind) {
    case VisionSpec::Kind::clip:
      s.mean = {0.48145466F, 0.4578275F, 0.40821073F};
      s.stddev = {0.26862954F, 0.26130258F, 0.27577711F};
      break;
    case VisionSpec::Kind::siglip: s.mean = s.stddev = {0.5F, 0.5F, 0.5F}; break;
    case VisionSpec::Kind::internvit:
      s.mean = {0.485F, 0.456F, 0.406F};
      s.stddev = {0.229F, 0.224F, 0.225F};
      break;
  }
  s.fit = vision.kind == VisionSpec::Kind::clip ? Fit::center_crop : Fit::squash;
  s.size = vision.image;
}

/// Three numbers, each within the bounds.
std::array<double, 3> triple(const JsonObject& config, const char* key, double low, double high) {
  const std::vector<double> values = config.numbers(key, 3);
  for (const double v : values) {
    if (v < low || v > high) {
      fail(ErrorCode::bad_file, config.name(), ": ", key, " is ", config.value().at(key).dump(), ", expected numbers from ", low,
           " to ", high);
    }
  }
  return {values[0], values[1], values[2]};
}

std::array<float, 3> to_float(const std::array<double, 3>& v) {
  return {static_cast<float>(v[0]), static_cast<float>(v[1]), static_cast<float>(v[2])};
}

/// The side in `key`: a number, {"shortest_edge": n} or {"height": n, "width": n}; 0 when absent.
int64_t read_side(const JsonObject& config, const char* key) {
  if (!config.has(key)) return 0;
  if (config.value().at(key).is_number()) return config.integer(key, 1, kMaxSide);
  const JsonObject size = config.object(key);
  if (size.has("shortest_edge")) return size.integer("shortest_edge", 1, kMaxSide);
  const int64_t height = size.integer("height", 1, kMaxSide), width = size.integer("width", 1, kMaxSide);
  if (height != width)
    object(ErrorCode::unsupported, size.name(), ": height ", height, " and width ", width, ", supported are squares");
  return height;
}

void check_steps(const JsonObject& config) {
  for (const char* step : {"do_resize", "do_rescale", "do_normalize"}) {
    if (!config.boolean(step, true)) object(ErrorCode::unsupported, config.name(), ": ", step, " is false, supported is true");
  }
  if (config.integer("resample", 0, 100, 3) != 3) {
    object(ErrorCode::unsupported, config.name(), ": resample is ", config.value().at("resample").dump(),
           ", supported is 3 (bicubic)");
  }
}

/// Ascending numbers of "384,768".
std::vector<int64_t> read_scales(const JsonObject& root) {
  const std::string text = root.string("s2_scales");
  std::vector<int64_t> scales;
  const char* at = text.data();
  const char* const end = at + text.size();
  bool good = !text.empty();
  while (good) {
    int64_t scale = 0;
    const auto [next, error] = std::from_chars(at, end, scale);
    good = error == std::errc() && scale >= 1 && scale <= kMaxSide && scales.size() < kMaxScales;
    scales.push_back(scale);
    at = next;
    if (at == end) break;
    good = good && *at++ == ',';
  }
  std::sort(scales.begin(), scales.end());
  if (!good || std::adjacent_find(scales.begin(), scales.end()) != scales.end()) {
    fail(ErrorCode::bad_file, root.name(), ": s2_scales is ", Json(text).dump(), ", expected at most ", kMaxScales,
         " different sides from 1 to ", kMaxSide, " with commas between");
  }
  return scales;
}

/// The keys of multi-scale features, for `s2` and `dynamic_s2`.
void read_multi_scale(PreprocessSpec& s, const JsonObject& root, const VisionSpec& vision) {
  if (!root.has("s2_scales")) fail(ErrorCode::unsupported, root.name(), ": multi-scale features without s2_scales");
  if (vision.has_class_token() && !vision.drop_class_token) {
    object(ErrorCode::unsupported, root.name(), ": multi-scale features with a class token, expected mm_vision_select_feature patch");
  }
  s.scales = read_scales(root);
  s.split_size = root.integer("s2_max_split_size", 1, kMaxSide, s.scales.front());
  for (const int64_t scale : s.scales) {
    const int64_t crops = (scale + s.split_size - 1) / s.split_size;
    if (crops * vision.image != scale) {
      object(ErrorCode::unsupported, root.name(), ": the scale ", scale, " cut into ", crops, "x", crops,
             " crops, the tower takes crops of ", vision.image, 'x', vision.image);
    }
  }
  const auto count = static_cast<int64_t>(s.scales.size());
  s.output_scale = root.integer("s2_resize_output_to_scale_idx", -1, count - 1, 0);
}

void read_tiling(PreprocessSpec& s, const JsonObject& root) {
  s.min_tiles = root.integer("min_tiles", 1, 256, 1);
  s.max_tiles = root.integer("max_tiles", s.min_tiles, 256, std::max<int64_t>(12, s.min_tiles));
  if (s.tiling == Tiling::dynamic_s2) {
    const int64_t ratio = s.scales.back() / s.scales.front();
    s.min_tiles = ratio * ratio;
    if (s.max_tiles < s.min_tiles) {
      object(ErrorCode::bad_file, root.name(), ": max_tiles is ", s.max_tiles, ", expected at least ", s.min_tiles, " for s2_scales ",
             root.value().at("s2_scales").dump());
    }
  }
}

/// How the picture meets the square, and tiling: image_aspect_ratio, s2, dynamic_s2.
void read_aspect(PreprocessSpec& s, const JsonObject& root, const VisionSpec& vision, const std::array<double, 3>& mean) {
  const std::string aspect = root.string("image_aspect_ratio", "square");
  const bool dynamic_s2 = aspect == "dynamic_s2" || root.boolean("dynamic_s2", false);
  if (dynamic_s2) {
    s.fit = Fit::squash;
    s.tiling = Tiling::dynamic_s2;
  } else if (aspect == "dynamic") {
    s.fit = Fit::squash;
    s.tiling = Tiling::dynamic;
  } else if (aspect == "resize") {
    s.fit = Fit::squash;
  } else if (aspect == "pad") {
    s.fit = Fit::pad;
    for (size_t i = 0; i < 3; ++i) s.pad_color[i] = static_cast<uint8_t>(std::clamp(mean[i] * 255.0, 0.0, 255.0));
  } else if (aspect != "square") {
    object(ErrorCode::unsupported, root.name(), ": image_aspect_ratio is \"", aspect,
           "\", supported are square, resize, pad, dynamic, dynamic_s2");
  }
  if (dynamic_s2) {
    read_multi_scale(s, root, vision);
  } else if (root.boolean("s2", false)) {
    if (s.tiling != Tiling::none)
      object(ErrorCode::unsupported, root.name(), ": s2 together with image_aspect_ratio \"", aspect, '"');
    read_multi_scale(s, root, vision);
    s.size = s.scales.back();
  }
  read_tiling(s, root);
}

}  // namespace

PreprocessSpec read_preprocess(const std::optional<JsonObject>& processor, const VisionSpec& vision, const JsonObject& root) {
  PreprocessSpec s;
  set_usual(s, vision);
  std::array<double, 3> mean = {s.mean[0], s.mean[1], s.mean[2]};
  int64_t side = 0;
  if (processor) {
    check_steps(*processor);
    if (processor->has("image_mean")) mean = triple(*processor, "image_mean", -10, 10);
    if (processor->has("image_std")) s.stddev = to_float(triple(*processor, "image_std", 1e-3, 10));
    s.mean = to_float(mean);
    s.rescale = processor->number("rescale_factor", 1e-6, 1, s.rescale);
    const bool crops = processor->boolean("do_center_crop", vision.kind == VisionSpec::Kind::clip);
    const int64_t size = read_side(*processor, "size"), crop = crops ? read_side(*processor, "crop_size") : 0;
    if (size != 0 && crop != 0 && size != crop) {
      object(ErrorCode::unsupported, processor->name(), ": size ", size, " and crop_size ", crop, ", supported are equal sizes");
    }
    side = std::max(size, crop);
    if (vision.kind != VisionSpec::Kind::internvit) s.fit = crops ? Fit::center_crop : Fit::squash;
  }
  read_aspect(s, root, vision, mean);
  if (s.scales.empty() && side != 0 && side != vision.image) {
    object(ErrorCode::bad_file, processor->name(), ": size ", side, ", expected the tower's image_size ", vision.image);
  }
  return s;
}

int64_t feature_channels(const VisionSpec& vision, const PreprocessSpec& preprocess) {
  return vision.hidden * std::max<int64_t>(1, static_cast<int64_t>(preprocess.scales.size()));
}

}  // namespace vila
