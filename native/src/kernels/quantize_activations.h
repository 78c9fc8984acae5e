// SPDX-License-Identifier: Apache-2.0
// One row of activations to 8 bits, in plain C++ that compilers turn into vectors. Static on purpose: each implementation compiles
// its own copy for its own instruction set.
#pragma once

#include <bit>
#include <cstring>
#include <limits>

#include "kernels/quantized_rows.h"

namespace vila::kernels {

/// Product::quantize, see product.h.
static inline void quantize_activations_inline(const float* x, int64_t row, int64_t k, int64_t padded_k, const RowsBuffer& to) {
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding and subtracting it rounds to the nearest whole number, ties to even
  const float* in = x + row * k;
  const int64_t blocks = padded_k / kBlock;
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t first = block * kBlock;
    float values[kBlock];
    if (first + kBlock <= k) {
      for (int64_t i = 0; i < kBlock; ++i) values[i] = in[first + i];
    } else {
      for (int64_t i = 0; i < kBlock; ++i) values[i] = first + i < k ? in[first + i] : 0.0F;
    }
    // Magnitudes as whole numbers keep their order, also beyond the finite ones, and their largest may be sought in any order.
    int32_t magnitudes[kBlock], largest_bits = 0;
    std::memcpy(magnitudes, values, sizeof magnitudes);
    for (int64_t i = 0; i < kBlock; ++i) {
      const int32_t magnitude = magnitudes[i] & 0x7FFFFFFF;
      largest_bits = magnitude > largest_bits ? magnitude : largest_bits;
    }
    const bool finite = largest_bits < 0x7F800000;
    const auto largest = std::bit_cast<float>(largest_bits);
    const bool usable = finite && largest > 1e-30F;
    const float inverse = usable ? 127.0F / largest : 0.0F;
    int8_t* q = to.q + row * padded_k + first;
    int32_t sum = 0;
    for (int64_t i = 0; i < kBlock; ++i) {
      const float steps = usable ? values[i] * inverse : 0.0F;
      const auto whole = static_cast<int32_t>((steps + kRound) - kRound);
      q[i] = static_cast<int8_t>(whole);
      sum += whole;
    }
    to.scales[row * blocks + block] = usable ? largest / 127.0F : finite ? 0.0F : std::numeric_limits<float>::quiet_NaN();
    to.sums[row * blocks + block] = sum;
  }
}

}  // namespace vila::kernels
