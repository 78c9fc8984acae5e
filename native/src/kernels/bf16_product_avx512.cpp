// SPDX-License-Identifier: Apache-2.0
// AVX-512 without bfloat16 instructions: weights are widened in registers, which is exact, and multiplied with float32 activations.
#include "kernels/bf16_avx512_inline.h"
#include "kernels/bf16_kernels.h"
#include "kernels/bf16_product_inline.h"
#include "kernels/registers_inline.h"

namespace vila::kernels {
namespace {

struct Avx512 {
  static constexpr int64_t kLanes = 16, kRows = 12, kFewRows = 8;
  static constexpr bool kRounds = false;
  using X = float;
  using Sums = __m512;
  using Raw = __m512i;
  struct Pairs {
    __m512 first, second;
  };
  struct Inputs {
    __m512 first, second;
  };

  static void convert(const float* x, int64_t count, float* to) { std::memcpy(to, x, static_cast<size_t>(count) * sizeof(float)); }
  static void transpose(const uint8_t* rows, size_t stride, Raw* out) { transpose_16(rows, stride, out); }
  static Pairs pairs(Raw raw) {
    const __m512i high = _mm512_set1_epi32(static_cast<int>(0xFFFF0000U));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(raw, 16)), _mm512_castsi512_ps(_mm512_and_si512(raw, high))};
  }
  static Inputs inputs(const float* x) { return {_mm512_set1_ps(x[0]), _mm512_set1_ps(x[1])}; }
  static Sums add(Sums sums, const Pairs& pairs, const Inputs& x) {
    return _mm512_fmadd_ps(pairs.second, x.second, _mm512_fmadd_ps(pairs.first, x.first, sums));
  }
  static Sums zero() { return _mm512_setzero_ps(); }
  static Sums load(const float* y, int64_t count) { return load_lanes(y, count); }
  static void store(float* y, Sums sums, int64_t count) { store_lanes(y, sums, count); }
  static int64_t at_best(int64_t rounds) {
    constexpr int kSums = 16;
    const __m512 ones = _mm512_set1_ps(1);
    add_in_registers<kSums>(rounds, zero(), [&](Sums& sums) { sums = _mm512_fmadd_ps(ones, ones, sums); });
    return rounds * kSums * kLanes;
  }
};

}  // namespace

Bf16Product avx512_bf16_product() { return Bf16Kernels<Avx512>::product("avx512"); }

}  // namespace vila::kernels
