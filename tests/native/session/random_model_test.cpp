// SPDX-License-Identifier: Apache-2.0
// The engine against the plain forward pass on models that are none of the goldens, and what a plan leaves on disk.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "reference/forward.h"
#include "support/checkpoint_writer.h"
#include "support/npy.h"
#include "vila/vila.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
namespace fs = std::filesystem;
using Layout = RandomCheckpoint::Layout;
using Tower = RandomCheckpoint::Tower;

namespace {

/// A seeded image with detail in it.
Image noise_image(int32_t width, int32_t height) {
  std::vector<uint8_t> rgb(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
  uint32_t state = 12345;
  for (uint8_t& value : rgb) value = static_cast<uint8_t>((state = state * 1664525U + 1013904223U) >> 24);
  return Image::from_rgb(rgb.data(), rgb.size(), width, height);
}

LoadOptions cached_in(const fs::path& folder) {
  LoadOptions options;
  options.cache_dir = folder.string();
  options.precision = "fp32";
  return options;
}

/// Defaults of this file: two heads of 32.
RandomCheckpoint small_model() {
  RandomCheckpoint shape;
  shape.tokenizer = data("cases/vila10-clip-linear/model");
  shape.hidden = 64, shape.heads = 2, shape.kv_heads = 1;
  return shape;
}

uintmax_t bytes_in(const fs::path& folder) {
  uintmax_t sum = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) sum += entry.file_size();
  }
  return sum;
}

struct Variant {
  const char* name;
  RandomCheckpoint shape;
};

std::vector<Variant> variants() {
  const RandomCheckpoint base = small_model();
  std::vector<Variant> all;
  const auto add = [&](const char* name, auto change) {
    RandomCheckpoint shape = base;
    shape.seed = 100 + all.size();
    change(shape);
    all.push_back({name, shape});
  };
  add("VILA1.5, one KV head, odd grid", [](RandomCheckpoint& s) {
    s.hidden = 96, s.heads = 6, s.kv_heads = 1, s.intermediate = 72, s.layers = 3, s.image = 23, s.patch = 3;
  });
  add("VILA1.5, bf16, even grid, three shards", [](RandomCheckpoint& s) {
    s.dtype = DType::bf16, s.image = 24, s.shards = 3, s.rope_theta = 500000;
  });
  add("VILA1.5, fp16, tied head", [](RandomCheckpoint& s) { s.dtype = DType::f16, s.tied_head = true; });
  add("VILA1.5, heads of 8, Llama-2", [](RandomCheckpoint& s) { s.hidden = 32, s.heads = 4, s.kv_heads = 4; });
  add("VILA1.5, heads of 24, grouped", [](RandomCheckpoint& s) { s.hidden = 144, s.heads = 6, s.kv_heads = 2; });
  add("VILA 1.0, CLIP, linear, pad", [](RandomCheckpoint& s) {
    s.layout = Layout::one_folder, s.tower = Tower::clip, s.projector = "linear", s.aspect = "pad", s.kv_heads = 2;
  });
  add("VILA 1.0, CLIP, mlp2x_gelu", [](RandomCheckpoint& s) {
    s.layout = Layout::one_folder, s.tower = Tower::clip, s.projector = "mlp2x_gelu", s.aspect = "pad", s.shards = 2;
  });
  return all;
}

}  // namespace

TEST_CASE("random models: engine and plain forward pass agree stage by stage") {
  for (const Variant& variant : variants()) {
    CAPTURE(variant.name);
    const TempDir dir;
    write_checkpoint(dir / "model", variant.shape);
    const reference::PlainModel plain(dir / "model");
    const Model model = Model::load((dir / "model").string(), cached_in(dir / "cache"), nullptr);

    const Image image = noise_image(37, 21);
    const EncodedImage encoded = model.encode_image(image);
    const reference::Matrix features = plain.features(encoded.pixel_values);
    CHECK(max_abs_difference(encoded.vision_features, features.v) < 1e-4);
    const reference::Matrix projected = plain.project(features);
    CHECK(max_abs_difference(encoded.projected, projected.v) < 1e-4);

    Prompt prompt;
    prompt.begin_turn(Role::user).add_text("Compare ").add_image(image).add_text(" and ").add_image(image).add_text(".");
    std::vector<int> ids = model.tokenize(prompt).input_ids;
    Session session = model.new_session();
    session.prefill(prompt);
    for (int step = 0; step < 4; ++step) {
      CAPTURE(step);
      const reference::Matrix logits = plain.language.logits(plain.splice(ids, {projected, projected}));
      const std::vector<float> want(logits[logits.rows - 1], logits[logits.rows - 1] + logits.cols);
      const std::vector<float> got = session.logits();
      const double difference = max_abs_difference(got, want);
      CAPTURE(difference);
      CHECK(difference < 2e-4);
      const int best = static_cast<int>(std::max_element(want.begin(), want.end()) - want.begin());
      ids.push_back(best);
      session.decode(best);
    }
  }
}

TEST_CASE("a prompt longer than one prefill chunk, and a session that grows through its buckets") {
  const TempDir dir;
  RandomCheckpoint shape = small_model();
  shape.max_positions = 2048;
  write_checkpoint(dir / "model", shape);
  const reference::PlainModel plain(dir / "model");
  const Model model = Model::load((dir / "model").string(), cached_in(dir / "cache"), nullptr);
  Prompt prompt;
  std::string text;
  for (int i = 0; i < 260; ++i) text += std::to_string(i) + " ";
  prompt.begin_turn(Role::user).add_text(text);
  std::vector<int> ids = model.tokenize(prompt).input_ids;
  REQUIRE(ids.size() > 600);
  Session session = model.new_session();
  session.prefill(prompt);
  for (int step = 0; step < 3; ++step) {
    const reference::Matrix logits = plain.language.logits(plain.splice(ids, {}));
    CHECK(max_abs_difference(session.logits(), {logits[logits.rows - 1], logits[logits.rows - 1] + logits.cols}) < 2e-4);
    ids.push_back(7 + step);
    session.decode(7 + step);
  }
  // Growing bucket by bucket gives what one reservation gives.
  Prompt start;
  start.begin_turn(Role::user).add_text("a");
  Session stepwise = model.new_session();
  stepwise.prefill(start);
  std::vector<int> grown = model.tokenize(start).input_ids;
  while (grown.size() < 530) {
    grown.push_back(static_cast<int>(grown.size()) % 600 + 3);
    stepwise.decode(grown.back());
  }
  const reference::Matrix logits = plain.language.logits(plain.splice(grown, {}));
  CHECK(max_abs_difference(stepwise.logits(), {logits[logits.rows - 1], logits[logits.rows - 1] + logits.cols}) < 2e-4);
}

TEST_CASE("a checkpoint of symbolic links runs, and plans hold no weights") {
  const TempDir dir;
  RandomCheckpoint shape = small_model();
  shape.hidden = 256, shape.heads = 8, shape.kv_heads = 4, shape.intermediate = 512, shape.max_positions = 128;
  write_checkpoint(dir / "blobs", shape);
  for (const auto& entry : fs::recursive_directory_iterator(dir / "blobs")) {  // as a Hugging Face cache lays its snapshots out
    const fs::path link = (dir / "snapshot") / fs::relative(entry.path(), dir / "blobs").string();
    if (entry.is_directory()) {
      fs::create_directories(link);
    } else {
      fs::create_directories(link.parent_path());
      fs::create_symlink(entry.path(), link);
    }
  }
  GenerationOptions generation;
  generation.max_new_tokens = 8;
  generation.ignore_eos = true;
  Prompt prompt;
  prompt.begin_turn(Role::user).add_text("a").add_image(noise_image(9, 9));
  const auto answer = [&](const char* folder, const char* cache) {
    return Model::load((dir / folder).string(), cached_in(dir / cache), nullptr).new_session().generate(prompt, generation, nullptr).ids;
  };
  CHECK(answer("snapshot", "cache-links") == answer("blobs", "cache-files"));
  const auto weights = static_cast<uintmax_t>(Model::describe((dir / "blobs").string()).weight_bytes);
  CHECK(bytes_in(dir / "cache-links") < weights / 10);
}

TEST_CASE("plans are found again, and made anew when the checkpoint changes") {
  const TempDir dir;
  RandomCheckpoint shape = small_model();
  write_checkpoint(dir / "model", shape);
  const std::string folder = (dir / "model").string();
  const auto compile = [&] { return Model::compile(folder, cached_in(dir / "cache"), nullptr); };
  const auto all_end_with = [](const std::vector<std::string>& lines, const std::string& end) {
    return lines.size() == 3 && std::all_of(lines.begin(), lines.end(), [&](const std::string& l) { return l.ends_with(end); });
  };
  CHECK(all_end_with(compile(), ", compiled"));
  CHECK(all_end_with(compile(), ", already there"));
  shape.seed = 2;
  write_checkpoint(dir / "model", shape);
  CHECK(all_end_with(compile(), ", compiled"));
}

TEST_CASE("loading: options out of bounds, cancelled progress, nothing left behind") {
  const TempDir dir;
  RandomCheckpoint shape = small_model();
  write_checkpoint(dir / "model", shape);
  const std::string folder = (dir / "model").string();
  const int64_t alive = live_object_count();
  const auto error_with = [&](auto change) {
    LoadOptions options = cached_in(dir / "cache");
    change(options);
    return error_of([&] { Model::load(folder, options, nullptr); });
  };
  CHECK(error_with([](LoadOptions& o) { o.backend = "cuda"; }) == "1:backend: \"cuda\", expected auto, onnxruntime or tensorrt");
  CHECK(error_with([](LoadOptions& o) { o.precision = "int3"; }) ==
        "1:precision: \"int3\", expected default, fp32, bf16, int8 or int4");
  CHECK(error_with([](LoadOptions& o) { o.threads = -1; }) == "1:threads: -1, expected 0 to 1024");
  CHECK(error_with([](LoadOptions& o) { o.context_length = 513; }) ==
        "1:context_length: 513, expected 0 to 512, the positions this model was made for");
  CHECK(error_with([](LoadOptions& o) { o.image_cache_bytes = -1; }) == "1:image_cache_bytes: -1, expected 0 or more");
  CHECK(error_with([](LoadOptions& o) { o.prompt_template = "alpaca"; }).starts_with("1:prompt_template: \"alpaca\", expected one of vicuna_v1, "));
  struct Refuse : ProgressListener {
    std::string last;
    bool on_progress(const std::string& stage, double) override {
      last = stage;
      return stage != "language plan";
    }
  } refuse;
  CHECK(error_of([&] { Model::load(folder, cached_in(dir / "cache"), &refuse); }) == "8:cancelled at stage language plan");
  CHECK(live_object_count() == alive);
  Model::load(folder, cached_in(dir / "cache"), nullptr);
  CHECK(live_object_count() == alive);
}
