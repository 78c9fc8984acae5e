// SPDX-License-Identifier: Apache-2.0
// The header of a safetensors file: 8 bytes of little-endian length, that many bytes of JSON, then the tensors' bytes without
// gaps (format description: the safetensors project's README, "Format").
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/tensor_entry.h"

namespace vila {

/// Reads the header of the file whose bytes are `data`; `path` is for messages. Throws bad_file (with file, tensor,
/// found, expected) for: a header longer than the file or than 100 MiB, JSON that is no header, an unknown dtype, a shape whose
/// product overflows or does not match its offsets, offsets beyond the file, overlapping tensors, a gap.
std::vector<TensorEntry> read_safetensors_header(const uint8_t* data, uint64_t size, const std::string& path);

}  // namespace vila
