// SPDX-License-Identifier: Apache-2.0
// LayerNorm of rows, in float32.
#pragma once

#include <cstdint>
#include <vector>

namespace vila::kernels {

/// One implementation, for processors with an instruction set. Stateless.
struct LayerNorm {
  const char* name;  ///< "portable", "avx2", "avx512"
  /// y = (x - mean) / sqrt(variance + eps) * gain + bias, over the `size` numbers of a row; size is at least 1, y may be x. Both
  /// means are sums of 16 partial ones, so that thousands of numbers do not lose the last digits.
  void (*normalize)(const float* x, const float* gain, const float* bias, float eps, int64_t size, float* y);
};

/// The implementations that this processor can run, best first; never empty, the last one is "portable".
const std::vector<LayerNorm>& layer_norms();

}  // namespace vila::kernels
