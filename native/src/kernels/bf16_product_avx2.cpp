// SPDX-License-Identifier: Apache-2.0
// AVX2: weights are widened in registers, which is exact, and multiplied with float32 activations.
#include <immintrin.h>

#include "kernels/bf16_kernels.h"
#include "kernels/bf16_product_inline.h"
#include "kernels/registers_inline.h"

namespace vila::kernels {
namespace {

struct Avx2 {
  static constexpr int64_t kLanes = 8, kRows = 5, kFewRows = 4;
  static constexpr bool kRounds = false;
  using X = float;
  using Sums = __m256;
  using Raw = __m256i;
  struct Pairs {
    __m256 first, second;
  };
  struct Inputs {
    __m256 first, second;
  };

  static void convert(const float* x, int64_t count, float* to) { std::memcpy(to, x, static_cast<size_t>(count) * sizeof(float)); }

  /// 8 rows of 8 numbers of 32 bits: within quarters of 4 columns first, whose halves are put together last.
  static void transpose(const uint8_t* rows, size_t stride, Raw* out) {
    __m256i row[kLanes], pair[kLanes], four[kLanes];
    for (size_t i = 0; i < kLanes; ++i) row[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows + i * stride));
    for (int i = 0; i < 8; i += 2) {
      pair[i] = _mm256_unpacklo_epi32(row[i], row[i + 1]);
      pair[i + 1] = _mm256_unpackhi_epi32(row[i], row[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
      four[i] = _mm256_unpacklo_epi64(pair[i], pair[i + 2]);
      four[i + 1] = _mm256_unpackhi_epi64(pair[i], pair[i + 2]);
      four[i + 2] = _mm256_unpacklo_epi64(pair[i + 1], pair[i + 3]);
      four[i + 3] = _mm256_unpackhi_epi64(pair[i + 1], pair[i + 3]);
    }
    for (int i = 0; i < 4; ++i) {
      out[i] = _mm256_permute2x128_si256(four[i], four[i + 4], 0x20);
      out[i + 4] = _mm256_permute2x128_si256(four[i], four[i + 4], 0x31);
    }
  }

  static Pairs pairs(Raw raw) {
    const __m256i high = _mm256_set1_epi32(static_cast<int>(0xFFFF0000U));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(raw, 16)), _mm256_castsi256_ps(_mm256_and_si256(raw, high))};
  }
  static Inputs inputs(const float* x) { return {_mm256_set1_ps(x[0]), _mm256_set1_ps(x[1])}; }
  static Sums add(Sums sums, const Pairs& pairs, const Inputs& x) {
    return _mm256_fmadd_ps(pairs.second, x.second, _mm256_fmadd_ps(pairs.first, x.first, sums));
  }
  static Sums zero() { return _mm256_setzero_ps(); }
  static __m256i mask(int64_t count) {
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(std::min(count, kLanes))), lanes);
  }
  static Sums load(const float* y, int64_t count) {
    return count >= kLanes ? _mm256_loadu_ps(y) : _mm256_maskload_ps(y, mask(count));
  }
  static void store(float* y, Sums sums, int64_t count) {
    count >= kLanes ? _mm256_storeu_ps(y, sums) : _mm256_maskstore_ps(y, mask(count), sums);
  }
  static int64_t at_best(int64_t rounds) {
    constexpr int kSums = 12;
    const __m256 ones = _mm256_set1_ps(1);
    add_in_registers<kSums>(rounds, zero(), [&](Sums& sums) { sums = _mm256_fmadd_ps(ones, ones, sums); });
    return rounds * kSums * kLanes;
  }
};

}  // namespace

Bf16Product avx2_bf16_product() { return Bf16Kernels<Avx2>::product("avx2"); }

}  // namespace vila::kernels
