// SPDX-License-Identifier: Apache-2.0
// The epilogues of epilogue.h, in loops that compilers turn into vectors. Static on purpose: each implementation compiles its own
// copy for its own instruction set.
#pragma once

#include <bit>
#include <cstdint>

#include "kernels/epilogue.h"

namespace vila::kernels {

/// Calls put(i, curve(x[i])) for each i below `count`.
template <typename Put>
static inline void curve_inline(const Curve& curve, const float* x, int64_t count, const Put& put) {
  constexpr float kWhole = 12582912.0F;  // 1.5 * 2^23: x + kWhole has round(x), ties to even, in its low bits
  constexpr float kMinusLog2E = -1.44269504F;
  constexpr int64_t kTogether = 64;
  const float linear = kMinusLog2E * curve.linear, cubic = kMinusLog2E * curve.cubic;
  float powers[kTogether];
  for (int64_t first = 0; first < count; first += kTogether) {
    const int64_t last = count < first + kTogether ? count : first + kTogether;
    for (int64_t i = first; i < last; ++i) {  // A loop of its own, or GCC makes branches of the bounds, and divides in each.
      float power = x[i] * (linear + cubic * x[i] * x[i]);
      power = power < -126.0F ? -126.0F : power;
      powers[i - first] = power > 128.0F ? 128.0F : power;
    }
    // The sigmoid is 1 / (1 + 2^power): whole steps by the exponent's bits, of which 128 are infinity, the rest, within
    // [-1/2, 1/2], by a polynomial with relative error 1e-7.
    for (int64_t i = first; i < last; ++i) {
      const float shifted = powers[i - first] + kWhole, rest = powers[i - first] - (shifted - kWhole);
      float sum = rest * 1.32647e-3F + 9.67151e-3F;
      sum = sum * rest + 5.550734e-2F;
      sum = sum * rest + 0.24022242F;
      sum = sum * rest + 0.69314698F;
      sum = sum * rest + 1.0F;
      put(i, x[i] / (1.0F + sum * std::bit_cast<float>((std::bit_cast<uint32_t>(shifted) + 127U) << 23)));
    }
  }
}

static inline void finish_inline(const Epilogue& epilogue, int64_t rows, int64_t columns, float* y, int64_t stride) {
  const bool curved = epilogue.curve.linear != 0 || epilogue.curve.cubic != 0;
  for (int64_t row = 0; row < rows; ++row) {
    float* to = y + row * stride;
    if (epilogue.bias != nullptr) {
      for (int64_t i = 0; i < columns; ++i) to[i] += epilogue.bias[i];
    }
    if (curved) curve_inline(epilogue.curve, to, columns, [to](int64_t i, float value) { to[i] = value; });
    if (epilogue.addend != nullptr) {
      const float* addend = epilogue.addend + row * stride;
      for (int64_t i = 0; i < columns; ++i) to[i] += addend[i];
    }
  }
}

static inline void gate_inline(const Curve& curve, const float* gate, int64_t gate_stride, int64_t rows, int64_t columns, float* y,
                               int64_t stride) {
  for (int64_t row = 0; row < rows; ++row) {
    float* to = y + row * stride;
    curve_inline(curve, gate + row * gate_stride, columns, [to](int64_t i, float value) { to[i] *= value; });
  }
}

}  // namespace vila::kernels
