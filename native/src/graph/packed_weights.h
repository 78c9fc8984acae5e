// SPDX-License-Identifier: Apache-2.0
// The packed linear layers of a language model in the form that plans read: a safetensors file of our own, so that its tensors are
// read and checked like a checkpoint's. For a layer of `in` inputs and `out` outputs in blocks of `block` columns:
//   <layer>.codes        uint8 [out, in/block, block/2]   two codes a byte, the even column in the low half
//   <layer>.scales       fp32  [out, in/block]
//   <layer>.zero_points  uint8 [out, ceil(in/block / 2)]  two a byte, the even block in the low half; each row begins with a byte
//   <layer>.corrections  fp32  [out, in/block]            only where one of them is not zero
// which is what ONNX Runtime's MatMulNBits takes (its contributed operators' documentation). Every tensor begins at a multiple of 64
// bytes of the file (weights_file.h).
#pragma once

#include <cstdint>
#include <string>

#include "checkpoint/checkpoint.h"
#include "graph/dialect.h"
#include "graph/weights_file.h"

namespace vila::graph {

/// The file, but for its last 16 bytes, for the packed layers of `spec`, whose tensors as awq.h describes them are in `tensors`,
/// which must outlive it: the header, then a piece a layer, made with memory for one layer. Reads the layers' scales at once, to
/// see which have corrections.
WeightsPieces packed_pieces(const LanguageSpec& spec, const TensorStore& tensors);

/// Bytes of that file, its checksum included. Reads no weights, so corrections are counted wherever the layout can need them.
int64_t packed_weights_bytes(const LanguageSpec& spec, const TensorStore& tensors);

/// An opened file. Immutable; any thread.
class PackedWeights {
 public:
  /// Opens a file whose layers have blocks of `block` columns. Throws what TensorStore throws.
  PackedWeights(const std::string& path, int64_t block);
  /// What the file would hold, for the size of a plan: tensors with names, types, shapes and sizes but without content, whose place is
  /// somewhere in the checkpoint. Nothing is written or read; corrections as packed_weights_bytes() counts them.
  static PackedWeights outline(const LanguageSpec& spec, const TensorStore& tensors);
  bool contains(const std::string& layer) const { return store_.contains(layer + ".codes"); }
  /// Throws bad_file for a missing tensor or another shape. Valid as long as this object.
  PackedLinear get(const std::string& layer, int64_t out, int64_t in) const;

 private:
  explicit PackedWeights(int64_t block) : block_(block) {}

  TensorStore store_;
  int64_t block_;
};

}  // namespace vila::graph
