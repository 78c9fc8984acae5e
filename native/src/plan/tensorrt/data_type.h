// SPDX-License-Identifier: Apache-2.0
// Element types in TensorRT's words.
#pragma once

#include <NvInferRuntime.h>

#include <string>

#include "common/dtype.h"
#include "graph/graph.h"

namespace vila::plan::tensorrt {

/// Of weights. Throws internal, beginning with `what`, for a type that TensorRT does not have.
nvinfer1::DataType data_type_of(DType dtype, graph::PackedType packed, const std::string& what);

/// Of an input or output. Throws internal, beginning with `what`, for a type that our graphs do not have there.
DType dtype_of(nvinfer1::DataType type, const std::string& what);

}  // namespace vila::plan::tensorrt
