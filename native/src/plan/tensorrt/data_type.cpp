// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/data_type.h"

#include "common/error.h"

namespace vila::plan::tensorrt {

nvinfer1::DataType data_type_of(DType dtype, graph::PackedType packed, const std::string& what) {
  switch (packed) {
    case graph::PackedType::float8_e4m3: return nvinfer1::DataType::kFP8;
    case graph::PackedType::int4: return nvinfer1::DataType::kINT4;
    case graph::PackedType::none: break;
  }
  switch (dtype) {
    case DType::f32: return nvinfer1::DataType::kFLOAT;
    case DType::f16: return nvinfer1::DataType::kHALF;
    case DType::bf16: return nvinfer1::DataType::kBF16;
    case DType::i64: return nvinfer1::DataType::kINT64;
    case DType::i32: return nvinfer1::DataType::kINT32;
    case DType::i8: return nvinfer1::DataType::kINT8;
    case DType::u8: return nvinfer1::DataType::kUINT8;
    case DType::boolean: return nvinfer1::DataType::kBOOL;
    case DType::i16: break;
  }
  fail(ErrorCode::internal, what, " is of ", name_of(dtype), ", which TensorRT does not have");
}

DType dtype_of(nvinfer1::DataType type, const std::string& what) {
  switch (type) {
    case nvinfer1::DataType::kFLOAT: return DType::f32;
    case nvinfer1::DataType::kHALF: return DType::f16;
    case nvinfer1::DataType::kBF16: return DType::bf16;
    case nvinfer1::DataType::kINT64: return DType::i64;
    case nvinfer1::DataType::kINT32: return DType::i32;
    case nvinfer1::DataType::kBOOL: return DType::boolean;
    default: fail(ErrorCode::internal, what, " has TensorRT's type ", static_cast<int>(type));
  }
}

}  // namespace vila::plan::tensorrt
