// SPDX-License-Identifier: Apache-2.0
// The 4-bit linear layers of AWQ checkpoints: how three programs store them, and what they mean. For output row n, input column k
// and its group g = k / group a weight is
//   scale[n,g] * (code[n,k] - zero[n,g])             llm-awq v1 and AutoAWQ's GEMV, AutoAWQ's GEMM
//   scale[n,g] * code[n,k] + scaled_zero[n,g]        llm-awq v2, whose 16-bit scaled zero is a rounded -scale * zero
// Sources of the layouts: llm-awq's awq/quantize/qmodule.py and tinychat/offline-weight-repacker.py, AutoAWQ's
// awq/utils/packing_utils.py.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace vila {

/// How a linear layer of `in` inputs and `out` outputs is stored.
struct AwqLayout {
  LanguageSpec::Packing packing = LanguageSpec::Packing::none;
  int64_t group = 0, out = 0, in = 0;
  int64_t groups() const { return in / group; }
};

/// Groups that are read.
inline constexpr std::array<int64_t, 3> kAwqGroups = {128, 64, 32};
/// "llm-awq v2", "llm-awq v1 (GEMV)", "AutoAWQ GEMM".
const char* name_of(LanguageSpec::Packing packing);

/// A tensor of a packed layer.
struct AwqTensor {
  std::string suffix;  ///< behind the layer's name: ".qweight", ".scales", ".scaled_zeros" or ".qzeros"
  std::vector<int64_t> shape;
  std::optional<DType> dtype;  ///< absent: any float type
};
/// What a size must be a multiple of for this layout, in words ("inputs a multiple of 64"); empty when all is well.
std::string awq_misfit(const AwqLayout& layout);
/// The tensors of a layer: codes, scales, zeros. The layout must fit (see awq_misfit).
std::array<AwqTensor, 3> awq_tensors(const AwqLayout& layout);

/// What is stored for each group. Rows are outputs.
struct AwqScales {
  std::vector<float> scales;        ///< [out, groups]
  std::vector<uint8_t> zeros;       ///< [out, groups], 0 to 15; empty for llm-awq v2
  std::vector<float> scaled_zeros;  ///< [out, groups]; only for llm-awq v2
};
/// From the stored tensors, which must have the types and shapes of awq_tensors().
AwqScales unpack_awq_scales(const AwqLayout& layout, const TensorRef& scales, const TensorRef& zeros);
/// The codes as [out, in/2] bytes, row by row, the code of an even column in the low half. `qweight` as above.
std::vector<uint8_t> unpack_awq_codes(const AwqLayout& layout, const TensorRef& qweight);
/// The weights [out, in] in float32, by the formulas above.
std::vector<float> dequantize_awq(const AwqLayout& layout, const std::vector<uint8_t>& codes, const AwqScales& scales);

}  // namespace vila
