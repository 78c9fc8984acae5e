// SPDX-License-Identifier: Apache-2.0
// What the CPU dialect writes, and what it refuses.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "graph/builders.h"
#include "graph/cpu_dialect.h"
#include "graph/names.h"
#include "graph/random_tensors.h"
#include "graph/rope_table.h"
#include "graph/run_graph.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

size_t count(const graph::Graph& graph, const std::string& op) {
  size_t found = 0;
  for (const graph::Node& node : graph.nodes) found += node.op == op ? 1U : 0U;
  return found;
}

}  // namespace

TEST_CASE("rotary tables: position over scale times theta^(-2i/d)") {
  constexpr int64_t kPositions = 70, kDim = 16;
  const graph::RopeTable table = graph::make_rope_table(kPositions, kDim, 500000, 2);
  REQUIRE(table.cos.size() == kPositions * kDim / 2);
  REQUIRE(table.sin.size() == table.cos.size());
  double worst = 0;
  for (int64_t p = 0; p < kPositions; ++p) {
    for (int64_t i = 0; i < kDim / 2; ++i) {
      const double angle = static_cast<double>(p) / 2 * std::pow(500000.0, -2.0 * static_cast<double>(i) / kDim);
      const auto at = static_cast<size_t>(p * kDim / 2 + i);
      worst = std::max({worst, std::fabs(static_cast<double>(table.cos[at]) - std::cos(angle)),
                        std::fabs(static_cast<double>(table.sin[at]) - std::sin(angle))});
    }
  }
  CHECK(worst < 1e-5);
}

TEST_CASE("the language graph uses every weight where it lies and makes no copy of one") {
  LanguageSpec spec = one_layer();
  spec.rope_scale = 4;
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    RandomTensors random(5);
    add_layer(random, spec, dtype);
    const TensorStore store = random.open();
    const graph::Graph graph = graph::build_language(spec, store, {});
    std::set<std::string> external;
    size_t own = 0;
    for (const graph::Initializer& initializer : graph.initializers) {
      if (!initializer.source) {
        own += initializer.inline_data.size();
        continue;
      }
      external.insert(initializer.name);
      const TensorRef& tensor = store.get(initializer.name);
      CHECK(initializer.dtype == dtype);
      CHECK(initializer.shape == tensor.shape);
      CHECK(initializer.source->offset == tensor.offset);
      CHECK(initializer.source->bytes == tensor.bytes);
    }
    CHECK(external.size() == store.all().size());
    const size_t tables = 2 * sizeof(float) * static_cast<size_t>(spec.max_positions * spec.head_dim / 2);
    CHECK(own > tables);
    CHECK(own < tables + 200);  // the tables and a few shapes
    CHECK(count(graph, "Gemm") == 8);
    CHECK(count(graph, "GroupQueryAttention") == 1);
    CHECK(count(graph, "Cast") == (dtype == DType::f32 ? 0 : store.all().size()));
    CHECK(count(graph, "Transpose") == 0);
    const graph::RopeTable table = graph::make_rope_table(spec.max_positions, spec.head_dim, spec.rope_theta, 4);
    bool rotated = false;
    for (const graph::Initializer& initializer : graph.initializers) {
      if (initializer.name != "rope_cos") continue;
      CHECK(std::memcmp(initializer.inline_data.data(), table.cos.data(), initializer.inline_data.size()) == 0);
      rotated = true;
    }
    CHECK(rotated);
  }
}

TEST_CASE("inputs and outputs have the names and shapes the runtime binds") {
  const LanguageSpec spec = one_layer();
  RandomTensors random(5);
  add_layer(random, spec, DType::f32);
  const TensorStore store = random.open();
  graph::BuildOptions options;
  options.hidden_states = true;
  const graph::Graph graph = graph::build_language(spec, store, options);
  CHECK(described(graph.inputs) ==
        "inputs_embeds fp32 [batch length 32 ]\nseqlens_k int32 [batch ]\ntotal_sequence_length int32 []\n"
        "past_key.0 fp32 [batch 1 capacity 16 ]\npast_value.0 fp32 [batch 1 capacity 16 ]\n");
  CHECK(described(graph.outputs) ==
        "present_key.0 fp32 [batch 1 capacity 16 ]\npresent_value.0 fp32 [batch 1 capacity 16 ]\n"
        "hidden_states fp32 [2 positions 32 ]\nlogits fp32 [batch 20 ]\n");
}

TEST_CASE("quantised layers: one operator for those of one x if their groups end together, and for what is done to a product") {
  const auto nodes = [](const auto& write) {
    graph::CpuDialect dialect("test");
    write(dialect, dialect.input("x", DType::f32, {"rows", 96}));
    std::string text;
    for (const graph::Node& node : dialect.finish().nodes) text += (text.empty() ? "" : " ") + node.op;
    return text;
  };
  TensorRef codes[3], bias;
  bias.name = "bias", bias.dtype = DType::f32, bias.shape = {16};
  for (size_t i = 0; i < 3; ++i) codes[i].name = "w" + std::to_string(i), codes[i].dtype = DType::u8;
  const auto layer = [&](size_t i, int64_t group, int32_t bits, const TensorRef* added = nullptr) {
    return graph::Linear{graph::QuantizedLinear{{16, 96, group, bits, kernels::Zero::middle}, &codes[i]}, added};
  };
  using Dialect = graph::Dialect;
  CHECK(nodes([&](Dialect& d, const auto& x) { d.linears(x, {layer(0, 32, 4, &bias), layer(1, 96, 8), layer(2, 32, 4)}); }) ==
        "PackedLinears");
  CHECK(nodes([&](Dialect& d, const auto& x) { d.linears(x, {layer(0, 32, 4), layer(1, 64, 4), layer(2, 32, 4)}); }) ==
        "PackedLinear PackedLinear PackedLinear");
  CHECK(nodes([&](Dialect& d, const auto& x) { d.linears(x, {layer(0, 32, 4), layer(1, 32, 4)}); }) == "PackedLinear PackedLinear");
  CHECK(nodes([&](Dialect& d, const auto& x) { d.gated_linear(x, layer(0, 32, 8), layer(1, 32, 4)); }) == "PackedGated");
  CHECK(nodes([&](Dialect& d, const auto& x) { d.gated_linear(x, layer(0, 32, 4), layer(1, 64, 4)); }) ==
        "PackedLinear PackedLinear QuickGelu Mul");
  CHECK(nodes([&](Dialect& d, const auto& x) { d.gated_linear(x, layer(0, 32, 4), layer(1, 32, 4, &bias)); }) ==
        "PackedLinear PackedLinear QuickGelu Mul");
  CHECK(nodes([&](Dialect& d, const auto& x) { d.activated_linear(x, layer(0, 32, 4, &bias), Activation::gelu_tanh); }) ==
        "PackedLinear");
  CHECK(nodes([&](Dialect& d, const auto& x) { d.activated_linear(x, layer(0, 32, 4), Activation::gelu_erf); }) ==
        "PackedLinear Gelu");
  CHECK(nodes([&](Dialect& d, const auto& x) { d.added_linear("sum", x, layer(0, 32, 4)); }) == "PackedLinear");
  TensorRef floats;
  floats.name = "floats", floats.dtype = DType::f32, floats.shape = {16, 96};
  const graph::Linear plain{&floats, nullptr};
  CHECK(nodes([&](Dialect& d, const auto& x) { d.linears(x, {plain, plain, plain}); }) == "Gemm Gemm Gemm");
  CHECK(nodes([&](Dialect& d, const auto& x) { d.gated_linear(x, plain, plain); }) == "Gemm Gemm QuickGelu Mul");
  CHECK(nodes([&](Dialect& d, const auto& x) { d.added_linear("sum", x, plain); }) == "Gemm Add");
}

TEST_CASE("what cannot be built is refused in one line") {
  LanguageSpec spec = one_layer();
  RandomTensors random(5);
  add_layer(random, spec, DType::f32);
  const TensorStore store = random.open();
  const std::string file = (random.folder() / "model.safetensors").string();
  graph::BuildOptions half;
  half.compute = DType::f16;
  CHECK(error_of([&] { graph::build_language(spec, store, half); }) ==
        "5:graph language: the CPU dialect computes in fp32, found fp16");
  LanguageSpec odd = spec;
  odd.head_dim = 20;
  CHECK(error_of([&] { graph::build_language(odd, store, {}); }) == "5:language model: head_dim 20, expected a multiple of 8");
  LanguageSpec packed = spec;
  packed.packing = LanguageSpec::Packing::awq_gemm;
  CHECK(error_of([&] { graph::build_language(packed, store, {}); }) ==
        "10:language model: packed 4-bit weights, expected them in the form of the plan");
  LanguageSpec wide = spec;
  wide.vocab = 21;
  CHECK(error_of([&] { graph::build_language(wide, store, {}); }) ==
        "4:" + file + ": tensor lm_head.weight has shape [20,32], expected [21,32]");
}
