// SPDX-License-Identifier: Apache-2.0
// AVX2: products of pairs for 8 lanes in one instruction, added to the sums in another.
#include <immintrin.h>

#include "kernels/full_attention_inline.h"
#include "kernels/full_attention_kernels.h"

namespace vila::kernels {
namespace {

struct Simd {
  typedef float Floats __attribute__((vector_size(32)));
  typedef int32_t Ints __attribute__((vector_size(32)));
  static constexpr int64_t kAcross = 4, kGroups = 2;
  static inline void dot(Ints& sum, const Ints& pairs, int32_t pair) {
    sum += (Ints)_mm256_madd_epi16((__m256i)pairs, _mm256_set1_epi32(pair));
  }
};

}  // namespace

FullAttention avx2_full_attention() { return {"avx2", full_prepare_inline, full_attend_inline<Simd>}; }

}  // namespace vila::kernels
