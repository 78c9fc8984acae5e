// SPDX-License-Identifier: Apache-2.0
// The products of bf16_product.h for vectors of some instruction set. Each implementation gives a type V of its own that no other
// file sees, so that it has its own copy of these templates, compiled for its instruction set.
//
// Lanes are outputs: neighbouring inputs of kLanes rows of weights are transposed in registers, for few rows of activations each
// time, for many into scratch memory that all of them use. The processor fetches a panel of rows in the order of its bytes while
// the one before it is used, since so many rows side by side are read at a fraction of the memory's rate. V has
//   kLanes          outputs that are the lanes of one vector of sums
//   kRows           rows of activations that two vectors of sums each are kept in registers for
//   kFewRows        up to so many rows weights are used as soon as they are in registers
//   kRounds         Bf16Product::rounds
//   X               type of a prepared activation
//   Sums, Raw       kLanes floats; kLanes pairs of neighbouring weights, a pair a lane
//   Pairs, Inputs   what add() takes of a Raw and of two neighbouring activations
//   convert(x, count, to)              prepares `count` activations
//   transpose(rows, stride, out)       reads kLanes pairs of each of kLanes rows `stride` bytes apart: out[i] has pair i of each
//   at_best(rounds)                    Bf16Product::at_best
//   pairs(raw), inputs(x), add(sums, pairs, inputs), zero(), load(y, count), store(y, sums, count)
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "kernels/bf16_product.h"

namespace vila::kernels {

template <class V>
class Bf16Kernels {
 public:
  static constexpr Bf16Product product(const char* name) {
    return {name, V::kRounds, row_bytes, prepare, multiply, kScratchBytes, V::at_best};
  }

 private:
  using X = typename V::X;
  using Sums = typename V::Sums;
  using Raw = typename V::Raw;
  static constexpr int64_t kLanes = V::kLanes;
  static constexpr int64_t kBlock = 2 * kLanes;     ///< inputs that are transposed at once
  static constexpr int64_t kDepth = 2048;           ///< inputs whose weights are transposed before they are used for many rows
  static constexpr int64_t kWidth = 2 * kLanes;     ///< outputs of them
  static constexpr int64_t kLine = 64;              ///< bytes of the cache
  static constexpr int kSecondLevel = 2;            ///< of the cache
  static constexpr int64_t kBytes = 2;              ///< of a weight
  static constexpr size_t kScratchBytes = static_cast<size_t>(kDepth * kWidth * kBytes);

  /// Activations of a row with what fills it up to whole blocks of every implementation, and a gap, without which rows of many
  /// sizes would lie at the same places of the cache.
  static constexpr int64_t row_elements(int64_t k) {
    constexpr int64_t line = 64 / static_cast<int64_t>(sizeof(X));
    return (k + 63) / 64 * 64 + line;
  }
  static size_t row_bytes(int64_t k) { return static_cast<size_t>(row_elements(k)) * sizeof(X); }

  static void prepare(const float* x, int64_t row, int64_t k, uint8_t* to) {
    X* out = reinterpret_cast<X*>(to) + row * row_elements(k);
    V::convert(x + row * k, k, out);
    std::memset(out + k, 0, static_cast<size_t>(row_elements(k) - k) * sizeof(X));
  }

  /// The pairs of one block of inputs for kLanes outputs from `n` on. Outputs that do not exist get weights of the last one.
  [[gnu::always_inline]] static void read_block(const Bf16Matrix& matrix, int64_t n, int64_t input, Raw* out) {
    if (n + kLanes > matrix.n || input + kBlock > matrix.k) return read_part(matrix, std::min(n, matrix.n - 1), input, out);
    V::transpose(matrix.data + (n * matrix.k + input) * kBytes, static_cast<size_t>(matrix.k * kBytes), out);
  }

  /// The same for a block that is not whole.
  [[gnu::noinline]] static void read_part(const Bf16Matrix& matrix, int64_t n, int64_t input, Raw* out) {
    alignas(64) uint8_t block[kLanes * kBlock * kBytes] = {};
    const auto bytes = static_cast<size_t>(std::min(kBlock, matrix.k - input) * kBytes);
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const int64_t row = std::min(n + lane, matrix.n - 1);
      std::memcpy(block + lane * kBlock * kBytes, matrix.data + (row * matrix.k + input) * kBytes, bytes);
    }
    V::transpose(block, static_cast<size_t>(kBlock * kBytes), out);
  }

  /// Fetches the share that belongs to a block of the outputs from `first` on, which are read next: in the order in which they lie
  /// in memory, whatever the order in which they are used.
  [[gnu::always_inline]] static void fetch(const Bf16Matrix& matrix, int64_t first, int64_t input) {
    const int64_t begin = (first * matrix.k + input * kLanes) * kBytes;
    const int64_t end = std::min(begin + kBlock * kLanes * kBytes, matrix.n * matrix.k * kBytes);
    for (int64_t at = begin; at < end; at += kLine) __builtin_prefetch(matrix.data + at, 0, kSecondLevel);
  }

  /// R rows times kLanes outputs, weights straight from their place.
  template <int R>
  static void few_rows(const Bf16Matrix& matrix, const X* x, int64_t n, int64_t end, float* y, int64_t stride) {
    const int64_t elements = row_elements(matrix.k);
    Sums sums[R];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) sums[r] = V::zero();
    for (int64_t input = 0; input < matrix.k; input += kBlock) {
      fetch(matrix, n + kLanes, input);
      Raw block[kLanes];
      read_block(matrix, n, input, block);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) {
        const auto pairs = V::pairs(block[i]);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) sums[r] = V::add(sums[r], pairs, V::inputs(x + r * elements + input + 2 * i));
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) V::store(y + r * stride, sums[r], end - n);
  }

  /// R rows times kWidth outputs, adding `inputs` of transposed weights to y, which counts as zero for the first ones.
  template <int R>
  static void tile(const Raw* weights, int64_t inputs, bool first, const X* x, int64_t elements, float* y, int64_t stride,
                   int64_t outputs) {
    Sums sums[R][2];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      sums[r][0] = first ? V::zero() : V::load(y + r * stride, outputs);
      sums[r][1] = first ? V::zero() : V::load(y + r * stride + kLanes, outputs - kLanes);
    }
    for (int64_t input = 0; input < inputs; input += 2, weights += 2) {
      const auto left = V::pairs(weights[0]), right = V::pairs(weights[1]);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const auto values = V::inputs(x + r * elements + input);
        sums[r][0] = V::add(sums[r][0], left, values);
        sums[r][1] = V::add(sums[r][1], right, values);
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      V::store(y + r * stride, sums[r][0], outputs);
      V::store(y + r * stride + kLanes, sums[r][1], outputs - kLanes);
    }
  }

  using Few = void (*)(const Bf16Matrix&, const X*, int64_t, int64_t, float*, int64_t);
  using Tile = void (*)(const Raw*, int64_t, bool, const X*, int64_t, float*, int64_t, int64_t);
  template <size_t... i>
  static constexpr std::array<Few, sizeof...(i)> few(std::index_sequence<i...>) {
    return {few_rows<static_cast<int>(i) + 1>...};
  }
  template <size_t... i>
  static constexpr std::array<Tile, sizeof...(i)> tiles(std::index_sequence<i...>) {
    return {tile<static_cast<int>(i) + 1>...};
  }

  /// The first of parts of about the same size, `most` at most: 13 rows, 12 at most, are 7 and 6.
  static int64_t part(int64_t rows, int64_t most) {
    const int64_t parts = (rows + most - 1) / most;
    return (rows + parts - 1) / parts;
  }

  static void multiply_few(const Bf16Matrix& matrix, const X* x, int64_t rows, int64_t begin, int64_t end, float* y,
                           int64_t stride) {
    static constexpr auto kFew = few(std::make_index_sequence<V::kFewRows>());
    const int64_t elements = row_elements(matrix.k);
    for (int64_t input = 0; input < matrix.k; input += kBlock) fetch(matrix, begin, input);
    for (int64_t n = begin; n < end; n += kLanes) {
      for (int64_t row = 0, count = 0; row < rows; row += count) {  // What is read again is in the cache.
        count = part(rows - row, V::kFewRows);
        kFew[static_cast<size_t>(count - 1)](matrix, x + row * elements, n, end, y + row * stride + n, stride);
      }
    }
  }

  /// Transposes `inputs` weights from `depth` on of kWidth outputs: pairs of the first and the second half of them in turn.
  static void unpack(const Bf16Matrix& matrix, int64_t n, int64_t depth, int64_t inputs, Raw* weights) {
    for (int64_t half = 0; half < 2; ++half) {
      for (int64_t input = 0; input < inputs; input += kBlock) {
        fetch(matrix, n + (half + 1) * kLanes, depth + input);
        Raw block[kLanes];
        read_block(matrix, n + half * kLanes, depth + input, block);
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) weights[input + 2 * i + half] = block[i];
      }
    }
  }

  static void multiply(const Bf16Matrix& matrix, const uint8_t* prepared, int64_t rows, int64_t begin, int64_t end, float* y,
                       int64_t stride, uint8_t* scratch) {
    static constexpr auto kTiles = tiles(std::make_index_sequence<V::kRows>());
    const X* x = reinterpret_cast<const X*>(prepared);
    if (rows <= 2 * V::kFewRows) return multiply_few(matrix, x, rows, begin, end, y, stride);
    const int64_t elements = row_elements(matrix.k);
    Raw* weights = reinterpret_cast<Raw*>(scratch);
    for (int64_t n = begin; n < end; n += kWidth) {
      for (int64_t depth = 0; depth < matrix.k; depth += kDepth) {
        const int64_t inputs = std::min(kDepth, (matrix.k - depth + kBlock - 1) / kBlock * kBlock);
        unpack(matrix, n, depth, inputs, weights);
        for (int64_t row = 0, count = 0; row < rows; row += count) {
          count = part(rows - row, V::kRows);
          kTiles[static_cast<size_t>(count - 1)](weights, inputs, depth == 0, x + row * elements + depth, elements,
                                                 y + row * stride + n, stride, end - n);
        }
      }
    }
  }
};

}  // namespace vila::kernels
