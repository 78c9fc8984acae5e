// SPDX-License-Identifier: Apache-2.0
// Checkpoints of random weights: what they hold, that they run in bf16, int8 and int4 and in nothing else.
#include <doctest/doctest.h>

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "checkpoint/checkpoint.h"
#include "kernels/packed_matrix.h"
#include "session/synthetic.h"
#include "support/npy.h"
#include "vila/vila.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
namespace fs = std::filesystem;

namespace {

/// A model of its kind that is small enough for a test; sizes are no multiples of a block.
SyntheticModel small(const std::string& name) {
  SyntheticModel model = synthetic_model(name);
  const int64_t heads = name.starts_with("vila-") ? 4 : 2;
  model.language.update({{"hidden_size", 40 * heads},
                         {"num_hidden_layers", 3},
                         {"num_attention_heads", heads},
                         {"num_key_value_heads", 2},
                         {"intermediate_size", 200},
                         {"vocab_size", 300}});
  model.tower.update(
      {{"hidden_size", 48}, {"num_hidden_layers", 3}, {"num_attention_heads", 2}, {"intermediate_size", 72}, {"image_size", 56}});
  return model;
}

LoadOptions options_of(const TempDir& dir, const std::string& precision) {
  LoadOptions options;
  options.cache_dir = (dir / "cache").string();
  options.precision = precision;
  return options;
}

Image grey_image() {
  const std::vector<uint8_t> rgb(size_t{30} * 20 * 3, 99);
  return Image::from_rgb(rgb.data(), rgb.size(), 30, 20);
}

Prompt question() {
  Prompt prompt;
  prompt.begin_turn(Role::user).add_image(grey_image()).add_text("What is it?");
  return prompt;
}

bool reasonable(const std::vector<float>& values, float most) {
  return std::all_of(values.begin(), values.end(), [most](float v) { return std::isfinite(v) && std::abs(v) < most; });
}

double deviation(const std::vector<float>& values) {
  double sum = 0, squares = 0;
  for (const float v : values) sum += v, squares += double{v} * v;
  const auto count = static_cast<double>(values.size());
  return std::sqrt(squares / count - sum / count * sum / count);
}

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("synthetic: drawn weights have mean 0 and deviation 1/sqrt(inputs), and rows that do not exist are zero") {
  for (const int32_t bits : {4, 8}) {
    CAPTURE(bits);
    const kernels::PackedShape shape{500, 2000, 32, bits, kernels::Zero::middle};
    std::vector<uint8_t> packed(shape.bytes()), again(shape.bytes(), 1);
    kernels::draw_weights(shape, 5, packed.data());
    kernels::draw_weights(shape, 5, again.data());
    CHECK(packed == again);
    kernels::draw_weights(shape, 6, again.data());
    CHECK(packed != again);
    std::vector<float> row(static_cast<size_t>(shape.k));
    double sum = 0, squares = 0;
    for (int64_t n = 0; n < shape.n; ++n) {
      kernels::unpack_row({shape, packed.data()}, n, row.data());
      for (const float v : row) sum += v, squares += double{v} * v;
    }
    CHECK(std::abs(sum / 1e6) < 4e-3 / std::sqrt(2000.0));  // 4 deviations of the mean of a million weights
    CHECK(std::abs(std::sqrt(squares / 1e6 * 2000) - 1) < 0.01);
    for (int64_t n = shape.n; n < shape.panels() * kernels::kLanes; ++n) {
      kernels::unpack_row({shape, packed.data()}, n, row.data());
      CHECK(reasonable(row, 1e-30F));
    }
  }
}

TEST_CASE("synthetic: a model generates the same ids in every copy of it") {
  for (const std::string name : {"vila1.5-3b", "llama3-8b", "vila-7b", "vila-13b"}) {
    for (const std::string precision : {"bf16", "int8", "int4"}) {
      CAPTURE(name);
      CAPTURE(precision);
      std::vector<std::vector<int32_t>> ids;
      for (int copy = 0; copy < 2; ++copy) {
        const TempDir dir;
        write_synthetic(small(name), (dir / "model").string());
        const Model model = Model::load((dir / "model").string(), options_of(dir, precision), nullptr);
        CHECK(model.info().precision == precision);
        CHECK(model.info().prompt_template == "plain");
        const EncodedImage image = model.encode_image(grey_image());
        CHECK(reasonable(image.vision_features, 100));
        CHECK(deviation(image.vision_features) > 0.1);
        CHECK(deviation(image.projected) > 0.01);
        Session session = model.new_session();
        session.prefill(question());
        CHECK(reasonable(session.logits(), 100));
        CHECK(deviation(session.logits()) > 0.1);
        GenerationOptions options;
        options.max_new_tokens = 20;
        options.ignore_eos = true;
        ids.push_back(session.generate(question(), options, nullptr).ids);
        CHECK(ids.back().size() == 20);
      }
      CHECK(ids[0] == ids[1]);
    }
  }
}

TEST_CASE("synthetic: fp32 is refused") {
  const TempDir dir;
  const std::string folder = (dir / "model").string();
  write_synthetic(small("vila1.5-3b"), folder);
  const std::string refused = "1:precision: \"fp32\", expected bf16, int8 or int4, as " + folder +
                              " is synthetic: its linear layers are drawn at random in these only";
  CHECK(error_of([&] { Model::load(folder, options_of(dir, "fp32"), nullptr); }) == refused);
  CHECK(error_of([&] { Model::compile(folder, options_of(dir, "fp32"), nullptr); }) == refused);
}

TEST_CASE("synthetic: images only, also in fp32, as random each time") {
  const TempDir dir;
  const std::string folder = (dir / "model").string();
  write_synthetic(small("vila1.5-3b"), folder);
  LoadOptions options = options_of(dir, "fp32");
  options.images_only = true;
  const std::vector<std::string> lines = Model::compile(folder, options, nullptr);
  REQUIRE(lines.size() == 4);
  CHECK(lines[0].starts_with("vision-drawn-"));
  CHECK(lines[1].starts_with("vision-fp32-"));
  CHECK(lines[2].starts_with("projector-drawn-"));
  CHECK(lines[3].starts_with("projector-fp32-"));
  const Model model = Model::load(folder, options, nullptr);
  CHECK(model.info().precision == "fp32");
  const EncodedImage image = model.encode_image(grey_image());
  CHECK(reasonable(image.vision_features, 100));
  CHECK(deviation(image.vision_features) > 0.1);
  CHECK(deviation(image.projected) > 0.01);
  CHECK(error_of([&] { model.new_session(); }) == "5:session: the model was loaded for images only (images_only)");
  options.cache_dir = (dir / "again").string();
  CHECK(Model::load(folder, options, nullptr).encode_image(grey_image()).projected == image.projected);
  options.precision = "int8";
  CHECK(Model::compile(folder, options, nullptr).size() == 4);
  CHECK(deviation(Model::load(folder, options, nullptr).encode_image(grey_image()).projected) > 0.01);
}

TEST_CASE("synthetic: one id a byte") {
  const TempDir dir;
  write_synthetic(small("vila1.5-3b"), dir.path().string());
  const Tokenizer tokenizer = Tokenizer::load(dir.path().string());
  CHECK(tokenizer.vocab_size() == 256);
  const std::string text = "a b\n\xC3\xA4\xC2\xAD\x7F";
  const std::vector<int32_t> ids = tokenizer.encode(text, true);
  CHECK(ids.size() == text.size());
  CHECK(tokenizer.decode(ids, false) == text);
}

TEST_CASE("synthetic: files hold vectors and position embeddings, other matrices are holes") {
  const TempDir dir;
  SyntheticModel model = small("vila1.5-3b");
  model.language.update({{"hidden_size", 2048}, {"intermediate_size", 4096}});
  write_synthetic(model, dir.path().string());
  const auto checkpoint = Checkpoint::open(dir.path().string());
  CHECK(checkpoint->spec().synthetic);
  const TensorStore& language = checkpoint->language();
  CHECK(reasonable(language.get("model.layers.0.mlp.up_proj.weight").to_float(), 1e-30F));
  CHECK(reasonable(language.get("model.embed_tokens.weight").to_float(), 1e-30F));
  const std::vector<float> table = checkpoint->vision().get("vision_model.embeddings.position_embedding.weight").to_float();
  CHECK(std::abs(deviation(table) - 1) < 0.05);
  const std::vector<float> norm = language.get("model.norm.weight").to_float();
  CHECK(std::abs(deviation(norm) - 0.1) < 0.01);
  CHECK(std::abs(norm[0] - 1) < 0.2);
  struct stat status {};
  const fs::path file = dir / "llm/model.safetensors";
  REQUIRE(::stat(file.c_str(), &status) == 0);
  CHECK(status.st_blocks * 512 < status.st_size / 10);
}

TEST_CASE("synthetic: the cache has one folder a model, written once") {
  const TempDir dir;
  const SyntheticModel model = small("vila1.5-3b");
  const std::string folder = cached_synthetic(model, dir.path().string());
  CHECK(folder == (dir / "synthetic-2-vila1.5-3b").string());
  const auto written = fs::last_write_time(folder + "/config.json");
  CHECK(cached_synthetic(model, dir.path().string()) == folder);
  CHECK(fs::last_write_time(folder + "/config.json") == written);
  CHECK(std::distance(fs::directory_iterator(dir.path()), {}) == 1);  // nothing half-written is left
  write_synthetic(model, (dir / "again").string());
  CHECK(content(fs::path(folder) / "llm/model.safetensors") == content(dir / "again/llm/model.safetensors"));
}

TEST_CASE("synthetic: an unknown model and a folder that cannot be made") {
  const TempDir dir;
  CHECK(error_of([&] { synthetic_checkpoint("vila9", dir.path().string()); }) ==
        "1:synthetic model: \"vila9\", expected one of vila1.5-3b, llama3-8b, vila-7b, vila-13b");
  write_file(dir / "file", "");
  CHECK(error_of([&] { write_synthetic(small("vila-7b"), (dir / "file").string()); }) ==
        "3:" + (dir / "file/llm").string() + ": cannot be made: Not a directory");
}
