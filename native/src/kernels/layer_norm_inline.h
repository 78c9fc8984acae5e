// SPDX-License-Identifier: Apache-2.0
// The LayerNorm of layer_norm.h, in loops over 16 lanes that compilers turn into vectors. Static on purpose: each implementation
// compiles its own copy for its own instruction set.
#pragma once

#include <cmath>
#include <cstdint>

namespace vila::kernels {

static inline void normalize_inline(const float* x, const float* gain, const float* bias, float eps, int64_t size, float* y) {
  constexpr int64_t kParts = 16;
  const int64_t whole = size / kParts * kParts;
  const auto total = [](const float* parts) {
    float sum = 0;
    for (int64_t lane = 0; lane < kParts; ++lane) sum += parts[lane];
    return sum;
  };
  float sums[kParts] = {}, squares[kParts] = {};
  for (int64_t i = 0; i < whole; i += kParts) {
    for (int64_t lane = 0; lane < kParts; ++lane) sums[lane] += x[i + lane];
  }
  for (int64_t i = whole; i < size; ++i) sums[i - whole] += x[i];
  const float mean = total(sums) / static_cast<float>(size);
  for (int64_t i = 0; i < whole; i += kParts) {
    for (int64_t lane = 0; lane < kParts; ++lane) squares[lane] += (x[i + lane] - mean) * (x[i + lane] - mean);
  }
  for (int64_t i = whole; i < size; ++i) squares[i - whole] += (x[i] - mean) * (x[i] - mean);
  const float inverse = 1.0F / std::sqrt(total(squares) / static_cast<float>(size) + eps);
  for (int64_t i = 0; i < size; ++i) y[i] = (x[i] - mean) * inverse * gain[i] + bias[i];
}

}  // namespace vila::kernels
