// SPDX-License-Identifier: Apache-2.0
// Activations times weights in bfloat16 that stay as a checkpoint stores them: y[row, n] = sum over k of x[row, k] * w[n, k].
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vila::kernels {

/// A matrix [n, k] (outputs, inputs) of bfloat16, row by row without gaps, somewhere in memory; not owned. Any address works.
struct Bf16Matrix {
  int64_t n = 0, k = 0;
  const uint8_t* data = nullptr;  ///< n * k * 2 bytes
};

/// One implementation, for processors with an instruction set. Stateless. An output is the sum of its products in the order of its
/// inputs, in float32, and depends on nothing but its row and its weights: not on other rows, nor on how outputs are shared out.
struct Bf16Product {
  const char* name;  ///< "portable", "avx2", "avx512", "avx512bf16"
  /// Whether activations are rounded to bfloat16 (the nearest, ties to even), and subnormal numbers taken as zero.
  bool rounds;
  /// Bytes of one prepared row of k activations, a multiple of 64.
  size_t (*row_bytes)(int64_t k);
  /// Prepares row `row` of `x` [rows, k]; `to` is the memory of all rows, aligned to 64. Rows may be prepared at once.
  void (*prepare)(const float* x, int64_t row, int64_t k, uint8_t* to);
  /// Computes outputs [begin, end) for each of `rows` prepared rows: y[row, n] with rows `stride` apart. `scratch` has
  /// scratch_bytes, aligned to 64, and belongs to this call alone. Calls for different outputs may run at once. Sharing outputs out
  /// in multiples of kBf16Panel is fastest.
  void (*multiply)(const Bf16Matrix& matrix, const uint8_t* x, int64_t rows, int64_t begin, int64_t end, float* y, int64_t stride,
                   uint8_t* scratch);
  size_t scratch_bytes;
  /// As Product::at_best, of these products: in bfloat16 where the processor multiplies that, else in float32.
  int64_t (*at_best)(int64_t rounds);
};

inline constexpr int64_t kBf16Panel = 32;

/// The implementations that this processor can run, best first; never empty, the last one is "portable".
const std::vector<Bf16Product>& bf16_products();

}  // namespace vila::kernels
