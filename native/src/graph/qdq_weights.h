// SPDX-License-Identifier: Apache-2.0
// Linear layers in the form of explicit quantisation (QdqLinear), in a safetensors file beside the plan (weights_file.h). For a layer
// of `in` inputs and `out` outputs, C being the compute type:
//   <layer>.fp8          uint8 [in, out]            E4M3 numbers
//   <layer>.int8         int8  [in, out]            -127..127
//   <layer>.int4         uint8 [in, out/2]          two's complement, -8..7, the even output in the low half
//   <layer>.scales       C [out]; int4: C [in/block, out], all positive
//   <layer>.corrections  C [in/block, out]          only of packed checkpoints' layers
// Rows are inputs, because TensorRT's 4-bit products take blocks along the first axis of [in, out].
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "graph/dialect.h"
#include "graph/quantized_weights.h"
#include "graph/weights_file.h"

namespace vila::graph {

/// "fp8", "int8", "int4"
const char* name_of(QdqFormat format);

/// A layer of the file: "<name>.weight" [out, in] of the checkpoint, or, where `packing` says so, its packed tensors.
struct QdqLayer {
  std::string name;
  int64_t out = 0, in = 0;
  QdqFormat format = QdqFormat::int8;
  LanguageSpec::Packing packing = LanguageSpec::Packing::none;
  int64_t group = 0;  ///< of a packed layer: inputs that share a scale
};

/// The layers of the decoder's blocks: packed ones are int4 with the numbers of the checkpoint, the others are rounded to `format` or,
/// without one, left out. The head is never among them: it keeps the compute type.
std::vector<QdqLayer> qdq_layers(const LanguageSpec& spec, std::optional<QdqFormat> format);
/// The layers of a tower or a projector; none for int4, which pays off only where a product waits for memory.
std::vector<QdqLayer> qdq_layers(const std::vector<LinearUse>& uses, std::optional<QdqFormat> format);

/// The file, but for its last 16 bytes, of a graph with the compute type `compute`, for layers whose weights are in `tensors`, which
/// must outlive it: the header, then a piece a layer, made in all processors with memory for one layer. Weights are rounded to the
/// nearest, int4 with the scale of the least squared error. Throws unsupported for sizes that int4 cannot hold; a piece throws
/// invalid_argument naming the tensor for a weight that is not finite.
WeightsPieces qdq_pieces(const std::vector<QdqLayer>& layers, const TensorStore& tensors, DType compute);

/// An opened file. Immutable; any thread.
class QdqWeights {
 public:
  /// Throws what TensorStore throws.
  explicit QdqWeights(const std::string& path) { store_.add_file(path); }
  bool contains(const std::string& layer) const { return store_.contains(layer + ".scales"); }
  /// Throws bad_file for a missing tensor or another size. Valid as long as this object.
  QdqLinear get(const std::string& layer, int64_t out, int64_t in) const;

 private:
  TensorStore store_;
};

}  // namespace vila::graph
