// SPDX-License-Identifier: Apache-2.0
// AVX-512 with VNNI: one instruction adds the products of a pair to each of 16 lanes.
#include <immintrin.h>

#include "kernels/full_attention_inline.h"
#include "kernels/full_attention_kernels.h"

namespace vila::kernels {
namespace {

struct Simd {
  typedef float Floats __attribute__((vector_size(64)));
  typedef int32_t Ints __attribute__((vector_size(64)));
  static constexpr int64_t kAcross = 8, kGroups = 2;
  static inline void dot(Ints& sum, const Ints& pairs, int32_t pair) {
    sum = (Ints)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)pairs, _mm512_set1_epi32(pair));
  }
};

}  // namespace

FullAttention avx512vnni_full_attention() { return {"avx512vnni", full_prepare_inline, full_attend_inline<Simd>}; }

}  // namespace vila::kernels
