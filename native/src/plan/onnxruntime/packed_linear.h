// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <onnxruntime_c_api.h>

namespace vila::plan::onnxruntime {

/// The operators PackedLinear, PackedLinears and PackedGated (custom_ops.h); static objects.
const OrtCustomOp* packed_linear_op();
const OrtCustomOp* packed_linears_op();
const OrtCustomOp* packed_gated_op();

}  // namespace vila::plan::onnxruntime
