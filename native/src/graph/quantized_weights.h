// SPDX-License-Identifier: Apache-2.0
// Linear layers rounded to 8 or 4 bits in the layout of our own kernels (kernels/packed_matrix.h), in a file beside the plan
// (weights_file.h): a tensor "<layer>.int8" or "<layer>.int4", uint8 [PackedShape::bytes()], for each.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "graph/dialect.h"
#include "graph/weights_file.h"

namespace vila::graph {

/// A linear layer that a graph has: "<name>.weight" [out, in].
struct LinearUse {
  std::string name;
  int64_t out = 0, in = 0;
  int32_t bits = 8;
};

/// Writes the file, but for its last 16 bytes, for layers whose weights are in `tensors`: groups of 32 inputs, symmetric
/// (Zero::middle). Works layer by layer, in all processors, with memory for one layer at a time; `progress` (may be empty) is
/// called with 0..1 after each. Throws invalid_argument naming the layer for a weight that is not finite.
void write_quantized_weights(const std::vector<LinearUse>& layers, const TensorStore& tensors, const WriteBytes& write,
                             const std::function<void(double)>& progress);
/// The same file with weights drawn at random (kernels::draw_weights), always the same for a layer's name.
void write_random_weights(const std::vector<LinearUse>& layers, const WriteBytes& write,
                          const std::function<void(double)>& progress);

/// An opened file. Immutable; any thread.
class QuantizedWeights {
 public:
  /// Throws what TensorStore throws.
  explicit QuantizedWeights(const std::string& path) { store_.add_file(path); }
  /// Throws bad_file for a layer that is not there or has another size. Valid as long as this object.
  QuantizedLinear get(const std::string& layer, int64_t out, int64_t in) const;

 private:
  TensorStore store_;
};

}  // namespace vila::graph
