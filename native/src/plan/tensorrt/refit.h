// SPDX-License-Identifier: Apache-2.0
// Weights of a plan that was written without them: those of the graph, by name, where they lie in mapped files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/dtype.h"
#include "graph/graph.h"

namespace vila::plan::tensorrt {

/// Weights as the graph has them; the graph must outlive this.
struct GraphWeights {
  std::string name;
  DType dtype = DType::f32;
  graph::PackedType packed = graph::PackedType::none;
  const void* data = nullptr;
  int64_t count = 0;  ///< elements
};

/// Names as TensorRT's refitter lists them, where a null one is of weights without a name. Throws backend naming `label` for such.
std::vector<std::string> weight_names(const std::vector<const char*>& listed, const std::string& label);

/// The graph's weights with these names, in their order. Throws internal naming `label` for a name that the graph has not, bad_file
/// for one whose bytes are not its shape's.
std::vector<GraphWeights> weights_named(const graph::Graph& graph, const std::vector<std::string>& names, const std::string& label);

}  // namespace vila::plan::tensorrt
