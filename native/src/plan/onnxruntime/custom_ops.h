// SPDX-License-Identifier: Apache-2.0
// vila4j's own operators inside ONNX Runtime's graphs, domain "vila", version 1.
//
// PackedLinear: y[.., n] = x[.., k] times packed weights (kernels/packed_matrix.h), activations rounded to 8 bits in blocks of 32.
//   inputs   x f32 [.., k]; weights u8 [PackedShape::bytes()]; bias f32 [n], optional
//   outputs  y f32 [.., n]
//   attributes (int)  n, k, group, bits (4, 8), zero (the number of kernels::Zero)
#pragma once

#include <onnxruntime_c_api.h>

namespace vila::plan::onnxruntime {

/// Makes the domain with all operators; it lives as long as the process. Throws backend.
OrtCustomOpDomain* make_custom_ops(const OrtApi& api);

}  // namespace vila::plan::onnxruntime
