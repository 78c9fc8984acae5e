// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <onnxruntime_c_api.h>

namespace vila::plan::onnxruntime {

/// The operator RowNorm (custom_ops.h); a static object.
const OrtCustomOp* row_norm_op();

}  // namespace vila::plan::onnxruntime
