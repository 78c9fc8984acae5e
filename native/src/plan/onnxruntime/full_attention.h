// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <onnxruntime_c_api.h>

namespace vila::plan::onnxruntime {

/// The operator FullAttention (custom_ops.h); a static object.
const OrtCustomOp* full_attention_op();

}  // namespace vila::plan::onnxruntime
