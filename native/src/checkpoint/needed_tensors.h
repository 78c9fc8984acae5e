// SPDX-License-Identifier: Apache-2.0
// The tensors a model needs, derived from its spec.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/model_spec.h"

namespace vila {

enum class ModelPart { language, vision, projector };

/// A tensor that must be in the store of `part`, with this shape.
struct NeededTensor {
  ModelPart part;
  std::string name;
  std::vector<int64_t> shape;
  std::optional<DType> dtype = std::nullopt;  ///< absent: any float type
  int64_t parameters = 0;                     ///< weights of the model that it holds (packed codes: more than elements)
};

/// A linear layer of a decoder block.
struct LinearLayer {
  std::string name;  ///< before ".weight", ".bias", ".qweight", ...
  int64_t out = 0, in = 0;
  bool bias = false;
};
/// The linear layers of decoder block `i`, in the order of the computation.
std::vector<LinearLayer> block_linears(const LanguageSpec& spec, int64_t i);
/// Whether the layer is stored packed.
inline bool is_packed(const LanguageSpec& spec, const std::string& layer) {
  return spec.packing != LanguageSpec::Packing::none && !spec.plain_linears.contains(layer);
}

/// The tensors of one part; see below.
std::vector<NeededTensor> needed_tensors(const ModelSpec& spec, ModelPart part);
/// Every tensor the graphs of `spec` read, in the order of the computation; a tower's layers beyond run_layers are not among
/// them. Throws unsupported for a packed layer whose sizes its layout cannot hold.
std::vector<NeededTensor> needed_tensors(const ModelSpec& spec);

}  // namespace vila
