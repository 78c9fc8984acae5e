// SPDX-License-Identifier: Apache-2.0
// AVX2: a panel's 16 rows are the lanes of two registers; products of 4 inputs are added in two steps, through 16 bits.
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "kernels/product_kernels.h"
#include "kernels/quantize_activations.h"
#include "kernels/registers_inline.h"

namespace vila::kernels {
namespace {

constexpr int kTileRows = 2;

struct Pair {
  __m256 low, high;  ///< lanes 0..7 and 8..15
};

Pair halves_to_floats(const uint8_t* at) {
  return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))),
          _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at + 16)))};
}

Pair bytes_to_floats(const uint8_t* at) {
  const auto eight = [](const uint8_t* from) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
  };
  return {eight(at), eight(at + 8)};
}

/// A group's numbers: weight = scale * q + offset, q as the products below take it (8-bit values less 128).
struct Header {
  Pair scale, offset;
};

Header read_header(const PackedShape& shape, const uint8_t* at) {
  Header header{halves_to_floats(at), {}};
  const float stored_middle = shape.bits == 4 ? 8.0F : 128.0F, shift = shape.bits == 4 ? 0.0F : 128.0F;
  if (shape.zero == Zero::offset) {  // scale * (q - 128 + 128) + offset
    const Pair offset = halves_to_floats(at + 2 * kLanes);
    const __m256 shifts = _mm256_set1_ps(shift);
    header.offset = {_mm256_fmadd_ps(header.scale.low, shifts, offset.low),
                     _mm256_fmadd_ps(header.scale.high, shifts, offset.high)};
    return header;
  }
  Pair zero{_mm256_set1_ps(stored_middle), _mm256_set1_ps(stored_middle)};
  if (shape.zero == Zero::point) zero = bytes_to_floats(at + 2 * kLanes);
  const __m256 shifts = _mm256_set1_ps(shift);
  header.offset = {_mm256_mul_ps(header.scale.low, _mm256_sub_ps(shifts, zero.low)),
                   _mm256_mul_ps(header.scale.high, _mm256_sub_ps(shifts, zero.high))};
  return header;
}

__m256i broadcast4(const int8_t* x) {
  int32_t four;
  std::memcpy(&four, x, sizeof four);
  return _mm256_set1_epi32(four);
}

/// sums + the products of 4 neighbouring weights and activations in each lane. 4 bits: weights 0..15, at most 2 * 15 * 127 in 16
/// bits.
__m256i add_products4(__m256i sums, __m256i weights, __m256i x) {
  return _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_maddubs_epi16(weights, x), _mm256_set1_epi16(1)));
}

/// The same with weights -128..127: widened to 16 bits first, since two products of 8-bit numbers need 17.
__m256i add_products8(__m256i sums, __m256i weights, __m256i x) {
  const __m256i even_w = _mm256_srai_epi16(_mm256_slli_epi16(weights, 8), 8), odd_w = _mm256_srai_epi16(weights, 8);
  const __m256i even_x = _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8), odd_x = _mm256_srai_epi16(x, 8);
  return _mm256_add_epi32(sums, _mm256_add_epi32(_mm256_madd_epi16(even_w, even_x), _mm256_madd_epi16(odd_w, odd_x)));
}

/// One panel times R rows.
template <int R, int bits>
void panel(const PackedShape& shape, const uint8_t* at, const QuantizedRows& rows, int64_t row, float* y, int64_t stride,
           int64_t outputs) {
  const int64_t blocks = rows.blocks();
  const __m256i nibble = _mm256_set1_epi8(0x0F), sign = _mm256_set1_epi8(static_cast<char>(0x80));
  __m256 sums[R][2];
  for (int r = 0; r < R; ++r) sums[r][0] = sums[r][1] = _mm256_setzero_ps();
  int64_t block = 0;
  for (int64_t group = 0; group < shape.groups(); ++group) {
    const Header header = read_header(shape, at);
    at += shape.header_bytes();
    for (int64_t i = 0; i < shape.blocks_per_group(); ++i, ++block, at += shape.block_bytes()) {
      __m256i dots[R][2];
      for (int r = 0; r < R; ++r) dots[r][0] = dots[r][1] = _mm256_setzero_si256();
      for (int run = 0; run < bits; ++run) {
        for (int half = 0; half < 2; ++half) {
          const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 64 * run + 32 * half));
          for (int r = 0; r < R; ++r) {
            const int8_t* x = rows.q + (row + r) * rows.k + block * kBlock;
            __m256i& dot = dots[r][half];
            if constexpr (bits == 4) {
              dot = add_products4(dot, _mm256_and_si256(bytes, nibble), broadcast4(x + 8 * run));
              dot = add_products4(dot, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble), broadcast4(x + 8 * run + 4));
            } else {
              dot = add_products8(dot, _mm256_xor_si256(bytes, sign), broadcast4(x + 4 * run));
            }
          }
        }
      }
      for (int r = 0; r < R; ++r) {
        const int64_t index = (row + r) * blocks + block;
        const __m256 scale = _mm256_set1_ps(rows.scales[index]);
        const __m256 total = _mm256_set1_ps(rows.scales[index] * static_cast<float>(rows.sums[index]));
        sums[r][0] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[r][0]), _mm256_mul_ps(header.scale.low, scale), sums[r][0]);
        sums[r][1] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[r][1]), _mm256_mul_ps(header.scale.high, scale), sums[r][1]);
        sums[r][0] = _mm256_fmadd_ps(header.offset.low, total, sums[r][0]);
        sums[r][1] = _mm256_fmadd_ps(header.offset.high, total, sums[r][1]);
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    float lanes[kLanes];
    _mm256_storeu_ps(lanes, sums[r][0]);
    _mm256_storeu_ps(lanes + 8, sums[r][1]);
    std::memcpy(y + r * stride, lanes, static_cast<size_t>(std::min(outputs, kLanes)) * sizeof(float));
  }
}

template <int bits>
void multiply_bits(const PackedMatrix& matrix, const QuantizedRows& rows, int64_t begin, int64_t end, float* y, int64_t stride) {
  const PackedShape& shape = matrix.shape;
  for (int64_t p = begin; p < end; ++p) {
    const uint8_t* at = matrix.data + static_cast<size_t>(p) * shape.panel_bytes();
    const int64_t outputs = shape.n - p * kLanes;
    int64_t row = 0;
    for (; row + kTileRows <= rows.rows; row += kTileRows) {
      panel<kTileRows, bits>(shape, at, rows, row, y + row * stride + p * kLanes, stride, outputs);
    }
    for (; row < rows.rows; ++row) panel<1, bits>(shape, at, rows, row, y + row * stride + p * kLanes, stride, outputs);
  }
}

void multiply(const PackedMatrix& matrix, const QuantizedRows& rows, int64_t begin, int64_t end, float* y, int64_t stride,
              uint8_t*) {
  return matrix.shape.bits == 4 ? multiply_bits<4>(matrix, rows, begin, end, y, stride)
                                : multiply_bits<8>(matrix, rows, begin, end, y, stride);
}

size_t scratch_bytes(const PackedShape&) { return 0; }

/// As in add_products4: 8-bit weights take more.
int64_t at_best(int64_t rounds) {
  constexpr int kSums = 8;
  __m256i weights = _mm256_set1_epi8(3);
  const __m256i x = _mm256_set1_epi8(5);
  add_in_registers<kSums>(rounds, _mm256_setzero_si256(), [&](__m256i& sum) {
    forget(weights);  // or the products would be computed once
    sum = add_products4(sum, weights, x);
  });
  return rounds * kSums * 32;
}

}  // namespace

Product avx2_product() { return {"avx2", quantize_activations_inline, multiply, scratch_bytes, at_best}; }

}  // namespace vila::kernels
