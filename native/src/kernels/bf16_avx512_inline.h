// SPDX-License-Identifier: Apache-2.0
// What the implementations of bf16_product.h for AVX-512 share. Static on purpose, as in quantize_activations.h.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace vila::kernels {

/// 16 rows of 16 numbers of 32 bits, `stride` bytes apart: out[i] is column i.
static inline void transpose_16(const uint8_t* rows, size_t stride, __m512i* out) {
  __m512i row[16], pair[16], four[16], eight[16];
  for (size_t i = 0; i < 16; ++i) row[i] = _mm512_loadu_si512(rows + i * stride);
  for (int i = 0; i < 16; i += 2) {
    pair[i] = _mm512_unpacklo_epi32(row[i], row[i + 1]);
    pair[i + 1] = _mm512_unpackhi_epi32(row[i], row[i + 1]);
  }
  // four[4g + c]: column 4q + c of rows 4g to 4g + 3 in quarter q
  for (int i = 0; i < 16; i += 4) {
    four[i] = _mm512_unpacklo_epi64(pair[i], pair[i + 2]);
    four[i + 1] = _mm512_unpackhi_epi64(pair[i], pair[i + 2]);
    four[i + 2] = _mm512_unpacklo_epi64(pair[i + 1], pair[i + 3]);
    four[i + 3] = _mm512_unpackhi_epi64(pair[i + 1], pair[i + 3]);
  }
  // eight[c], eight[4 + c]: columns c and 8 + c, columns 4 + c and 12 + c of rows 0 to 7; the others of rows 8 to 15
  for (int i = 0; i < 16; i += 8) {
    for (int c = 0; c < 4; ++c) {
      eight[i + c] = _mm512_shuffle_i32x4(four[i + c], four[i + 4 + c], 0x88);
      eight[i + 4 + c] = _mm512_shuffle_i32x4(four[i + c], four[i + 4 + c], 0xDD);
    }
  }
  for (int c = 0; c < 8; ++c) {
    out[c] = _mm512_shuffle_i32x4(eight[c], eight[8 + c], 0x88);
    out[8 + c] = _mm512_shuffle_i32x4(eight[c], eight[8 + c], 0xDD);
  }
}

static inline __mmask16 first_lanes(int64_t count) {
  return static_cast<__mmask16>((1U << std::clamp<int64_t>(count, 0, 16)) - 1U);
}

static inline __m512 load_lanes(const float* y, int64_t count) {
  return count >= 16 ? _mm512_loadu_ps(y) : _mm512_maskz_loadu_ps(first_lanes(count), y);
}

static inline void store_lanes(float* y, __m512 values, int64_t count) {
  count >= 16 ? _mm512_storeu_ps(y, values) : _mm512_mask_storeu_ps(y, first_lanes(count), values);
}

}  // namespace vila::kernels
