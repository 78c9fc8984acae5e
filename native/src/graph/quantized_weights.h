// SPDX-License-Identifier: Apache-2.0
// Linear layers in 8 or 4 bits, in the layout of our own kernels (kernels/packed_matrix.h), in a file beside the plan
// (weights_file.h): a tensor "<layer>.int8" or "<layer>.int4", uint8 [PackedShape::bytes()], for each. Layers of float weights are
// rounded; those that a checkpoint packs to 4 bits (checkpoint/awq.h) keep their codes, groups and zeros.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "graph/dialect.h"
#include "graph/weights_file.h"

namespace vila::graph {

/// A linear layer that a graph has, or the embedding table (out: ids, in: channels): "<name>.weight" [out, in].
struct LinearUse {
  std::string name;
  int64_t out = 0, in = 0;
};

/// How a layer is kept: n outputs, k inputs.
struct QuantizedLayer {
  std::string name;
  kernels::PackedShape shape;
  LanguageSpec::Packing packing = LanguageSpec::Packing::none;  ///< of the checkpoint's tensors; none: "<name>.weight" is rounded
};

/// A layer of float weights that is rounded to 4 or 8 `bits`: groups of 32 inputs, symmetric (Zero::middle).
QuantizedLayer rounded_layer(const LinearUse& use, int32_t bits);
/// A layer that the checkpoint packs, in the checkpoint's groups: with integer zero points (Zero::point) or, where these are stored
/// times the scale, with offsets (Zero::offset). Scales and offsets become fp16, as which checkpoints mostly store them.
QuantizedLayer packed_layer(const LinearUse& use, LanguageSpec::Packing packing, int64_t group);

/// The file, but for its last 16 bytes, for layers whose weights are in `tensors`, which must outlive it: the header, then a piece
/// a layer, made in all processors with memory for one layer. A piece throws invalid_argument naming the tensor for a weight that
/// is not finite, or a scale that fp16 does not hold.
WeightsPieces quantized_pieces(const std::vector<QuantizedLayer>& layers, const TensorStore& tensors);
/// The same file with weights drawn at random (kernels::draw_weights), always the same for a layer's name.
WeightsPieces random_pieces(const std::vector<QuantizedLayer>& layers);
/// Bytes of that file, its checksum included.
int64_t quantized_weights_bytes(const std::vector<QuantizedLayer>& layers);

/// An opened file. Immutable; any thread.
class QuantizedWeights {
 public:
  /// Opens the file of these layers. Throws what TensorStore throws.
  QuantizedWeights(const std::string& path, const std::vector<QuantizedLayer>& layers);
  /// What the file would hold, for the size of a plan: tensors whose place is somewhere in one of `tensors`' files. Nothing is
  /// written or read.
  static QuantizedWeights outline(const std::vector<QuantizedLayer>& layers, const TensorStore& tensors);
  /// Throws internal for what is none of the layers, bad_file for one that the file does not hold in its size. Valid as long as
  /// this object.
  QuantizedLinear get(const std::string& layer, int64_t out, int64_t in) const;

 private:
  explicit QuantizedWeights(const std::vector<QuantizedLayer>& layers);

  std::map<std::string, kernels::PackedShape> shapes_;  ///< by layer
  TensorStore store_;
};

}  // namespace vila::graph
