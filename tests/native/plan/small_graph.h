// SPDX-License-Identifier: Apache-2.0
// Small graphs for the tests of the plan room.
#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.h"

namespace vila::testing {

/// A graph with one opset (ai.onnx 17) and, when asked for, com.microsoft 1.
inline graph::Graph new_graph(bool contrib = false) {
  graph::Graph result;
  result.name = "test";
  result.opsets = {{"", 17}};
  if (contrib) result.opsets.emplace_back("com.microsoft", 1);
  return result;
}

/// An initializer held inside the model.
template <typename T>
graph::Initializer constant(const std::string& name, DType dtype, std::vector<int64_t> shape, const std::vector<T>& values) {
  graph::Initializer result;
  result.name = name;
  result.dtype = dtype;
  result.shape = std::move(shape);
  result.inline_data.resize(values.size() * sizeof(T));
  std::memcpy(result.inline_data.data(), values.data(), result.inline_data.size());
  return result;
}

}  // namespace vila::testing
