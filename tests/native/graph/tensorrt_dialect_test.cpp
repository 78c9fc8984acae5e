// SPDX-License-Identifier: Apache-2.0
// What the TensorRT dialect writes in each precision, and what it refuses.
#include "graph/tensorrt_dialect.h"

#include <doctest/doctest.h>

#include <map>
#include <optional>

#include "common/error.h"
#include "graph/builders.h"
#include "graph/cpu_dialect.h"
#include "graph/qdq_weights.h"
#include "graph/random_tensors.h"
#include "graph/run_graph.h"
#include "support/npy.h"
#include "support/weights_bytes.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
using graph::DecoderPhase;
using graph::QdqFormat;

namespace {

std::map<std::string, size_t> operators(const graph::Graph& graph) {
  std::map<std::string, size_t> counts;
  for (const graph::Node& node : graph.nodes) {
    CHECK(node.domain.empty());
    ++counts[node.op];
  }
  return counts;
}

/// One layer whose sizes every format takes.
LanguageSpec wide_layer() {
  LanguageSpec spec = one_layer();
  spec.hidden = 64, spec.intermediate = 128, spec.heads = 4, spec.kv_heads = 2;
  return spec;
}

graph::BuildOptions tensorrt(DType compute, DecoderPhase phase = DecoderPhase::prefill, int64_t capacity = 32) {
  graph::BuildOptions options;
  options.dialect = graph::DialectKind::tensorrt;
  options.compute = compute;
  options.tensorrt.phase = phase;
  options.tensorrt.capacity = capacity;
  return options;
}

graph::QdqWeights rounded(const TempDir& folder, const LanguageSpec& spec, const TensorStore& store, QdqFormat format, DType compute) {
  const std::string bytes = bytes_of(graph::qdq_pieces(graph::qdq_layers(spec, format), store, compute));
  write_file(folder / "qdq.safetensors", bytes + std::string(16, 'c'));
  return graph::QdqWeights((folder / "qdq.safetensors").string());
}

}  // namespace

TEST_CASE("TensorRT dialect: a decoder's inputs and outputs are in the compute type, logits in fp32; capacity and step are fixed") {
  const LanguageSpec spec = one_layer();
  RandomTensors random(5);
  add_layer(random, spec, DType::f32);
  const TensorStore store = random.open();
  for (const DType compute : {DType::f16, DType::bf16, DType::f32}) {
    const std::string type = name_of(compute);
    for (const DecoderPhase phase : {DecoderPhase::prefill, DecoderPhase::decode}) {
      const graph::Graph graph = graph::build_language(spec, store, tensorrt(compute, phase));
      CHECK(described(graph.inputs) == "inputs_embeds " + type + " [batch " + (phase == DecoderPhase::decode ? "1" : "length") +
                                          " 32 ]\npast_lengths int64 [batch ]\npast_key.0 " + type +
                                          " [batch 1 32 16 ]\npast_value.0 " + type + " [batch 1 32 16 ]\n");
      CHECK(described(graph.outputs) == "present_key.0 " + type + " [batch 1 32 16 ]\npresent_value.0 " + type +
                                           " [batch 1 32 16 ]\nlogits fp32 [batch 20 ]\n");
      CHECK(graph.opsets == std::vector<std::pair<std::string, int64_t>>{{"", 24}});
    }
  }
}

TEST_CASE("TensorRT dialect: weights of the compute type are used where they lie, norms are in fp32") {
  const LanguageSpec spec = one_layer();
  for (const DType dtype : {DType::f16, DType::bf16}) {
    RandomTensors random(5);
    add_layer(random, spec, dtype);
    const TensorStore store = random.open();
    const graph::Graph graph = graph::build_language(spec, store, tensorrt(dtype, DecoderPhase::decode));
    size_t external = 0;
    for (const graph::Initializer& initializer : graph.initializers) {
      if (!initializer.source) continue;
      ++external;
      CHECK(initializer.dtype == dtype);
      CHECK(initializer.source->offset == store.get(initializer.name).offset);
    }
    CHECK(external == store.all().size());
    std::map<std::string, size_t> counts = operators(graph);
    CHECK(counts["Gemm"] == 8);
    CHECK(counts["RMSNormalization"] == 3);
    CHECK(counts["TensorScatter"] == 2);
    CHECK(counts["Attention"] == 1);
    CHECK(counts["RotaryEmbedding"] == 2);
    // The embeddings, three gains, two sums' operands, three norms' results, the logits.
    CHECK(counts["Cast"] == 10);
    graph::BuildOptions wide = tensorrt(dtype, DecoderPhase::decode);
    wide.tensorrt.wide_attention = true;
    CHECK(operators(graph::build_language(spec, store, wide))["Cast"] == 14);
  }
}

TEST_CASE("TensorRT dialect: quantised layers share what they round; the head keeps the compute type") {
  const LanguageSpec spec = wide_layer();
  RandomTensors random(6);
  add_layer(random, spec, DType::f16);
  const TensorStore store = random.open();
  const struct {
    QdqFormat format;
    size_t quantize, dequantize;
    graph::PackedType packed;
  } cases[] = {{QdqFormat::int8, 4, 11, graph::PackedType::none},
               {QdqFormat::fp8, 4, 11, graph::PackedType::float8_e4m3},
               {QdqFormat::int4, 0, 7, graph::PackedType::int4}};
  for (const auto& c : cases) {
    for (const DType compute : {DType::f16, DType::bf16}) {
      const TempDir folder;
      const graph::QdqWeights weights = rounded(folder, spec, store, c.format, compute);
      graph::BuildOptions options = tensorrt(compute);
      options.tensorrt.weights = &weights;
      const graph::Graph graph = graph::build_language(spec, store, options);
      std::map<std::string, size_t> counts = operators(graph);
      CHECK(counts["QuantizeLinear"] == c.quantize);
      CHECK(counts["DequantizeLinear"] == c.dequantize);
      CHECK(counts["MatMul"] == 7);
      CHECK(counts["Gemm"] == 1);
      size_t packed = 0;
      for (const graph::Initializer& initializer : graph.initializers) {
        if (initializer.source && initializer.packed != graph::PackedType::none) ++packed;
        if (initializer.name.ends_with("up_proj.int4")) CHECK(initializer.shape == std::vector<int64_t>{64, 128});
      }
      CHECK(packed == (c.packed == graph::PackedType::none ? 0 : 7));
      CHECK(!graph::serialize(graph).empty());
    }
  }
}

TEST_CASE("TensorRT dialect: quantised models answer as the CPU dialect does, within what rounding costs") {
  const LanguageSpec spec = wide_layer();
  RandomTensors random(7);
  add_layer(random, spec, DType::f32);
  const TensorStore store = random.open();
  const auto cpu = compile(graph::build_language(spec, store, {}));
  const std::vector<float> prompt = random.values(9 * spec.hidden), token = random.values(spec.hidden);
  Decoder plain(spec, *cpu, 1, 16);
  const std::vector<float> first = plain.step(prompt, 9, {0}), second = plain.step(token, 1, {9});
  const std::pair<QdqFormat, double> cases[] = {{QdqFormat::int8, 0.1}, {QdqFormat::fp8, 0.35}, {QdqFormat::int4, 1.0}};
  for (const auto& [format, tolerance] : cases) {
    CAPTURE(graph::name_of(format));
    const TempDir folder;
    const graph::QdqWeights weights = rounded(folder, spec, store, format, DType::f32);
    const auto build = [&](DecoderPhase phase) {
      graph::BuildOptions options = tensorrt(DType::f32, phase, 16);
      options.tensorrt.weights = &weights;
      return compile(graph::build_language(spec, store, options));
    };
    const auto prefill = build(DecoderPhase::prefill), decode = build(DecoderPhase::decode);
    TensorRtDecoder decoder(spec, *prefill, *decode, 1, 16);
    for (const auto& [difference, what] : {std::pair{max_abs_difference(decoder.step(prompt, 9, {0}), first), "prefill"},
                                           std::pair{max_abs_difference(decoder.step(token, 1, {9}), second), "decode"}}) {
      CAPTURE(what);
      CHECK(difference < tolerance);
      CHECK(difference > tolerance / 100);  // it was rounded at all
    }
  }
}

TEST_CASE("TensorRT dialect: the attention plugin takes Attention's and the mask's place in decode graphs alone") {
  const LanguageSpec spec = wide_layer();
  RandomTensors random(8);
  add_layer(random, spec, DType::f16);
  const TensorStore store = random.open();
  for (const std::optional<QdqFormat> format :
       {std::optional<QdqFormat>(), {QdqFormat::fp8}, {QdqFormat::int8}, {QdqFormat::int4}}) {
    for (const DType compute : {DType::f16, DType::bf16}) {
      const TempDir folder;
      std::optional<graph::QdqWeights> weights;
      if (format) weights.emplace(rounded(folder, spec, store, *format, compute));
      const auto build = [&](DecoderPhase phase, bool wide, bool plugin) {
        graph::BuildOptions options = tensorrt(compute, phase);
        options.tensorrt.weights = weights ? &*weights : nullptr;
        options.tensorrt.wide_attention = wide;
        options.tensorrt.attention_plugin = plugin;
        return graph::build_language(spec, store, options);
      };
      CHECK(graph::serialize(build(DecoderPhase::prefill, false, true)) ==
            graph::serialize(build(DecoderPhase::prefill, false, false)));
      const graph::Graph masked = build(DecoderPhase::decode, false, false), graph = build(DecoderPhase::decode, false, true);
      // Its sums are in fp32 anyway.
      CHECK(graph::serialize(build(DecoderPhase::decode, true, true)) == graph::serialize(graph));
      CHECK(described(graph.inputs) == described(masked.inputs));
      CHECK(described(graph.outputs) == described(masked.outputs));
      CHECK(graph.opsets == std::vector<std::pair<std::string, int64_t>>{{"", 24}, {"vila", 1}});
      std::map<std::string, int64_t> more;  // nodes than with the mask
      for (const graph::Node& node : graph.nodes) ++more[node.domain + "." + node.op];
      for (const graph::Node& node : masked.nodes) --more[node.domain + "." + node.op];
      std::erase_if(more, [](const auto& entry) { return entry.second == 0; });
      CHECK(more == std::map<std::string, int64_t>{{".Add", 1},
                                                   {".Attention", -1},
                                                   {".Cast", 1},
                                                   {".LessOrEqual", -1},
                                                   {".Unsqueeze", -1},
                                                   {"vila.DecodeAttention", 1}});
      for (const graph::Node& node : graph.nodes) {
        if (node.op != "DecodeAttention") continue;
        REQUIRE(node.inputs.size() == 4);
        CHECK(node.inputs[1] == "present_key.0");
        CHECK(node.inputs[2] == "present_value.0");
        REQUIRE(node.attributes.size() == 3);
        CHECK(node.attributes[0].name == "scale");
        CHECK(std::get<float>(node.attributes[0].value) == 0.25F);
        CHECK(std::get<std::string>(node.attributes[1].value) == "vila");
        CHECK(std::get<std::string>(node.attributes[2].value) == "1");
      }
    }
  }
}

TEST_CASE("TensorRT dialect: what cannot be built is refused in one line") {
  const LanguageSpec spec = one_layer();
  RandomTensors random(5);
  add_layer(random, spec, DType::f32);
  const TensorStore store = random.open();
  const auto refused = [&](const LanguageSpec& asked, const graph::BuildOptions& options) {
    return error_of([&] { graph::build_language(asked, store, options); });
  };
  CHECK(refused(spec, tensorrt(DType::i32)) == "5:graph language: the TensorRT dialect computes in fp16, bf16 or fp32, found int32");
  CHECK(refused(spec, tensorrt(DType::f16, DecoderPhase::decode, 0)) ==
        "5:language model: a cache of 0 positions, expected 1 to 40");
  CHECK(refused(spec, tensorrt(DType::f16, DecoderPhase::prefill, 41)) ==
        "5:language model: a cache of 41 positions, expected 1 to 40");
  graph::BuildOptions states = tensorrt(DType::f16);
  states.hidden_states = true;
  CHECK(refused(spec, states) == "5:graph language: hidden states are an output of the CPU dialect alone");
  LanguageSpec odd = spec;
  odd.head_dim = 15;
  CHECK(refused(odd, tensorrt(DType::f16)) == "5:language model: head_dim 15, expected an even number");
  odd.head_dim = 12;
  graph::BuildOptions plugin = tensorrt(DType::f16, DecoderPhase::decode);
  plugin.tensorrt.attention_plugin = true;
  CHECK(refused(odd, plugin) == "5:language model: head_dim 12, the attention plugin takes multiples of 8 from 8 to 128");
  LanguageSpec packed = spec;
  packed.packing = LanguageSpec::Packing::awq_gemm;
  CHECK(refused(packed, tensorrt(DType::f16)) == "10:language model: packed 4-bit weights, expected them in the form of the plan");
}

TEST_CASE("the dialects refuse each other's weights") {
  RandomTensors random(1);
  random.add("w", {4, 4}, 0, 1);
  const TensorStore store = random.open();
  const TensorRef& tensor = store.get("w");
  graph::TensorRtDialect tensorrt_dialect("g", DType::f16, {});
  CHECK(error_of([&] { tensorrt_dialect.linear("x", graph::PackedLinear{4, 4, 4, &tensor, &tensor, &tensor, nullptr}, nullptr); }) ==
        "10:graph: w is packed for the CPU, the TensorRT dialect does not read that");
  CHECK(error_of([&] { tensorrt_dialect.linear("x", graph::QuantizedLinear{{}, &tensor}, nullptr); }) ==
        "10:graph: w is quantised for the CPU, the TensorRT dialect does not read that");
  graph::CpuDialect cpu("g");
  CHECK(error_of([&] { cpu.linear("x", graph::QdqLinear{QdqFormat::int8, 4, 4, 0, &tensor, &tensor, nullptr}, nullptr); }) ==
        "10:graph: w is quantised for TensorRT, the CPU dialect does not read that");
}
