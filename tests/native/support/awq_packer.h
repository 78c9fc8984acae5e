// SPDX-License-Identifier: Apache-2.0
// 4-bit linear layers in the layouts of AWQ checkpoints, written code by code from the position formulas of the layouts' own
// packers; nothing is shared with the engine's unpacking.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/checkpoint_writer.h"

namespace vila::testing {

/// Random codes and what belongs to each group of `group` columns. Row by row; g = column / group.
struct AwqMatrix {
  int64_t out = 0, in = 0, group = 0;
  std::vector<int> codes;           ///< [out, in], 0 to 15
  std::vector<float> scales;        ///< [out, groups], exact in fp16
  std::vector<int> zeros;           ///< [out, groups], 0 to 15
  std::vector<float> scaled_zeros;  ///< [out, groups], exact in fp16: near -scale * zero, and in some groups far from any multiple
  int64_t groups() const { return in / group; }
  int code(int64_t n, int64_t k) const { return codes[static_cast<size_t>(n * in + k)]; }
  size_t at(int64_t n, int64_t g) const { return static_cast<size_t>(n * groups() + g); }
};

/// The standard deviation of the weights is about 1/sqrt(in). Same seed, same matrix.
AwqMatrix random_awq(int64_t out, int64_t in, int64_t group, uint64_t seed);

/// The tensors "<layer>.qweight", "<layer>.scales" and "<layer>.qzeros" or "<layer>.scaled_zeros". Padding is filled with what no
/// reader may use.
std::vector<FileTensor> pack_awq(const std::string& layer, AwqPacking packing, const AwqMatrix& matrix);

/// The weights [out, in] that those tensors stand for, in float32.
std::vector<float> awq_weights(AwqPacking packing, const AwqMatrix& matrix);

}  // namespace vila::testing
