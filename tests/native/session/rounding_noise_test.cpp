// SPDX-License-Identifier: Apache-2.0
// Which layers 4 bits would harm.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>

#include "checkpoint/checkpoint.h"
#include "session/rounding_noise.h"
#include "support/checkpoint_writer.h"
#include "support/npy.h"
#include "vila/vila.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
namespace fs = std::filesystem;

namespace {

using Change = std::function<void(const std::string& name, std::vector<float>& values)>;

/// Passes each matrix and vector of the language model's file through `change`.
void change_language(const fs::path& model, const Change& change) {
  const fs::path file = model / "llm/model.safetensors";
  std::vector<FileTensor> tensors;
  {
    TensorStore store;
    store.add_file(file.string());
    for (const auto& [name, tensor] : store.all()) {
      std::vector<float> values = tensor.to_float();
      change(name, values);
      tensors.push_back(float_tensor(name, DType::f32, tensor.shape, values));
    }
  }
  write_safetensors(file, tensors);
}

/// Three blocks of odd sizes on an embedding table that is large against what they add.
RandomCheckpoint calm() {
  RandomCheckpoint shape;
  shape.tokenizer = data("cases/vila10-clip-linear/model");
  shape.heads = 6, shape.kv_heads = 2, shape.hidden = 6 * 24, shape.intermediate = 208, shape.layers = 3;
  return shape;
}
void scale_table(const std::string& name, std::vector<float>& values) {
  if (name.ends_with("embed_tokens.weight"))
    for (float& value : values) value *= 200;
}

std::vector<LayerNoise> noise_of(const fs::path& model) {
  const auto checkpoint = Checkpoint::open(model.string());
  return rounding_noise(checkpoint->spec().language, checkpoint->language(), [](double) {});
}

}  // namespace

TEST_CASE("the layers of blocks that add little may have 4 bits, those of one that adds much may not") {
  for (const bool qwen2 : {false, true}) {
    CAPTURE(qwen2);
    const TempDir dir;
    RandomCheckpoint shape = calm();
    shape.qwen2 = qwen2;
    write_checkpoint(dir / "model", shape);
    change_language(dir / "model", scale_table);
    const std::vector<LayerNoise> noise = noise_of(dir / "model");
    REQUIRE(noise.size() == 3 * 7);
    for (const LayerNoise& layer : noise) {
      CAPTURE(layer.layer);
      CHECK(layer.moved > 0);
      CHECK(layer.moved < kMostMoved);
    }
    CHECK(kept_layers(noise_text(noise)).empty());

    change_language(dir / "model", [](const std::string& name, std::vector<float>& values) {
      if (name.ends_with("layers.1.mlp.down_proj.weight"))
        for (float& value : values) value *= 3000;
    });
    const std::string mlp = "model.layers.1.mlp.";
    const KeptLayers kept = kept_layers(noise_text(noise_of(dir / "model")));
    CHECK(kept == KeptLayers{mlp + "gate_proj", mlp + "up_proj", mlp + "down_proj"});
  }
}

TEST_CASE("weights that 4 bits hold move nothing") {
  const TempDir dir;
  write_checkpoint(dir / "model", calm());
  change_language(dir / "model", [](const std::string& name, std::vector<float>& values) {
    if (name.find("_proj") == std::string::npos) return;
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 16) / 64 - 0.125F;  // each 16 have -8/64
  });
  for (const LayerNoise& layer : noise_of(dir / "model")) {
    CAPTURE(layer.layer);
    CHECK(layer.moved == 0);
  }
}

TEST_CASE("what was measured is read back as it was written, and what is no number is kept at 8 bits") {
  CHECK(noise_text({{"a.q_proj", 0.25}, {"b", 0.025}}) == "a.q_proj 0.250000\nb 0.025000\n");
  CHECK(kept_layers("a 0.025000\nb 0.025001\nc nan\nd 0\n") == KeptLayers{"b", "c"});
  CHECK(kept_layers("").empty());
}

TEST_CASE("int4 says how many layers stay at 8 bits, measures once, and packs them so") {
  const TempDir dir;
  write_checkpoint(dir / "model", calm());
  change_language(dir / "model", [](const std::string& name, std::vector<float>& values) {
    scale_table(name, values);
    if (name.ends_with("layers.1.mlp.down_proj.weight"))
      for (float& value : values) value *= 3000;
  });
  LoadOptions options;
  options.cache_dir = (dir / "cache").string();
  options.precision = "int4";
  struct Counter : ProgressListener {
    std::map<std::string, int> steps;
    bool on_progress(const std::string& stage, double) override {
      ++steps[stage];
      return true;
    }
  } first, second;
  CHECK(Model::load((dir / "model").string(), options, &first).info().precision == "int4, 3 of 21 layers int8");
  CHECK(first.steps["language rounding"] == 3);
  CHECK(Model::load((dir / "model").string(), options, &second).info().precision == "int4, 3 of 21 layers int8");
  CHECK(second.steps["language rounding"] == 0);
  TensorStore store;
  for (const auto& entry : fs::directory_iterator(dir / "cache")) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("language-int4-") && name.ends_with(".safetensors")) store.add_file(entry.path().string());
  }
  CHECK(store.contains("model.layers.1.mlp.up_proj.int8"));
  CHECK(store.contains("model.layers.1.self_attn.o_proj.int4"));
  CHECK_FALSE(store.contains("model.layers.1.mlp.up_proj.int4"));
}

TEST_CASE("a weight that is no number is named") {
  const TempDir dir;
  write_checkpoint(dir / "model", calm());
  change_language(dir / "model", [](const std::string& name, std::vector<float>& values) {
    if (name.ends_with("layers.2.self_attn.v_proj.weight")) values[145] = INFINITY;
  });
  CHECK_THROWS_WITH(noise_of(dir / "model"), ((dir / "model/llm/model.safetensors").string() +
                                              ": tensor model.layers.2.self_attn.v_proj.weight: weights: inf at input 1, expected "
                                              "a finite number").c_str());
}
