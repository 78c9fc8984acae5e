// SPDX-License-Identifier: Apache-2.0
// Field and enum numbers of ONNX's protobuf schema (onnx.proto, package onnx, IR version 10).
#pragma once

#include <cstdint>

#include "common/dtype.h"

namespace vila::graph::onnx {

/// Numbers of this file's vintage: ONNX 1.16, the first that knows 4-bit types. ONNX Runtime refuses only newer ones than its own.
inline constexpr int64_t kIrVersion = 10;

enum class Model : uint32_t { ir_version = 1, producer_name = 2, graph = 7, opset_import = 8 };
enum class OperatorSet : uint32_t { domain = 1, version = 2 };
enum class GraphField : uint32_t { node = 1, name = 2, initializer = 5, input = 11, output = 12 };
enum class NodeField : uint32_t { input = 1, output = 2, name = 3, op_type = 4, attribute = 5, domain = 7 };
enum class AttributeField : uint32_t { name = 1, f = 2, i = 3, s = 4, floats = 7, ints = 8, type = 20 };
enum class AttributeType : int32_t { real = 1, integer = 2, string = 3, reals = 6, integers = 7 };
enum class Tensor : uint32_t { dims = 1, data_type = 2, name = 8, raw_data = 9, external_data = 13, data_location = 14 };
enum class DataLocation : int32_t { in_place = 0, external = 1 };
enum class Entry : uint32_t { key = 1, value = 2 };
enum class ValueInfoField : uint32_t { name = 1, type = 2 };
enum class Type : uint32_t { tensor_type = 1 };
enum class TensorType : uint32_t { elem_type = 1, shape = 2 };
enum class Shape : uint32_t { dim = 1 };
enum class Dimension : uint32_t { dim_value = 1, dim_param = 2 };
enum class DataType : int32_t {
  float32 = 1,
  uint8 = 2,
  int8 = 3,
  int16 = 5,
  int32 = 6,
  int64 = 7,
  boolean = 9,
  float16 = 10,
  bfloat16 = 16,
  float8e4m3fn = 17,
  int4 = 22
};

}  // namespace vila::graph::onnx

namespace vila::graph {

/// ONNX's number of an element type.
onnx::DataType onnx_type(DType type);

}  // namespace vila::graph
