// SPDX-License-Identifier: Apache-2.0
// The header of a safetensors file: 8 bytes of little-endian length, that many bytes of JSON, then the tensors' bytes without
// gaps (format description: the safetensors project's README, "Format").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/dtype.h"

namespace vila {

/// A tensor as the header describes it; offset .. offset+bytes lies in the file.
struct SafetensorsEntry {
  std::string name;
  std::string dtype_name;      ///< as the file spells it: "BF16"
  std::optional<DType> dtype;  ///< absent for a type of the format that vila4j does not read (F64, F8_E4M3, ...)
  std::vector<int64_t> shape;
  uint64_t offset = 0;  ///< from the start of the file
  uint64_t bytes = 0;
};

/// Reads the header of the file whose bytes are `data`; `path` is for messages. Throws bad_file, see TensorStore.
std::vector<SafetensorsEntry> read_safetensors_header(const uint8_t* data, uint64_t size, const std::string& path);

}  // namespace vila
