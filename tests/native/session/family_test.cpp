// SPDX-License-Identifier: Apache-2.0
// Every family of the model table, as small random checkpoints in the layout of its release: pixels, features, image tokens, prompt
// ids and logits of the engine against the plain forward pass.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>

#include "checkpoint/patch_json.h"
#include "common/error.h"
#include "reference/forward.h"
#include "session/engine.h"
#include "session/family_rows.h"
#include "support/agreement.h"
#include "support/checkpoint_writer.h"
#include "support/npy.h"
#include "vila/vila.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
namespace fs = std::filesystem;
using Layout = RandomCheckpoint::Layout;
using Tower = RandomCheckpoint::Tower;
using reference::Matrix;
using Pixels = std::vector<float>;

namespace {

constexpr double kPixels = 1e-5, kFeatures = 1e-4, kLogits = 2e-4;  // tests/data/README.md
// Weights and, where the processor multiplies bfloat16, activations of linear layers are rounded to it.
constexpr double kBf16Features = 0.15, kBf16Logits = 0.5;

Image noise_image(int32_t width, int32_t height, uint32_t state) {
  std::vector<uint8_t> rgb(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
  for (uint8_t& value : rgb) value = static_cast<uint8_t>((state = state * 1664525U + 1013904223U) >> 24);
  return Image::from_rgb(rgb.data(), rgb.size(), width, height);
}

/// The rectangle of an image, zero beyond its edges.
Image part_of(const Image& image, int32_t left, int32_t top, int32_t width, int32_t height) {
  std::vector<uint8_t> rgb;
  for (int32_t y = top; y < top + height; ++y) {
    const uint8_t* row = image.rgb() + 3 * (y * image.width() + left);
    rgb.insert(rgb.end(), row, row + 3 * width);
  }
  return Image::from_rgb(rgb.data(), rgb.size(), width, height);
}

/// Planes [3,h,w] with the tower's mean and deviation.
Pixels normalized(const Image& image, Tower tower) {
  static const std::map<Tower, std::array<std::array<double, 3>, 2>> numbers = {
      {Tower::clip, {{{0.48145466, 0.4578275, 0.40821073}, {0.26862954, 0.26130258, 0.27577711}}}},
      {Tower::siglip, {{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}}}},
      {Tower::internvit, {{{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}}}}};
  const auto& [mean, deviation] = numbers.at(tower);
  Pixels planes;
  for (size_t c = 0; c < 3; ++c) {
    for (size_t i = c; i < image.rgb_size(); i += 3) {
      planes.push_back(static_cast<float>((image.rgb()[i] / 255.0 - mean[c]) / deviation[c]));
    }
  }
  return planes;
}

/// One square, by the rule of the row's family.
Pixels square_of(const Image& image, const RandomCheckpoint& shape, int32_t side) {
  if (shape.layout == Layout::llava_hf) {  // Shortest edge, then the middle.
    const int32_t shorter = std::min(image.width(), image.height());
    const Image resized = image.resize(side * image.width() / shorter, side * image.height() / shorter);
    return normalized(part_of(resized, (resized.width() - side) / 2, (resized.height() - side) / 2, side, side), shape.tower);
  }
  if (shape.aspect == "pad") {
    const std::array<uint8_t, 3> color = {122, 116, 104};
    const int32_t longer = std::max(image.width(), image.height());
    std::vector<uint8_t> rgb;
    for (int32_t i = 0; i < longer * longer; ++i) rgb.insert(rgb.end(), color.begin(), color.end());
    const int32_t left = (longer - image.width()) / 2, top = (longer - image.height()) / 2;
    for (int32_t y = 0; y < image.height(); ++y) {
      std::copy_n(image.rgb() + 3 * y * image.width(), 3 * image.width(), rgb.begin() + 3 * ((top + y) * longer + left));
    }
    return normalized(Image::from_rgb(rgb.data(), rgb.size(), longer, longer).resize(side, side), shape.tower);
  }
  return normalized(image.resize(side, side), shape.tower);
}

std::string layout_name(Layout layout) {
  switch (layout) {
    case Layout::three_folders: return "three folders";
    case Layout::one_folder: return "one folder, the tower in its own";
    case Layout::one_folder_inside: return "one folder";
    case Layout::llava_hf: return "llava-hf";
  }
  return "";
}

/// A written checkpoint, loaded by the engine and by the plain pass.
struct Loaded {
  explicit Loaded(const Row& from, const std::string& precision = "fp32") : row(from) {
    if (precision == "bf16") feature_tolerance = kBf16Features, logit_tolerance = kBf16Logits;
    options.precision = precision;
    write_checkpoint(folder(), row.shape);
    row.change(folder());
    options.cache_dir = (dir / "cache").string();
    fs::path weights = folder();  // of the plain pass: packed ones are written once more, as what they stand for
    if (row.shape.packing || row.store) {
      RandomCheckpoint shape = row.shape;
      shape.dequantized = row.shape.packing.has_value();
      weights = dir / "plain";
      write_checkpoint(weights, shape);
      row.change(weights);
    }
    if (row.store) row.store(folder());
    plain.emplace(weights);
    model.emplace(Model::load(folder().string(), options, nullptr));
  }
  fs::path folder() const { return dir / "model"; }

  const Row& row;
  TempDir dir;
  LoadOptions options;
  std::optional<reference::PlainModel> plain;
  std::optional<Model> model;
  double feature_tolerance = kFeatures, logit_tolerance = kLogits;
  double features = -1, tokens = -1, logits = -1;  ///< largest differences seen; negative: none compared

  int32_t square_side() const {
    const bool s2 = !row.shape.s2_scales.empty() && row.shape.aspect != "dynamic_s2";
    return static_cast<int32_t>(s2 ? plain->scales().back() : static_cast<size_t>(row.shape.image));
  }

  /// The image as one square: checks every stage and returns the plain pass's tokens.
  Matrix square_tokens(const Image& image) {
    const EncodedImage encoded = model->encode_image(image);
    const Pixels pixels = square_of(image, row.shape, square_side());
    CHECK(max_abs_difference(encoded.pixel_values, pixels) < kPixels);
    const Matrix wanted = plain->features(encoded.pixel_values), projected = plain->project(wanted);
    features = std::max(features, max_abs_difference(encoded.vision_features, wanted.v));
    CHECK(features < feature_tolerance);
    CHECK(encoded.feature_shape == std::vector<int64_t>{1, static_cast<int64_t>(wanted.rows), static_cast<int64_t>(wanted.cols)});
    check_tokens(encoded.projected, projected);
    CHECK(encoded.projected_shape ==
          std::vector<int64_t>{1, static_cast<int64_t>(projected.rows), static_cast<int64_t>(projected.cols)});
    CHECK(static_cast<size_t>(model->info().tokens_per_image) == projected.rows);
    return projected;
  }

  void check_tokens(const std::vector<float>& got, const Matrix& wanted) {
    tokens = std::max(tokens, max_abs_difference(got, wanted.v));
    CHECK(tokens < feature_tolerance);
  }

  /// The ids of positions without NVILA's line end behind each image, which is no part of the text.
  std::vector<int> text_ids(const std::vector<int>& ids) const {
    std::vector<int> kept;
    for (size_t i = 0; i < ids.size(); ++i) {
      const bool behind = row.rule == Rule::nvila && i > 0 && ids[i - 1] == model->info().image_placeholder_id;
      if (!behind) kept.push_back(ids[i]);
    }
    return kept;
  }

  /// The user's words in the row's template, `<image>` for each image, and the ids of all positions.
  std::vector<int> expected_ids(const std::string& words) const {
    const std::string text = row.before + words + row.after;
    const Tokenizer tokenizer = model->tokenizer();
    const int image = model->info().image_placeholder_id;
    if (row.rule == Rule::one_text) return tokenizer.encode(text, true);
    std::vector<int> ids;
    for (size_t at = 0; at <= text.size();) {
      const size_t mark = std::min(text.find("<image>", at), text.size());
      std::vector<int> part = tokenizer.encode(text.substr(at, mark - at), row.rule == Rule::chunks);
      if (row.rule == Rule::chunks && at > 0) part.erase(part.begin());  // Each text has its own BOS; the first one's stays.
      ids.insert(ids.end(), part.begin(), part.end());
      if (mark < text.size()) {
        ids.push_back(image);
        if (row.rule == Rule::nvila) ids.push_back('\n');
      }
      at = mark + std::string("<image>").size();
    }
    return ids;
  }

  /// Checks text, ids and spans of a prompt with these image tokens, then the logits of its last position and of two more tokens.
  void check_prompt(const Prompt& prompt, const std::string& words, const std::vector<Matrix>& images) {
    const TokenizedPrompt tokenized = model->tokenize(prompt);
    CHECK(tokenized.text == row.before + words + row.after);
    std::vector<int> ids = expected_ids(words);
    REQUIRE(tokenized.input_ids == text_ids(ids));
    const int placeholder = model->info().image_placeholder_id;
    std::vector<int> spans;
    int position = 0;
    for (const int id : ids) {
      const int count = id == placeholder ? static_cast<int>(images.at(spans.size() / 2).rows) : 1;
      if (id == placeholder) spans.insert(spans.end(), {position, count});
      position += count;
    }
    CHECK(tokenized.image_spans == spans);
    CHECK(spans.size() == 2 * images.size());
    CHECK(tokenized.sequence_length == position);

    Session session = model->new_session();
    session.prefill(prompt);
    CHECK(session.position() == position);
    for (int step = 0; step < 3; ++step) {
      const Matrix all = plain->language.logits(plain->splice(ids, images, placeholder));
      const std::vector<float> wanted(all[all.rows - 1], all[all.rows - 1] + all.cols);
      logits = std::max(logits, max_abs_difference(session.logits(), wanted));
      CHECK(logits < logit_tolerance);
      ids.push_back(static_cast<int>(std::max_element(wanted.begin(), wanted.end()) - wanted.begin()));
      if (ids.back() == placeholder) break;  // Generated, it is text, which splice() cannot know.
      if (step < 2) session.decode(ids.back());
    }
  }

  /// Two images in one prompt: untiled in every family.
  void check_two_images() {
    const Image first = noise_image(37, 21, 1), second = noise_image(18, 40, 2);
    Prompt prompt;
    prompt.begin_turn(Role::user).add_image(first).add_text("\nand ").add_image(second).add_text(": compare them.");
    check_prompt(prompt, "<image>\nand <image>: compare them.", {square_tokens(first), square_tokens(second)});
  }

  /// The row of docs/models.md.
  void report(const std::string& prompts) const {
    const std::string layout = row.layout.empty() ? layout_name(row.shape.layout) : row.layout;
    record({row.name, layout, row.particular, "plain pass", prompts, "fp32", features, tokens, logits, kFeatures, kLogits});
  }
};

}  // namespace

TEST_CASE("families: two images, one square each") {
  for (const Row& r : square_rows()) {
    CAPTURE(r.name);
    Loaded loaded(r);
    loaded.check_two_images();
    loaded.report("two images");
  }
}

TEST_CASE("families in bf16: two images, one square each") {
  std::vector<Row> rows = square_rows();
  for (const Row& r : packed_rows()) rows.push_back(r);
  double features = 0, logits = 0;
  for (const Row& r : rows) {
    CAPTURE(r.name);
    Loaded loaded(r, "bf16");
    CHECK(loaded.model->info().precision.starts_with("bf16"));
    loaded.check_two_images();
    features = std::max({features, loaded.features, loaded.tokens});
    logits = std::max(logits, loaded.logits);
  }
  MESSAGE("largest differences: features and tokens ", features, ", logits ", logits);
}

TEST_CASE("AWQ: packed language weights") {
  for (const Row& r : packed_rows()) {
    CAPTURE(r.name);
    Loaded loaded(r);
    loaded.check_two_images();
    loaded.report("two images");
    const ModelInfo info = loaded.model->info();
    CHECK(info.weight_dtype == join("awq int4, group ", r.shape.group));
    CHECK(info.precision == join("fp32, weights int4 group ", r.shape.group));
    // The same cache serves another load.
    const std::vector<std::string> lines = Model::compile(loaded.folder().string(), loaded.options, nullptr);
    REQUIRE(lines.size() == 4);
    for (const std::string& line : lines) CHECK(line.ends_with(" bytes, already there"));
    CHECK(lines[2].starts_with("language-packed-"));
  }
}

TEST_CASE(
    "AWQ: the weights file beside a plan is written again where it is missing or damaged; a cache that was moved gets a new plan") {
  const Row r = packed_rows().front();
  const TempDir dir;
  const fs::path folder = dir / "model";
  write_checkpoint(folder, r.shape);
  r.change(folder);
  LoadOptions options;
  options.cache_dir = (dir / "cache").string();
  const auto files = [&] { return Model::compile(folder.string(), options, nullptr); };
  const std::vector<std::string> first = files();
  REQUIRE(first.size() == 4);
  const fs::path weights = fs::path(options.cache_dir) / first[2].substr(0, first[2].find(':'));
  CHECK(first[2] == join(weights.filename().string(), ": ", fs::file_size(weights), " bytes, written"));
  CHECK(first[3].ends_with(" bytes, compiled"));
  const auto answer = [&] {
    Session session = Model::load(folder.string(), options, nullptr).new_session();
    Prompt prompt;
    session.prefill(prompt.begin_turn(Role::user).add_text("What is this?"));
    return session.logits();
  };
  const std::vector<float> logits = answer();
  const uintmax_t size = fs::file_size(weights);
  const std::function<void()> harms[] = {[&] { fs::remove(weights); }, [&] { fs::resize_file(weights, size - 1); },
                                         [&] { fs::resize_file(weights, size / 2); }, [&] { fs::resize_file(weights, 0); }};
  for (const auto& harm : harms) {
    harm();
    const std::vector<std::string> again = files();
    CHECK(again[2] == first[2]);
    CHECK(again[3].ends_with(" bytes, already there"));
    CHECK(answer() == logits);
  }
  fs::rename(options.cache_dir, dir / "moved");
  options.cache_dir = (dir / "moved").string();
  const std::vector<std::string> moved = files();
  CHECK(moved[2].ends_with(" bytes, already there"));
  CHECK(moved[3].ends_with(" bytes, compiled"));
  CHECK(answer() == logits);
}

TEST_CASE("NVILA: an image alone enters as tiles at three scales") {
  const Row r = nvila_8b_row();
  Loaded loaded(r);
  const auto engine = Engine::load(loaded.folder().string(), loaded.options, nullptr);
  const int32_t tile = 16;
  const std::pair<int32_t, int32_t> sizes[] = {{48, 48}, {90, 31}, {20, 130}, {40, 30}, {33, 70}};
  for (const auto& [width, height] : sizes) {
    CAPTURE(width);
    CAPTURE(height);
    const Image image = noise_image(width, height, 3);
    const auto [columns, rows] = reference::choose_tiles(static_cast<size_t>(width), static_cast<size_t>(height), 9, tile);
    std::vector<std::vector<Pixels>> tiles;
    const std::pair<size_t, size_t> grids[] = {{1, 1}, {2, 2}, {columns, rows}};
    for (const auto& [across, down] : grids) {
      const Image squeezed = image.resize(static_cast<int32_t>(across) * tile, static_cast<int32_t>(down) * tile);
      tiles.emplace_back();
      for (int32_t y = 0; y < squeezed.height(); y += tile) {
        for (int32_t x = 0; x < squeezed.width(); x += tile)
          tiles.back().push_back(normalized(part_of(squeezed, x, y, tile, tile), Tower::siglip));
      }
    }
    const Matrix tokens = loaded.plain->tiled(tiles, rows, columns);
    CHECK(tokens.rows == rows * columns * 4);
    loaded.check_tokens(*engine->vision().encode({image, true}, nullptr), tokens);
    const EncodedImage stages = loaded.model->encode_tiles(image);
    Pixels pixels;
    for (const std::vector<Pixels>& scale : tiles) {
      for (const Pixels& crop : scale) pixels.insert(pixels.end(), crop.begin(), crop.end());
    }
    const auto blocks = static_cast<int64_t>(rows * columns), channels = static_cast<int64_t>(tokens.cols);
    CHECK(stages.pixel_shape == std::vector<int64_t>{5 + blocks, 3, tile, tile});
    CHECK(max_abs_difference(stages.pixel_values, pixels) < kPixels);
    CHECK(stages.feature_shape == std::vector<int64_t>{blocks, 16, 3 * r.shape.vision_hidden});
    CHECK(stages.vision_features.size() == static_cast<size_t>(blocks * 16 * 3 * r.shape.vision_hidden));
    CHECK(stages.projected_shape == std::vector<int64_t>{1, blocks * 4, channels});
    CHECK(max_abs_difference(stages.projected, tokens.v) < kFeatures);
    Prompt prompt;
    prompt.begin_turn(Role::user).add_image(image).add_text("What is this?");
    loaded.check_prompt(prompt, "<image>What is this?", {tokens});
  }
  loaded.report("one image, tiles at three scales");
}

TEST_CASE("NVILA-Lite: an image alone enters as tiles and a thumbnail, a line each") {
  for (const bool tied : {false, true}) {
    const Row r = nvila_lite_row(tied);
    Loaded loaded(r);
    const int32_t tile = 16;
    const std::pair<int32_t, int32_t> sizes[] = {{48, 48}, {90, 31}, {20, 130}, {16, 16}, {33, 70}};
    for (const auto& [width, height] : sizes) {
      CAPTURE(width);
      CAPTURE(height);
      const Image image = noise_image(width, height, 4);
      const auto [columns, rows] = reference::choose_tiles(static_cast<size_t>(width), static_cast<size_t>(height), 1, tile);
      const Image squeezed = image.resize(static_cast<int32_t>(columns) * tile, static_cast<int32_t>(rows) * tile);
      std::vector<Matrix> images;
      std::string words;
      for (int32_t y = 0; y < squeezed.height(); y += tile) {
        for (int32_t x = 0; x < squeezed.width(); x += tile)
          images.push_back(loaded.square_tokens(part_of(squeezed, x, y, tile, tile)));
      }
      if (images.size() > 1) images.push_back(loaded.square_tokens(image.resize(tile, tile)));
      const EncodedImage stages = loaded.model->encode_tiles(image);
      const auto count = static_cast<int64_t>(images.size());
      CHECK(stages.pixel_shape == std::vector<int64_t>{count, 3, tile, tile});
      CHECK(stages.feature_shape == std::vector<int64_t>{count, 16, r.shape.vision_hidden});
      CHECK(stages.projected_shape ==
            std::vector<int64_t>{count, static_cast<int64_t>(images[0].rows), static_cast<int64_t>(images[0].cols)});
      std::vector<float> all;
      for (const Matrix& each : images) all.insert(all.end(), each.v.begin(), each.v.end());
      CHECK(max_abs_difference(stages.projected, all) < kFeatures);
      const Pixels last = normalized(images.size() > 1 ? image.resize(tile, tile) : squeezed, Tower::siglip);
      CHECK(max_abs_difference({stages.pixel_values.end() - static_cast<std::ptrdiff_t>(last.size()), stages.pixel_values.end()},
                               last) < kPixels);
      for (size_t i = 0; i < images.size(); ++i) words += "<image>\n";
      words += "What is this?";
      Prompt prompt;
      prompt.begin_turn(Role::user).add_image(image).add_text("What is this?");
      loaded.check_prompt(prompt, words, images);
    }
    loaded.report("one image, tiles and thumbnail");
  }
}

TEST_CASE("video frames: a line each in VILA1.5, images one after another in NVILA whatever video_max_tiles is") {
  struct VideoRow {
    Row row;
    FrameRule rule;
    int32_t frames;
    std::vector<int32_t> indices;  ///< of a video of 3 frames
    std::string words;
  };
  const auto with = [](Row r, const std::string& particular, const std::string& keys) {
    r.particular += particular;
    const auto change = r.change;
    r.change = [change, keys](const fs::path& folder) {
      change(folder);
      patch_json(folder / "config.json", keys);
    };
    return r;
  };
  const std::string nvila_words = "<image><image><image><image>What happens?";
  const VideoRow rows[] = {
      {with(row("VILA1.5-3b, -7b, -13b", 1, "SigLIP, `mlp_downsample` column by column, `vicuna_v1`"), "",
            R"({"num_video_frames": 5, "fps": 2})"),
       FrameRule::truncated, 5, {-1, -1, 0, 1, 2}, "<image>\n<image>\n<image>\n<image>\n<image>\nWhat happens?"},
      {with(nvila_8b_row(), "", R"({"num_video_frames": 4, "video_max_tiles": 1})"), FrameRule::rounded, 4, {0, 1, 1, 2},
       nvila_words},
      {with(nvila_8b_row(), ", `video_max_tiles` 4", R"({"num_video_frames": 4, "video_max_tiles": 4})"), FrameRule::rounded, 4,
       {0, 1, 1, 2}, nvila_words},
      {with(nvila_lite_row(), "", R"({"num_video_frames": 4, "video_max_tiles": 1})"), FrameRule::rounded, 4, {0, 1, 1, 2},
       nvila_words},
      {with(nvila_lite_row(), ", `video_max_tiles` 4", R"({"num_video_frames": 4, "video_max_tiles": 4})"), FrameRule::rounded, 4,
       {0, 1, 1, 2}, nvila_words},
  };
  const Image source[] = {noise_image(40, 22, 6), noise_image(40, 22, 7), noise_image(40, 22, 8)};
  const std::vector<uint8_t> zeros(size_t{40} * 22 * 3);
  const Image black = Image::from_rgb(zeros.data(), zeros.size(), 40, 22);
  for (const VideoRow& r : rows) {
    CAPTURE(r.row.name);
    Loaded loaded(r.row);
    const VideoSampling sampling = loaded.model->video_sampling();
    CHECK(sampling.rule == r.rule);
    CHECK(sampling.frames == r.frames);
    CHECK(sampling.frame_indices(3, 0) == r.indices);
    std::vector<Image> frames;
    std::vector<Matrix> tokens;
    for (const int32_t index : r.indices) {
      frames.push_back(index < 0 ? black : source[index]);
      tokens.push_back(loaded.square_tokens(frames.back()));
    }
    Prompt prompt;
    prompt.begin_turn(Role::user).add_video(frames).add_text("What happens?");
    loaded.check_prompt(prompt, r.words, tokens);
    loaded.report("a video");
  }
}

TEST_CASE("NVILA: the ids of a prompt, one by one") {
  const Row r = nvila_8b_row();
  const Loaded loaded(r);
  const Image image = noise_image(8, 8, 5);
  Prompt prompt;
  prompt.begin_turn(Role::user).add_image(image).add_image(image).add_text("\n\nHi");
  std::vector<int> ids;
  const auto text = [&ids](const std::string& bytes) { ids.insert(ids.end(), bytes.begin(), bytes.end()); };
  const int im_start = 258, im_end = 259, mark = 263, two_line_ends = 256;
  ids.push_back(im_start), text("system\nYou are a helpful assistant"), ids.push_back(im_end), text("\n");
  ids.push_back(im_start), text("user\n");
  ids.insert(ids.end(), {mark, mark, two_line_ends});
  text("Hi"), ids.push_back(im_end), text("\n"), ids.push_back(im_start), text("assistant\n");
  const TokenizedPrompt tokenized = loaded.model->tokenize(prompt);
  CHECK(tokenized.input_ids == ids);
  const int32_t tokens = loaded.model->info().tokens_per_image;
  CHECK(tokenized.sequence_length == static_cast<int32_t>(ids.size()) + 2 * tokens);  // each image, less its mark, and a line end
  CHECK(loaded.model->info().image_placeholder_id == mark);
  CHECK(mark >= loaded.model->info().vocab_size);
}
