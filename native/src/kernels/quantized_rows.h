// SPDX-License-Identifier: Apache-2.0
// Activations as 8-bit numbers, a scale for every 32 of a row.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/packed_matrix.h"

namespace vila::kernels {

/// Rows of activations; not owned. x[row, i] is about scales[row, i / 32] * q[row, i].
struct QuantizedRows {
  int64_t rows = 0, k = 0;        ///< k is a multiple of 32
  const int8_t* q = nullptr;      ///< [rows, k], -127..127
  const float* scales = nullptr;  ///< [rows, k / 32]
  const int32_t* sums = nullptr;  ///< [rows, k / 32]: of the block's q
  int64_t blocks() const { return k / kBlock; }
};

/// Memory for quantised rows inside one buffer of bytes(rows, k), aligned to 64.
struct RowsBuffer {
  static size_t bytes(int64_t rows, int64_t k);
  RowsBuffer(uint8_t* memory, int64_t rows, int64_t k);
  int8_t* q;
  float* scales;
  int32_t* sums;
};

}  // namespace vila::kernels
