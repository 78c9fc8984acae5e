// SPDX-License-Identifier: Apache-2.0
#include "kernels/quantized_rows.h"

namespace vila::kernels {
namespace {

size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }
size_t values_bytes(int64_t rows, int64_t k) { return aligned(static_cast<size_t>(rows * k)); }
size_t blocks_bytes(int64_t rows, int64_t k) { return aligned(static_cast<size_t>(rows * (k / kBlock)) * sizeof(float)); }

}  // namespace

size_t RowsBuffer::bytes(int64_t rows, int64_t k) { return values_bytes(rows, k) + 2 * blocks_bytes(rows, k); }

RowsBuffer::RowsBuffer(uint8_t* memory, int64_t rows, int64_t k)
    : q(reinterpret_cast<int8_t*>(memory)),
      scales(reinterpret_cast<float*>(memory + values_bytes(rows, k))),
      sums(reinterpret_cast<int32_t*>(memory + values_bytes(rows, k) + blocks_bytes(rows, k))) {}

}  // namespace vila::kernels
