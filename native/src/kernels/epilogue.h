// SPDX-License-Identifier: Apache-2.0
// What becomes of a product's outputs while they are in the cache, in float32.
#pragma once

#include <cstdint>
#include <vector>

namespace vila::kernels {

/// x * sigmoid(x * (linear + cubic * x^2)).
struct Curve {
  float linear = 0, cubic = 0;
};
inline constexpr Curve kSilu{1, 0};
inline constexpr Curve kQuickGelu{1.702F, 0};
/// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))), since (1 + tanh(a)) / 2 = sigmoid(2a).
inline constexpr Curve kTanhGelu{1.5957691F, 0.071354814F};

/// In this order.
struct Epilogue {
  const float* bias = nullptr;    ///< [columns], added to each row
  Curve curve;                    ///< applied, unless both of its numbers are zero
  const float* addend = nullptr;  ///< added; rows as far apart as y's
};

/// One implementation, for processors with an instruction set. Stateless. The sigmoids are within 4e-7 of the true ones, and of
/// numbers down to -16 within 2e-6 of themselves; infinity may become NaN, which stays NaN.
struct Epilogues {
  const char* name;  ///< "portable", "avx2", "avx512"
  /// Changes y[row, column], rows `stride` apart.
  void (*finish)(const Epilogue& epilogue, int64_t rows, int64_t columns, float* y, int64_t stride);
  /// y[row, column] *= curve(gate[row, column]), rows `stride` and `gate_stride` apart.
  void (*gate)(const Curve& curve, const float* gate, int64_t gate_stride, int64_t rows, int64_t columns, float* y, int64_t stride);
};

/// The implementations that this processor can run, best first; never empty, the last one is "portable".
const std::vector<Epilogues>& epilogues();

}  // namespace vila::kernels
