// SPDX-License-Identifier: Apache-2.0
// An instruction over and over, on registers alone: Product::at_best and Bf16Product::at_best. Static on purpose, as in
// quantize_activations.h.
#pragma once

#include <cstdint>

namespace vila::kernels {

/// Makes the compiler forget what it knows of a vector, at no cost.
template <class Vector>
[[gnu::always_inline]] static inline void forget(Vector& vector) {
  __asm__ volatile("" : "+v"(vector));
}

/// Calls add(sum) for each of kSums sums, `rounds` times. So many fill the registers without a detour through memory, and no sum
/// waits for its own last one.
template <int kSums, class Vector, class Add>
[[gnu::always_inline]] static inline void add_in_registers(int64_t rounds, Vector zero, const Add& add) {
  Vector sums[kSums];
#pragma GCC unroll 16
  for (Vector& sum : sums) {
    sum = zero;
    forget(sum);  // or all of them would be one
  }
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (Vector& sum : sums) add(sum);
  }
#pragma GCC unroll 16
  for (Vector& sum : sums) forget(sum);
}

}  // namespace vila::kernels
