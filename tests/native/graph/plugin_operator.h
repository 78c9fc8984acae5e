// SPDX-License-Identifier: Apache-2.0
// The node DecodeAttention of the TensorRT dialect, in fp32, inside ONNX Runtime: by the kernel's plain reference.
#pragma once

#include <memory>

#include "graph/graph.h"
#include "plan/plan.h"

namespace vila::testing {

/// run_graph.h's compile() for decode graphs with the attention plugin's node.
std::unique_ptr<plan::Plan> compile_with_plugin(const graph::Graph& graph);

}  // namespace vila::testing
