// SPDX-License-Identifier: Apache-2.0
// Plans in less than fp32 against the plain forward pass on the weights that they stand for.
#include <doctest/doctest.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "checkpoint/checkpoint.h"
#include "common/mapped_file.h"
#include "common/rounding.h"
#include "kernels/packed_matrix.h"
#include "reference/forward.h"
#include "support/checkpoint_writer.h"
#include "support/npy.h"
#include "vila/vila.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
namespace fs = std::filesystem;

namespace {

constexpr int64_t kGroup = 32;

/// Rounds each row of a linear layer to `bits` and back.
void round_weights(std::vector<float>& weights, int64_t k, int32_t bits) {
  const kernels::PackedShape shape{1, k, kGroup, bits, kernels::Zero::middle};
  std::vector<uint8_t> q(static_cast<size_t>(k)), packed(shape.bytes());
  std::vector<uint16_t> scales(static_cast<size_t>(shape.groups()));
  for (size_t at = 0; at < weights.size(); at += static_cast<size_t>(k)) {
    std::fill(packed.begin(), packed.end(), uint8_t{0});
    kernels::quantize_row(shape, weights.data() + at, q.data(), scales.data());
    kernels::pack_row(shape, 0, {q.data(), scales.data()}, packed.data());
    kernels::unpack_row({shape, packed.data()}, 0, weights.data() + at);
  }
}

void round_to_bf16(std::vector<float>& weights) {
  for (float& weight : weights) weight = bf16_to_f32(to_bf16(weight));
}

/// The file of the language model's rounded layers in a cache.
TensorStore language_weights(const fs::path& cache) {
  TensorStore store;
  for (const auto& entry : fs::directory_iterator(cache)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("language-int") && name.ends_with(".safetensors")) store.add_file(entry.path().string());
  }
  return store;
}

/// Rewrites a file's linear layers as the plan of `precision` has them: in 4 bits those that are so among the language model's
/// rounded layers. Layers in `packed`, which a checkpoint packs itself, stay as they are.
void round_file(const fs::path& file, const std::string& precision, const TensorStore& layers,
                const std::set<std::string>& packed = {}) {
  TensorStore store;
  store.add_file(file.string());
  std::vector<FileTensor> tensors;
  for (const auto& [name, tensor] : store.all()) {
    std::vector<float> values = tensor.to_float();
    const std::string layer = name.substr(0, name.rfind('.'));
    if (tensor.shape.size() == 2 && name.find("position_embed") == std::string::npos && !packed.contains(layer)) {
      precision == "bf16" ? round_to_bf16(values)
                          : round_weights(values, tensor.shape[1], layers.contains(layer + ".int4") ? 4 : 8);
    }
    tensors.push_back(float_tensor(name, DType::f32, tensor.shape, values));
  }
  write_safetensors(file, tensors);
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) ab += double{a[i]} * b[i], aa += double{a[i]} * a[i], bb += double{b[i]} * b[i];
  return ab / std::sqrt(aa * bb);
}

Image noise_image() {
  std::vector<uint8_t> rgb(37 * 21 * 3);
  uint32_t state = 9;
  for (uint8_t& value : rgb) value = static_cast<uint8_t>((state = state * 1664525U + 1013904223U) >> 24);
  return Image::from_rgb(rgb.data(), rgb.size(), 37, 21);
}

/// Whether the folder of plans has a file of weights whose name begins so.
bool has_weights(const fs::path& cache, const std::string& begin) {
  for (const auto& entry : fs::directory_iterator(cache)) {
    if (entry.path().filename().string().starts_with(begin) && entry.path().extension() == ".safetensors") return true;
  }
  return false;
}

/// A prompt of more than one chunk of the prefill.
std::string long_text() {
  std::string text;
  for (int i = 0; i < 80; ++i) text += std::to_string(i) + " ";
  return text;
}

/// The cosines of the logits behind a prompt, and behind one and two more tokens, with those of the plain pass.
std::vector<double> logits_cosines(const Model& model, const reference::PlainModel& plain, const Prompt& prompt,
                     const std::vector<reference::Matrix>& images) {
  std::vector<int> ids = model.tokenize(prompt).input_ids;
  Session session = model.new_session();
  session.prefill(prompt);
  std::vector<double> cosines;
  for (int step = 0; step < 3; ++step) {
    const reference::Matrix logits = plain.language.logits(plain.splice(ids, images));
    cosines.push_back(cosine(session.logits(), {logits[logits.rows - 1], logits[logits.rows - 1] + logits.cols}));
    ids.push_back(7 + step);
    session.decode(7 + step);
  }
  return cosines;
}

/// The smallest of them.
double logits_cosine(const Model& model, const reference::PlainModel& plain, const Prompt& prompt,
                     const std::vector<reference::Matrix>& images) {
  const std::vector<double> cosines = logits_cosines(model, plain, prompt, images);
  return *std::min_element(cosines.begin(), cosines.end());
}

/// Small models of odd sizes, with grouped heads and without, one with a tied head.
std::vector<RandomCheckpoint> odd_models() {
  std::vector<RandomCheckpoint> list(4);
  for (size_t i = 0; i < list.size(); ++i) {
    RandomCheckpoint& shape = list[i];
    shape.tokenizer = data("cases/vila10-clip-linear/model");
    shape.seed = 11 + i, shape.max_positions = 1024;
    shape.vision_hidden = 48, shape.vision_intermediate = 72;
  }
  list[0].heads = 6, list[0].kv_heads = 2, list[0].hidden = 6 * 24, list[0].intermediate = 209, list[0].layers = 2;
  list[1].heads = 5, list[1].kv_heads = 5, list[1].hidden = 5 * 8, list[1].intermediate = 71, list[1].layers = 2;
  list[1].tied_head = true;
  list[2].heads = 7, list[2].kv_heads = 1, list[2].hidden = 7 * 24, list[2].intermediate = 333, list[2].layers = 1;
  list[2].dtype = DType::bf16;
  list[3].heads = 6, list[3].kv_heads = 3, list[3].hidden = 6 * 40, list[3].intermediate = 160, list[3].layers = 2;
  list[3].dtype = DType::f16;
  return list;
}

/// The layouts of packed layers, in groups of each size; one leaves layers unpacked.
std::vector<RandomCheckpoint> packed_models() {
  std::vector<RandomCheckpoint> list(4);
  for (size_t i = 0; i < list.size(); ++i) {
    RandomCheckpoint& shape = list[i];
    shape.tokenizer = data("cases/vila10-clip-linear/model");
    shape.seed = 21 + i, shape.layers = 2, shape.dtype = DType::f16, shape.max_positions = 1024;
  }
  const auto set = [&](size_t i, AwqPacking packing, int64_t group, int64_t heads, int64_t kv_heads, int64_t hidden, int64_t between) {
    list[i].packing = packing, list[i].group = group, list[i].heads = heads, list[i].kv_heads = kv_heads, list[i].hidden = hidden;
    list[i].intermediate = between;
  };
  set(0, AwqPacking::llm_awq_v2, 128, 4, 2, 256, 384);
  set(1, AwqPacking::llm_awq_v2, 64, 6, 2, 192, 320);
  set(2, AwqPacking::llm_awq_v1, 32, 3, 1, 96, 160);
  set(3, AwqPacking::awq_gemm, 64, 4, 4, 128, 192);
  list[3].unpacked_down = list[3].quantization_config = true;
  return list;
}

}  // namespace

TEST_CASE("bf16: weights in place where the checkpoint has that type, else rounded once beside the plan") {
  for (const DType dtype : {DType::bf16, DType::f16, DType::f32}) {
    for (const bool tied : {false, true}) {
      CAPTURE(name_of(dtype));
      CAPTURE(tied);
      const TempDir dir;
      RandomCheckpoint shape;
      shape.tokenizer = data("cases/vila10-clip-linear/model");
      shape.heads = 6, shape.kv_heads = 2, shape.hidden = 6 * 24, shape.intermediate = 209, shape.layers = 2;
      shape.vision_hidden = 48, shape.vision_intermediate = 71, shape.max_positions = 1024, shape.dtype = dtype;
      shape.tied_head = tied;
      write_checkpoint(dir / "model", shape);
      write_checkpoint(dir / "rounded", shape);
      for (const auto& entry : fs::recursive_directory_iterator(dir / "rounded")) {
        if (entry.path().extension() == ".safetensors") round_file(entry.path(), "bf16", {});
      }
      const reference::PlainModel plain(dir / "rounded");
      LoadOptions options;
      options.cache_dir = (dir / "cache").string();
      options.precision = "bf16";
      const Model model = Model::load((dir / "model").string(), options, nullptr);
      CHECK(model.info().precision == "bf16");
      CHECK(model.info().kv_bytes_per_token == 2 * 2 * 2 * 24 * 2);
      for (const std::string kind : {"vision", "projector", "language"}) {
        CHECK(has_weights(dir / "cache", kind + "-bf16") == (dtype != DType::bf16));
      }
      // Activations are rounded to bfloat16 where the processor multiplies that: a 256th at most, each by itself.
      const EncodedImage encoded = model.encode_image(noise_image());
      const reference::Matrix features = plain.features(encoded.pixel_values), projected = plain.project(features);
      CHECK(cosine(encoded.vision_features, features.v) > 0.9999);
      CHECK(cosine(encoded.projected, projected.v) > 0.9999);
      Prompt prompt;
      prompt.begin_turn(Role::user).add_image(noise_image()).add_text(long_text());
      CHECK(logits_cosine(model, plain, prompt, {projected}) > 0.9999);
      for (const std::string& line : Model::compile((dir / "model").string(), options, nullptr)) {
        CHECK(line.ends_with(", already there"));
      }
    }
  }
}

TEST_CASE("bf16: layers that a checkpoint packs stay packed, the others are rounded") {
  for (const AwqPacking packing : {AwqPacking::llm_awq_v2, AwqPacking::awq_gemm}) {
    CAPTURE(static_cast<int>(packing));
    const TempDir dir;
    RandomCheckpoint shape;
    shape.tokenizer = data("cases/vila10-clip-linear/model");
    shape.hidden = 256, shape.heads = 8, shape.kv_heads = 4, shape.intermediate = 384, shape.layers = 3;
    shape.packing = packing, shape.group = 64, shape.unpacked_down = packing == AwqPacking::awq_gemm, shape.dtype = DType::f16;
    shape.quantization_config = shape.unpacked_down;
    write_checkpoint(dir / "model", shape);
    shape.dequantized = true;
    write_checkpoint(dir / "plain", shape);
    const reference::PlainModel plain(dir / "plain");
    LoadOptions options;
    options.cache_dir = (dir / "cache").string();
    options.precision = "bf16";
    const Model model = Model::load((dir / "model").string(), options, nullptr);
    CHECK(model.info().precision == "bf16, weights int4 group 64");
    CHECK(has_weights(dir / "cache", "language-packed"));
    Prompt prompt;
    prompt.begin_turn(Role::user).add_text(long_text());
    CHECK(logits_cosine(model, plain, prompt, {}) > 0.9999);
  }
}

TEST_CASE("quantised plans compute what the rounded weights say, but for 8-bit activations") {
  for (const std::string precision : {"int8", "int4"}) {
    for (const int64_t head_dim : {24, 40}) {
      CAPTURE(precision);
      CAPTURE(head_dim);
      const TempDir dir;
      RandomCheckpoint shape;
      shape.tokenizer = data("cases/vila10-clip-linear/model");
      shape.heads = 6, shape.kv_heads = 2, shape.hidden = 6 * head_dim, shape.intermediate = 208, shape.layers = 2;
      shape.vision_hidden = 48, shape.vision_intermediate = 72, shape.max_positions = 1024;
      write_checkpoint(dir / "model", shape);
      LoadOptions options;
      options.cache_dir = (dir / "cache").string();
      options.precision = precision;
      const Model model = Model::load((dir / "model").string(), options, nullptr);
      CHECK(model.info().precision.starts_with(precision));
      write_checkpoint(dir / "rounded", shape);
      const TensorStore layers = language_weights(dir / "cache");
      for (const auto& entry : fs::recursive_directory_iterator(dir / "rounded")) {
        if (entry.path().extension() == ".safetensors") round_file(entry.path(), precision, layers);
      }
      const reference::PlainModel plain(dir / "rounded");

      const EncodedImage encoded = model.encode_image(noise_image());
      const reference::Matrix features = plain.features(encoded.pixel_values);
      CHECK(cosine(encoded.vision_features, features.v) > 0.9995);
      const reference::Matrix projected = plain.project(features);
      CHECK(cosine(encoded.projected, projected.v) > 0.999);

      Prompt prompt;
      std::string text;
      for (int i = 0; i < 80; ++i) text += std::to_string(i) + " ";  // more than one chunk of the prefill
      prompt.begin_turn(Role::user).add_image(noise_image()).add_text(text);
      std::vector<int> ids = model.tokenize(prompt).input_ids;
      Session session = model.new_session();
      session.prefill(prompt);
      for (int step = 0; step < 2; ++step) {
        const reference::Matrix logits = plain.language.logits(plain.splice(ids, {projected}));
        CHECK(cosine(session.logits(), {logits[logits.rows - 1], logits[logits.rows - 1] + logits.cols}) > 0.999);
        ids.push_back(7 + step);
        session.decode(7 + step);
      }
    }
  }
}

TEST_CASE("int8 and int4 compute what their rounded weights, activations, keys and values say: cosine 0.9999 at least") {
  // A number in the middle of two steps, give or take float32's own rounding, goes up here and down there, and what follows is as
  // far apart as any two roundings of the same numbers. Where there is none, the logits are the same to many more places.
  int in_four_bits = 0, same = 0;
  for (const RandomCheckpoint& shape : odd_models()) {
    for (const std::string precision : {"int8", "int4"}) {
      CAPTURE(precision);
      CAPTURE(shape.hidden);
      CAPTURE(shape.intermediate);
      const TempDir dir;
      write_checkpoint(dir / "model", shape);
      LoadOptions options;
      options.cache_dir = (dir / "cache").string();
      options.precision = precision;
      const Model model = Model::load((dir / "model").string(), options, nullptr);
      write_checkpoint(dir / "rounded", shape);
      const TensorStore layers = language_weights(dir / "cache");
      for (const auto& [name, tensor] : layers.all()) in_four_bits += name.ends_with(".int4") ? 1 : 0;
      for (const auto& entry : fs::recursive_directory_iterator(dir / "rounded")) {
        if (entry.path().extension() == ".safetensors") round_file(entry.path(), precision, layers);
      }
      reference::PlainModel plain(dir / "rounded");
      plain.language.rounds = true;
      // The image as the engine's own tower and projector give it.
      const std::vector<float> image = model.encode_image(noise_image()).projected;
      reference::Matrix tokens(image.size() / static_cast<size_t>(shape.hidden), static_cast<size_t>(shape.hidden));
      tokens.v = image;
      Prompt prompt;
      prompt.begin_turn(Role::user).add_image(noise_image()).add_text(long_text());
      for (const double found : logits_cosines(model, plain, prompt, {tokens})) {
        CHECK(found >= 0.9999);
        same += found > 1 - 1e-9 ? 1 : 0;
      }
      // What activations in 8 bits and fp16 cost beside float32.
      plain.language.rounds = false;
      CHECK(logits_cosine(model, plain, prompt, {tokens}) >= 0.999);
    }
  }
  CHECK(in_four_bits > 0);
  CHECK(same > 0);
}

TEST_CASE("layers that a checkpoint packs compute what their weights say: cosine 0.9999 at least where only weights are rounded") {
  for (const RandomCheckpoint& shape : packed_models()) {
    for (const std::string precision : {"fp32", "int8", "int4"}) {
      CAPTURE(static_cast<int>(*shape.packing));
      CAPTURE(shape.group);
      CAPTURE(shape.hidden);
      CAPTURE(precision);
      const TempDir dir;
      write_checkpoint(dir / "model", shape);
      RandomCheckpoint same = shape;
      same.dequantized = true;
      write_checkpoint(dir / "plain", same);
      LoadOptions options;
      options.cache_dir = (dir / "cache").string();
      options.precision = precision;
      const Model model = Model::load((dir / "model").string(), options, nullptr);
      // In int8 and int4 activations are rounded too, and the layers that are not packed.
      const bool rounds = precision != "fp32";
      if (rounds) {
        const TensorStore layers = language_weights(dir / "cache");
        std::set<std::string> packed;
        for (const auto& [name, tensor] : layers.all()) {
          const std::string layer = name.substr(0, name.rfind('.'));
          if (layer.ends_with("_proj") && !(shape.unpacked_down && layer.ends_with("down_proj"))) packed.insert(layer);
        }
        CHECK(packed.size() == static_cast<size_t>(shape.layers) * (shape.unpacked_down ? 6 : 7));
        for (const auto& entry : fs::recursive_directory_iterator(dir / "plain/llm")) {
          if (entry.path().extension() == ".safetensors") round_file(entry.path(), precision, layers, packed);
        }
      }
      reference::PlainModel plain(dir / "plain");
      plain.language.rounds = rounds;
      Prompt prompt;
      prompt.begin_turn(Role::user).add_text(long_text());
      CHECK(logits_cosine(model, plain, prompt, {}) >= 0.9999);
    }
  }
}

TEST_CASE("a head that is the embedding table shares one packed matrix with it") {
  const TempDir dir;
  RandomCheckpoint shape;
  shape.tokenizer = data("cases/vila10-clip-linear/model");
  shape.hidden = 96, shape.heads = 4, shape.intermediate = 208, shape.tied_head = true;
  write_checkpoint(dir / "model", shape);
  write_checkpoint(dir / "rounded", shape);
  for (const auto& entry : fs::recursive_directory_iterator(dir / "rounded")) {
    if (entry.path().extension() == ".safetensors") round_file(entry.path(), "int8", {});
  }
  const reference::PlainModel plain(dir / "rounded");
  LoadOptions options;
  options.cache_dir = (dir / "cache").string();
  options.precision = "int8";
  const Model model = Model::load((dir / "model").string(), options, nullptr);
  Prompt prompt;
  prompt.begin_turn(Role::user).add_text("What is this?");
  Session session = model.new_session();
  session.prefill(prompt);
  const reference::Matrix logits = plain.language.logits(plain.splice(model.tokenize(prompt).input_ids, {}));
  CHECK(cosine(session.logits(), {logits[logits.rows - 1], logits[logits.rows - 1] + logits.cols}) > 0.999);
  for (const auto& entry : fs::directory_iterator(dir / "cache")) {
    if (!entry.path().filename().string().starts_with("language-int8") || entry.path().extension() != ".safetensors") continue;
    TensorStore store;
    store.add_file(entry.path().string());
    CHECK(store.contains("model.embed_tokens.int8"));
    CHECK_FALSE(store.contains("lm_head.int8"));
  }
}

TEST_CASE("quantising goes on where a killed process has stopped, and gives the same files") {
  const TempDir dir;
  RandomCheckpoint shape;
  shape.tokenizer = data("cases/vila10-clip-linear/model");
  write_checkpoint(dir / "model", shape);
  const std::string folder = (dir / "model").string();
  LoadOptions options;
  options.precision = "int4";
  struct Killer : ProgressListener {
    int left = 8;
    bool on_progress(const std::string& stage, double) override {
      if (stage == "vision weights" && --left == 0) ::raise(SIGKILL);
      return true;
    }
  } killer;
  options.cache_dir = (dir / "killed").string();
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {  // Dies before a plan is compiled.
    Model::compile(folder, options, &killer);
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
  struct Counter : ProgressListener {
    std::map<std::string, int> steps;
    bool on_progress(const std::string& stage, double) override {
      ++steps[stage];
      return true;
    }
  } rest, whole;
  Model::compile(folder, options, &rest);
  options.cache_dir = (dir / "undisturbed").string();
  Model::compile(folder, options, &whole);
  // The header and six layers were whole when the eighth piece began.
  CHECK(rest.steps["vision weights"] == whole.steps["vision weights"] - 7);
  CHECK(rest.steps["language weights"] == whole.steps["language weights"]);
  int files = 0;
  for (const auto& entry : fs::directory_iterator(dir / "undisturbed")) {
    if (entry.path().extension() != ".safetensors") continue;
    ++files;
    CHECK(read_file(entry.path().string(), 1 << 30) == read_file((dir / "killed" / entry.path().filename()).string(), 1 << 30));
  }
  CHECK(files == 3);
  for (const auto& entry : fs::directory_iterator(dir / "killed"))
    CHECK(entry.path().filename().string().find("partial") == std::string::npos);
}

TEST_CASE("a packed checkpoint keeps its own codes and groups in int8 and int4") {
  for (const auto& [packing, group] : {std::pair{AwqPacking::llm_awq_v2, 64}, std::pair{AwqPacking::llm_awq_v2, 128},
                                       std::pair{AwqPacking::llm_awq_v1, 128}, std::pair{AwqPacking::awq_gemm, 64}}) {
    for (const std::string precision : {"int8", "int4"}) {
      CAPTURE(static_cast<int>(packing));
      CAPTURE(group);
      CAPTURE(precision);
      const TempDir dir;
      RandomCheckpoint shape;
      shape.tokenizer = data("cases/vila10-clip-linear/model");
      shape.hidden = 256, shape.heads = 8, shape.kv_heads = 4, shape.intermediate = 384, shape.layers = 3;
      shape.packing = packing, shape.group = group, shape.unpacked_down = packing == AwqPacking::awq_gemm, shape.dtype = DType::f16;
      shape.quantization_config = shape.unpacked_down;
      write_checkpoint(dir / "model", shape);
      shape.dequantized = true;
      write_checkpoint(dir / "plain", shape);
      const reference::PlainModel plain(dir / "plain");
      LoadOptions options;
      options.cache_dir = (dir / "cache").string();
      options.precision = precision;
      const Model model = Model::load((dir / "model").string(), options, nullptr);
      CHECK(model.info().precision == precision + ", weights int4 group " + std::to_string(group));
      for (const auto& entry : fs::directory_iterator(dir / "cache"))
        CHECK_FALSE(entry.path().filename().string().starts_with("language-packed"));
      Prompt prompt;
      std::string text;
      for (int i = 0; i < 80; ++i) text += std::to_string(i) + " ";
      prompt.begin_turn(Role::user).add_text(text);
      std::vector<int> ids = model.tokenize(prompt).input_ids;
      Session session = model.new_session();
      session.prefill(prompt);
      for (int step = 0; step < 2; ++step) {
        const reference::Matrix logits = plain.language.logits(plain.splice(ids, {}));
        // Layers that are not packed are rounded: the head to 8 bits, down_proj of the last layout to 4.
        const double least = shape.unpacked_down && precision == "int4" ? 0.99 : 0.999;
        CHECK(cosine(session.logits(), {logits[logits.rows - 1], logits[logits.rows - 1] + logits.cols}) > least);
        ids.push_back(7 + step);
        session.decode(7 + step);
      }
    }
  }
}

TEST_CASE("the weights of a quantised plan are written once and are as small as their bits") {
  const TempDir dir;
  RandomCheckpoint shape;
  shape.tokenizer = data("cases/vila10-clip-linear/model");
  shape.hidden = 256, shape.heads = 8, shape.kv_heads = 8, shape.intermediate = 704, shape.layers = 4;
  write_checkpoint(dir / "model", shape);
  LoadOptions options;
  options.cache_dir = (dir / "cache").string();
  options.precision = "int4";
  const auto lines = Model::compile((dir / "model").string(), options, nullptr);
  CHECK(lines.size() == 7);  // a plan and its weights for tower, projector and language model, and what its rounding moves
  for (const std::string& line : Model::compile((dir / "model").string(), options, nullptr))
    CHECK(line.ends_with(", already there"));
  uintmax_t language = 0;
  for (const auto& entry : fs::directory_iterator(dir / "cache")) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("language-int4") && name.ends_with(".safetensors")) language = entry.file_size();
  }
  // 4 or 8 bits a weight and half a bit of fp16 scales: 4 in the blocks, but for layers that this would harm, 8 in head and table.
  double bytes = 2 * 640.0 * 256 * 8.5 / 8;
  size_t blocks = 0, rounded = 0;
  const TensorStore layers = language_weights(dir / "cache");
  for (const auto& [name, tensor] : layers.all()) {
    if (!name.starts_with("model.layers.")) continue;
    const double weights = 256.0 * (name.find("mlp.") == std::string::npos ? 256 : 704);
    const bool four = name.ends_with(".int4");
    bytes += weights * (four ? 4.5 : 8.5) / 8;
    ++blocks;
    rounded += four ? 1 : 0;
  }
  CHECK(blocks == 4 * 7);
  CHECK(rounded > 0);
  CHECK(static_cast<double>(language) > bytes);
  CHECK(static_cast<double>(language) < 1.02 * bytes + 20000);
}
