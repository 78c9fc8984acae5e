// SPDX-License-Identifier: Apache-2.0
// TensorRT's own ONNX parser reads every graph of every family in every precision, and sees the inputs and outputs that the runtime
// binds; with our own attention plugin too. Needs TensorRT's libraries, but no GPU.
#include <doctest/doctest.h>

#include <cstdlib>
#include <iostream>
#include <optional>

#include "common/error.h"
#include "graph/builders.h"
#include "graph/qdq_weights.h"
#include "plan/tensorrt/decode_attention_plugin.h"
#include "plan/tensorrt/network.h"
#include "session/family_rows.h"
#include "support/npy.h"
#include "support/weights_bytes.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
using namespace vila::plan;     // NOLINT
using graph::DecoderPhase;
using graph::QdqFormat;

namespace {

constexpr int64_t kCapacity = 64;

/// The libraries, or nothing with a line that says so.
const tensorrt::Library* library() {
  static const tensorrt::Search search = [] {
    const char* folder = std::getenv("VILA_TENSORRT");
    return tensorrt::search_library(folder != nullptr ? folder : "");
  }();
  if (search.found) return &*search.found;
  std::cout << "SKIPPED: TensorRT's parser on every graph: " << search.misses.front().place << ": " << search.misses.front().reason
            << "; ./test --tensorrt fetches it\n";
  return nullptr;
}

/// A machine without a device: nothing but the number that a plan would be made for. The parser calls nothing else.
constexpr cuda::DecodeAttentionFunctions kNoKernels{[] { return 132; }, nullptr, nullptr, nullptr};

struct Precision {
  const char* name;
  DType compute;
  std::optional<QdqFormat> format;
};
const Precision kPrecisions[] = {{"fp16", DType::f16, std::nullopt},       {"bf16", DType::bf16, std::nullopt},
                                 {"fp8", DType::f16, QdqFormat::fp8},      {"fp8 in bf16", DType::bf16, QdqFormat::fp8},
                                 {"int8", DType::f16, QdqFormat::int8},    {"int8 in bf16", DType::bf16, QdqFormat::int8},
                                 {"int4", DType::f16, QdqFormat::int4},    {"int4 in bf16", DType::bf16, QdqFormat::int4}};

std::string describe(const std::vector<tensorrt::NetworkTensor>& tensors) {
  std::string text;
  for (const tensorrt::NetworkTensor& tensor : tensors) {
    text += tensor.name + " " + name_of(tensor.dtype) + " [";
    for (const int64_t dim : tensor.shape) text += std::to_string(dim) + " ";
    text += "]\n";
  }
  return text;
}

/// "name type [dims ]\n" as describe() writes it; -1 is dynamic.
std::string one(const std::string& name, DType dtype, const std::vector<int64_t>& shape) {
  return describe({{name, dtype, shape}});
}

void check_graph(const graph::Graph& graph, const std::string& inputs, const std::string& outputs) {
  try {
    const tensorrt::Network network(*library(), graph::serialize(graph), graph.name);
    CHECK(describe(network.inputs()) == inputs);
    CHECK(describe(network.outputs()) == outputs);
  } catch (const Error& error) {
    FAIL_CHECK(error.what());
  }
}

/// A checkpoint, and its layers in the form of a precision.
class FamilyModel {
 public:
  explicit FamilyModel(const Row& row) {
    write_checkpoint(dir_ / "model", row.shape);
    row.change(dir_ / "model");
    if (row.store) row.store(dir_ / "model");
    checkpoint_ = Checkpoint::open((dir_ / "model").string());
  }

  void check(const Precision& precision) {
    const ModelSpec& spec = checkpoint_->spec();
    const DType type = precision.compute;
    {
      const auto uses = [&](const auto& build) {
        std::vector<graph::LinearUse> list;
        graph::BuildOptions record;
        record.uses = &list;
        build(record);
        return graph::qdq_layers(list, precision.format);
      };
      const auto vision = [&](const graph::BuildOptions& options) { return graph::build_vision(*checkpoint_, options); };
      const auto projector = [&](const graph::BuildOptions& options) { return graph::build_projector(*checkpoint_, options); };
      use_layers(uses(vision), checkpoint_->vision(), type);
      check_graph(vision(options(type)), one("pixel_values", DType::f32, {-1, 3, spec.vision.image, spec.vision.image}),
                  one("vision_features", type, {-1, spec.vision.tokens(), spec.vision.hidden}));
      use_layers(uses(projector), checkpoint_->projector(), type);
      check_graph(projector(options(type)), one("features", type, {-1, spec.projector_tokens(), spec.projector.input}),
                  one("projected", type, {-1, spec.tokens_per_image(), spec.projector.output}));
    }
    const LanguageSpec& language = spec.language;
    use_layers(graph::qdq_layers(language, precision.format), checkpoint_->language(), type);
    const struct {
      DecoderPhase phase;
      bool wide, plugin;
    } kinds[] = {{DecoderPhase::prefill, false, false},
                 {DecoderPhase::prefill, true, false},
                 {DecoderPhase::decode, false, false},
                 {DecoderPhase::decode, true, false},
                 {DecoderPhase::decode, false, true}};
    for (const auto& [phase, wide, plugin] : kinds) {
      CAPTURE(plugin);
      graph::BuildOptions build = options(type);
      build.tensorrt.phase = phase;
      build.tensorrt.capacity = kCapacity;
      build.tensorrt.wide_attention = wide;
      build.tensorrt.attention_plugin = plugin;
      const std::vector<int64_t> cache{-1, language.kv_heads, kCapacity, language.head_dim};
      std::string inputs = one("inputs_embeds", type, {-1, phase == DecoderPhase::decode ? 1 : -1, language.hidden}) +
                           one("past_lengths", DType::i64, {-1});
      std::string outputs;
      for (int64_t i = 0; i < language.layers; ++i) {
        const std::string layer = std::to_string(i);
        inputs += one("past_key." + layer, type, cache) + one("past_value." + layer, type, cache);
        outputs += one("present_key." + layer, type, cache) + one("present_value." + layer, type, cache);
      }
      outputs += one("logits", DType::f32, {-1, language.vocab});
      check_graph(graph::build_language(*checkpoint_, build), inputs, outputs);
    }
  }
  const LanguageSpec& language() const { return checkpoint_->spec().language; }

 private:
  void use_layers(const std::vector<graph::QdqLayer>& layers, const TensorStore& tensors, DType compute) {
    weights_.reset();
    if (layers.empty()) return;
    const std::string path = (dir_ / ("qdq" + std::to_string(files_++) + ".safetensors")).string();
    write_file(path, bytes_of(graph::qdq_pieces(layers, tensors, compute)) + std::string(16, '\0'));
    weights_.emplace(path);
  }
  graph::BuildOptions options(DType compute) const {
    graph::BuildOptions options;
    options.dialect = graph::DialectKind::tensorrt;
    options.compute = compute;
    options.tensorrt.weights = weights_ ? &*weights_ : nullptr;
    return options;
  }

  TempDir dir_;
  std::shared_ptr<const Checkpoint> checkpoint_;
  std::optional<graph::QdqWeights> weights_;
  int files_ = 0;
};

/// Sizes that blocks of int4 divide; the released models have such sizes.
Row widened(Row row) {
  row.shape.hidden = 32 * row.shape.heads;
  row.shape.intermediate = 96;
  return row;
}

}  // namespace

TEST_CASE("TensorRT's parser: the attention plugin's node is refused before the plugin is registered, and taken after it") {
  if (library() == nullptr) return;
  graph::Graph graph;
  graph.name = "attention";
  graph.opsets = {{"", 24}, {"vila", 1}};
  graph.inputs = {{"q", DType::f16, {"batch", 6, 1, 64}},
                  {"keys", DType::f16, {"batch", 2, 40, 64}},
                  {"values", DType::f16, {"batch", 2, 40, 64}},
                  {"lengths", DType::i32, {"batch"}}};
  graph.outputs = {{"attended", DType::f16, {"batch", 6, 1, 64}}};
  graph.nodes = {{"DecodeAttention",
                  "vila",
                  "node",
                  {"q", "keys", "values", "lengths"},
                  {"attended"},
                  {{"scale", 0.125F}, {"plugin_namespace", std::string("vila")}, {"plugin_version", std::string("1")}}}};
  const auto parse = [&] { return tensorrt::Network(*library(), graph::serialize(graph), "attention").outputs(); };
  CHECK(error_of(parse).starts_with("9:attention: TensorRT cannot read the graph: node node (DecodeAttention): "));
  tensorrt::register_decode_attention(*library(), kNoKernels);
  tensorrt::register_decode_attention(*library(), kNoKernels);
  CHECK(describe(parse()) == one("attended", DType::f16, {-1, 6, 1, 64}));
  graph.nodes[0].attributes.erase(graph.nodes[0].attributes.begin());
  CHECK(error_of(parse).starts_with("9:attention: TensorRT cannot read the graph: node node (DecodeAttention): "));
}

TEST_CASE("TensorRT's parser: every graph of every family in every precision") {
  if (library() == nullptr) return;
  tensorrt::register_decode_attention(*library(), kNoKernels);
  MESSAGE("TensorRT " << library()->version << ", " << library()->path);
  for (const Row& row : square_rows()) {
    CAPTURE(row.name);
    CAPTURE(row.particular);
    FamilyModel model(widened(row));
    for (const Precision& precision : kPrecisions) {
      CAPTURE(precision.name);
      model.check(precision);
    }
  }
}

TEST_CASE("TensorRT's parser: packed language models") {
  if (library() == nullptr) return;
  tensorrt::register_decode_attention(*library(), kNoKernels);
  for (const Row& row : packed_rows()) {
    CAPTURE(row.name);
    CAPTURE(row.particular);
    FamilyModel model(row);
    for (const Precision& precision : {kPrecisions[0], kPrecisions[1]}) {
      CAPTURE(precision.name);
      model.check(precision);
    }
  }
}

TEST_CASE("TensorRT's parser: what it refuses is an error with its own words") {
  if (library() == nullptr) return;
  graph::Graph graph;
  graph.name = "odd";
  graph.opsets = {{"", 24}};
  graph.inputs = {{"x", DType::f16, {2}}};
  graph.outputs = {{"y", DType::f16, {2}}};
  graph.nodes = {{"NoSuchOperator", "", "node", {"x"}, {"y"}, {}}};
  const std::string error = error_of([&] { tensorrt::Network(*library(), graph::serialize(graph), "odd"); });
  CHECK(error.starts_with("9:odd: TensorRT cannot read the graph: node node (NoSuchOperator): "));
  CHECK(error.find('\n') == std::string::npos);
}
