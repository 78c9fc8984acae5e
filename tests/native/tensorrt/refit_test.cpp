// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/refit.h"

#include <doctest/doctest.h>

#include <cstring>

#include "checkpoint/checkpoint.h"
#include "support/npy.h"

using namespace vila;                  // NOLINT
using namespace vila::plan::tensorrt;  // NOLINT
using vila::testing::error_of;

namespace {

graph::Initializer in_graph(const std::string& name, DType dtype, std::vector<int64_t> shape, size_t bytes) {
  graph::Initializer initializer;
  initializer.name = name;
  initializer.dtype = dtype;
  initializer.shape = std::move(shape);
  initializer.inline_data.assign(bytes, 7);
  return initializer;
}

}  // namespace

TEST_CASE("weights for refitting: mapped ones where they lie in the file, others where they lie in the graph") {
  const auto checkpoint = Checkpoint::open((testing::data("cases/vila10-clip-linear") / "model").string());
  graph::Graph graph;
  graph.initializers.push_back(in_graph("table", DType::f32, {2, 3}, 24));
  for (const auto& [name, tensor] : checkpoint->language().all()) {
    graph::Initializer initializer;
    initializer.name = name;
    initializer.dtype = tensor.dtype;
    initializer.shape = tensor.shape;
    initializer.source = std::make_shared<const TensorRef>(tensor);
    graph.initializers.push_back(initializer);
  }
  std::vector<std::string> names{"table"};
  for (const auto& [name, tensor] : checkpoint->language().all()) names.insert(names.begin(), name);
  REQUIRE(names.size() > 10);
  const std::vector<GraphWeights> weights = weights_named(graph, names, "plan");
  REQUIRE(weights.size() == names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    CAPTURE(names[i]);
    CHECK(weights[i].name == names[i]);
    if (names[i] == "table") {
      CHECK(weights[i].count == 6);
      CHECK(weights[i].data == graph.initializers[0].inline_data.data());
      continue;
    }
    const TensorRef tensor = checkpoint->language().get(names[i]);
    CHECK(weights[i].dtype == tensor.dtype);
    CHECK(weights[i].count == tensor.elements());
    CHECK(weights[i].data == tensor.data());  // no copy
  }
}

TEST_CASE("weights for refitting: the refitter's names; those without one are an error, not a crash") {
  CHECK(weight_names({}, "decode").empty());
  CHECK(weight_names({"a", "b"}, "decode") == std::vector<std::string>{"a", "b"});
  CHECK(error_of([] { weight_names({"a", nullptr, nullptr}, "decode"); }) ==
        "9:decode: the plan needs 2 weights that have no name, of 3; they cannot be taken from the graph");
}

TEST_CASE("weights for refitting: packed types count elements; what does not fit or is not there is named") {
  graph::Graph graph;
  graph.initializers.push_back(in_graph("codes", DType::u8, {4, 5}, 10));
  graph.initializers.back().packed = graph::PackedType::int4;
  graph.initializers.push_back(in_graph("eighths", DType::u8, {4, 5}, 20));
  graph.initializers.back().packed = graph::PackedType::float8_e4m3;
  graph.initializers.push_back(in_graph("short", DType::f16, {4}, 7));
  const std::vector<GraphWeights> weights = weights_named(graph, {"codes", "eighths"}, "plan");
  CHECK(weights[0].count == 20);
  CHECK(weights[0].packed == graph::PackedType::int4);
  CHECK(weights[1].count == 20);
  CHECK(weights[1].packed == graph::PackedType::float8_e4m3);
  CHECK(error_of([&] { weights_named(graph, {"short"}, "decode"); }) == "4:decode: weights short have 7 bytes, expected 8");
  CHECK(error_of([&] { weights_named(graph, {"codes", "none"}, "decode"); }) ==
        "10:decode: the plan needs weights none, which the graph does not have");
}
