// SPDX-License-Identifier: Apache-2.0
// AVX-512 with bfloat16: one instruction adds the products of two neighbouring inputs in 16 lanes. Activations are rounded to
// bfloat16, also for a single row, so that a row comes out the same in any company.
#include "kernels/bf16_avx512_inline.h"
#include "kernels/bf16_kernels.h"
#include "kernels/bf16_product_inline.h"
#include "kernels/registers_inline.h"

namespace vila::kernels {
namespace {

struct Avx512Bf16 {
  static constexpr int64_t kLanes = 16, kRows = 12, kFewRows = 8;
  static constexpr bool kRounds = true;
  using X = uint16_t;
  using Sums = __m512;
  using Raw = __m512i;

  static void convert(const float* x, int64_t count, uint16_t* to) {
    for (int64_t i = 0; i < count; i += 16) {
      const __mmask16 used = first_lanes(count - i);
      const __m256bh rounded = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(used, x + i));
      _mm256_mask_storeu_epi16(to + i, used, (__m256i)rounded);
    }
  }
  static void transpose(const uint8_t* rows, size_t stride, Raw* out) { transpose_16(rows, stride, out); }
  static __m512i pairs(Raw raw) { return raw; }
  static __m512i inputs(const uint16_t* x) {
    int32_t two;
    std::memcpy(&two, x, sizeof two);
    return _mm512_set1_epi32(two);
  }
  static Sums add(Sums sums, __m512i pairs, __m512i x) { return _mm512_dpbf16_ps(sums, (__m512bh)pairs, (__m512bh)x); }
  static Sums zero() { return _mm512_setzero_ps(); }
  static Sums load(const float* y, int64_t count) { return load_lanes(y, count); }
  static void store(float* y, Sums sums, int64_t count) { store_lanes(y, sums, count); }
  static int64_t at_best(int64_t rounds) {
    constexpr int kSums = 16;
    const __m512i ones = _mm512_set1_epi16(0x3F80);
    add_in_registers<kSums>(rounds, zero(), [&](Sums& sums) { sums = add(sums, ones, ones); });
    return rounds * kSums * 2 * kLanes;
  }
};

}  // namespace

Bf16Product avx512bf16_bf16_product() { return Bf16Kernels<Avx512Bf16>::product("avx512bf16"); }

}  // namespace vila::kernels
