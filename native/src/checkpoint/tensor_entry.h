// SPDX-License-Identifier: Apache-2.0
// What a file of tensors says of one of them, whatever the file's format.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/dtype.h"

namespace vila {

/// A tensor as its file describes it; offset .. offset+bytes lies in the file. Elements are little-endian, in C order.
struct TensorEntry {
  std::string name;
  std::string dtype_name;      ///< as safetensors spells it: "BF16"
  std::optional<DType> dtype;  ///< absent for a type that vila4j does not read (F64, F8_E4M3, ...)
  std::vector<int64_t> shape;
  uint64_t offset = 0;  ///< from the start of the file
  uint64_t bytes = 0;
};

}  // namespace vila
