// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <onnxruntime_c_api.h>

namespace vila::plan::onnxruntime {

/// The operator Bf16Linear (custom_ops.h); a static object.
const OrtCustomOp* bf16_linear_op();

}  // namespace vila::plan::onnxruntime
