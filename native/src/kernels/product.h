// SPDX-License-Identifier: Apache-2.0
// Activations times packed weights: y[row, n] = sum over k of x[row, k] * w[n, k], in whole numbers within a block of 32 inputs and
// in float32 across blocks.
#pragma once

#include <string>
#include <vector>

#include "kernels/packed_matrix.h"
#include "kernels/quantized_rows.h"

namespace vila::kernels {

/// One implementation, for processors with an instruction set. Stateless.
struct Product {
  const char* name;  ///< "portable", "avx2", "avx512vnni"
  /// Quantises row `row` of `x` [rows, k]: per block scale = largest magnitude / 127, values rounded to the nearest, ties to even.
  /// Inputs from k up to padded_k become zero. A NaN or infinity makes its block's scale NaN, so that it shows in the product. Rows
  /// may be quantised at once.
  void (*quantize)(const float* x, int64_t row, int64_t k, int64_t padded_k, const RowsBuffer& to);
  /// Computes the outputs of panels [begin, end) for every row: y[row, n] with rows `stride` apart. `rows.k` is the matrix's
  /// padded_k. `scratch` has scratch_bytes(shape), aligned to 64, and belongs to this call alone. Calls for different panels may
  /// run at once.
  void (*multiply)(const PackedMatrix& matrix, const QuantizedRows& rows, int64_t begin, int64_t end, float* y, int64_t stride,
                   uint8_t* scratch);
  size_t (*scratch_bytes)(const PackedShape& shape);
  /// Does the arithmetic of products and nothing else, `rounds` times a few instructions: the best ones of this instruction set, on
  /// registers alone (plain C++: on numbers in the first cache). Returns how many multiply-accumulates that is.
  int64_t (*at_best)(int64_t rounds);
};

/// The implementations that this processor can run, best first; never empty, the last one is "portable".
const std::vector<Product>& products();

}  // namespace vila::kernels
