// SPDX-License-Identifier: Apache-2.0
// The input rows of the language model: rows of the embedding table, with image tokens in their places.
#pragma once

#include <cstdint>

#include "common/dtype.h"
#include "cuda/stream.h"

namespace vila::cuda {

/// A matrix [rows, hidden] of f32, f16 or bf16.
struct RowsView {
  const void* data = nullptr;
  DType type = DType::f32;
  int64_t rows = 0;
};

/// Where an output row comes from, in one number: a token id (0 and up), or image row `row` as ~row (below 0).
constexpr int32_t image_row(int32_t row) { return ~row; }

/// Kernel "gather_rows": out[i] = table[sources[i]], or image_rows[~sources[i]] where that is below 0, for i < count. `sources` is
/// int32 [count]; ids that the sampler wrote will do. `out` is [count, hidden] of `type` (f32, f16, bf16). A value is kept exactly
/// where `type` can hold it and rounded to the nearest, ties to even, where not (overflow gives infinity). A source outside its
/// matrix gives a row of NaN, which the sampler refuses: check ids of a prompt on the host. `image_rows.data` may be null when
/// there are no image rows.
void gather_rows(const RowsView& table, const RowsView& image_rows, int64_t hidden, const int32_t* sources, int32_t count,
                 DType type, void* out, cudaStream_t stream);

}  // namespace vila::cuda
