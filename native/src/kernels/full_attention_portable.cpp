// SPDX-License-Identifier: Apache-2.0
// Plain C++ for any processor; compilers take vectors apart where it has shorter ones.
#include "kernels/full_attention_inline.h"
#include "kernels/full_attention_kernels.h"

namespace vila::kernels {
namespace {

struct Simd {
  typedef float Floats __attribute__((vector_size(16)));
  typedef int32_t Ints __attribute__((vector_size(16)));
  static constexpr int64_t kAcross = 2, kGroups = 2;
  static inline void dot(Ints& sum, const Ints& pairs, int32_t pair) {
    sum += (pairs << 16 >> 16) * static_cast<int32_t>(static_cast<int16_t>(pair & 0xFFFF)) + (pairs >> 16) * (pair >> 16);
  }
};

}  // namespace

FullAttention portable_full_attention() { return {"portable", full_prepare_inline, full_attend_inline<Simd>}; }

}  // namespace vila::kernels
