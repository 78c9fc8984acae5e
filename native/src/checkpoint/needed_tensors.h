// SPDX-License-Identifier: Apache-2.0
// The tensors a model needs, derived from its spec.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/model_spec.h"

namespace vila {

enum class ModelPart { language, vision, projector };

/// A tensor that must be in the store of `part`, with this shape and a float type.
struct NeededTensor {
  ModelPart part;
  std::string name;
  std::vector<int64_t> shape;
};

/// The tensors of one part; see below.
std::vector<NeededTensor> needed_tensors(const ModelSpec& spec, ModelPart part);
/// Every tensor the graphs of `spec` read, in the order of the computation; a tower's layers beyond run_layers are not among
/// them. Throws unsupported for packed linear weights.
std::vector<NeededTensor> needed_tensors(const ModelSpec& spec);

}  // namespace vila
