// SPDX-License-Identifier: Apache-2.0
// Products with bfloat16 weights against plain double sums, over odd sizes and every implementation this processor has.
#include "kernels/bf16_product.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "common/dtype.h"
#include "common/rounding.h"
#include "kernels/tested_sets.h"

using namespace vila;           // NOLINT
using namespace vila::kernels;  // NOLINT
using vila::testing::check_tested;

namespace {

constexpr float kUntouched = -77.0F;

/// Memory at a multiple of 64, plus `shift`.
class Memory {
 public:
  explicit Memory(size_t bytes, size_t shift = 0) : raw_(bytes + 128), begin_(raw_.data()) {
    begin_ += (64 - reinterpret_cast<uintptr_t>(begin_) % 64) % 64 + shift;
  }
  uint8_t* data() { return begin_; }

 private:
  std::vector<uint8_t> raw_;
  uint8_t* begin_;
};

/// A random matrix whose data begin `shift` bytes behind a multiple of 64, between numbers that must not be read.
struct RandomMatrix {
  RandomMatrix(int64_t n, int64_t k, size_t shift, std::mt19937& random)
      : memory(static_cast<size_t>(n * k + 64) * 2, shift), view{n, k, memory.data() + 2} {
    const uint16_t poison = 0x7FC0;  // NaN
    for (int64_t i = 0; i < n * k + 64; ++i) std::memcpy(memory.data() + 2 * i, &poison, sizeof poison);
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < n * k; ++i) {
      const uint16_t stored = to_bf16(normal(random));
      std::memcpy(memory.data() + 2 + 2 * i, &stored, sizeof stored);
      weights.push_back(bf16_to_f32(stored));
    }
  }
  Memory memory;
  Bf16Matrix view;
  std::vector<double> weights;  ///< [n, k]
};

std::vector<float> random_floats(size_t count, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& v : values) v = normal(random);
  return values;
}

/// y [rows, n] of outputs [begin, end), computed in two shares that meet at `middle`; other outputs are kUntouched.
std::vector<float> multiply(const Bf16Product& product, const Bf16Matrix& matrix, const std::vector<float>& x, int64_t rows,
                            int64_t stride, int64_t begin, int64_t middle, int64_t end) {
  Memory prepared(product.row_bytes(matrix.k) * static_cast<size_t>(rows)), scratch(product.scratch_bytes);
  for (int64_t row = 0; row < rows; ++row) product.prepare(x.data(), row, matrix.k, prepared.data());
  std::vector<float> y(static_cast<size_t>(rows * stride), kUntouched);
  product.multiply(matrix, prepared.data(), rows, begin, middle, y.data(), stride, scratch.data());
  product.multiply(matrix, prepared.data(), rows, middle, end, y.data(), stride, scratch.data());
  return y;
}

/// Everything, in shares of whole panels.
std::vector<float> multiply(const Bf16Product& product, const Bf16Matrix& matrix, const std::vector<float>& x, int64_t rows) {
  return multiply(product, matrix, x, rows, matrix.n, 0, matrix.n / 2 / kBf16Panel * kBf16Panel, matrix.n);
}

}  // namespace

TEST_CASE("bf16 products: every implementation that there is") {
  check_tested("products in bfloat16", bf16_products(), {InstructionSet::avx512bf16, InstructionSet::avx512, InstructionSet::avx2});
}

TEST_CASE("bf16 products: every implementation, odd sizes, any rows, any share of the outputs, any address") {
  std::mt19937 random(1);
  const std::array<std::array<int64_t, 2>, 10> sizes = {
      {{1, 1}, {5, 3}, {8, 16}, {16, 32}, {17, 33}, {31, 64}, {33, 31}, {70, 100}, {50, 2049}, {37, 4133}}};
  for (const auto& [n, k] : sizes) {
    for (const size_t shift : {0, 1, 30}) {
      const RandomMatrix matrix(n, k, shift, random);
      for (const int64_t rows : {1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 29}) {
        if (k > 1000 && shift != 0 && rows != 9) continue;
        const std::vector<float> x = random_floats(static_cast<size_t>(rows * k), random);
        for (const Bf16Product& product : bf16_products()) {
          CAPTURE(product.name);
          CAPTURE(n);
          CAPTURE(k);
          CAPTURE(shift);
          CAPTURE(rows);
          const int64_t stride = n + 3, begin = n > 20 ? 5 : 0, middle = begin + (n - begin) / 2, end = n > 20 ? n - 2 : n;
          const std::vector<float> y = multiply(product, matrix.view, x, rows, stride, begin, middle, end);
          bool close = true, near_unrounded = true, untouched = true;
          for (int64_t row = 0; row < rows; ++row) {
            for (int64_t out = 0; out < stride; ++out) {
              const float got = y[static_cast<size_t>(row * stride + out)];
              if (out < begin || out >= end) {
                untouched = untouched && got == kUntouched;
                continue;
              }
              double wanted = 0, unrounded = 0, magnitude = 0;
              for (int64_t i = 0; i < k; ++i) {
                const float value = x[static_cast<size_t>(row * k + i)];
                const double weight = matrix.weights[static_cast<size_t>(out * k + i)];
                wanted += weight * (product.rounds ? bf16_to_f32(to_bf16(value)) : value);
                unrounded += weight * value;
                magnitude += std::abs(weight * value);
              }
              close = close && std::abs(got - wanted) <= 3e-6 * magnitude + 1e-6;
              near_unrounded = near_unrounded && std::abs(got - unrounded) <= (product.rounds ? 4e-3 : 3e-6) * magnitude + 1e-6;
            }
          }
          CHECK(close);
          CHECK(near_unrounded);  // a bfloat16 is within a 256th of what it was rounded from
          CHECK(untouched);
        }
      }
    }
  }
}

TEST_CASE("bf16 products: a row is the same to the last bit in any company, an output in any share") {
  std::mt19937 random(2);
  for (const auto& [n, k] : {std::array<int64_t, 2>{100, 70}, std::array<int64_t, 2>{45, 4500}}) {
    const RandomMatrix matrix(n, k, 0, random);
    constexpr int64_t kRows = 40;
    const std::vector<float> x = random_floats(static_cast<size_t>(kRows * k), random);
    for (const Bf16Product& product : bf16_products()) {
      CAPTURE(product.name);
      const std::vector<float> together = multiply(product, matrix.view, x, kRows);
      for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 20, 25}) {
        CAPTURE(rows);
        const int64_t first = kRows - rows;
        const std::vector<float> some = multiply(product, matrix.view, {x.begin() + first * k, x.end()}, rows, n, 0, rows % n, n);
        CHECK(some == std::vector<float>(together.begin() + first * n, together.end()));
      }
    }
  }
}

TEST_CASE("bf16 products: numbers that are not finite show in their own rows and outputs, and nowhere else") {
  std::mt19937 random(3);
  constexpr int64_t kOutputs = 40, kInputs = 45;
  for (const int64_t rows : {3, 15}) {
    RandomMatrix matrix(kOutputs, kInputs, 0, random);
    std::vector<float> x = random_floats(static_cast<size_t>(rows * kInputs), random);
    x[static_cast<size_t>(kInputs + 44)] = std::numeric_limits<float>::quiet_NaN();  // of row 1
    x[static_cast<size_t>(2 * kInputs)] = std::numeric_limits<float>::infinity();     // of row 2
    const uint16_t infinity = 0x7F80;
    std::memcpy(matrix.memory.data() + 2 + 2 * (7 * kInputs + 9), &infinity, sizeof infinity);  // of output 7
    for (const Bf16Product& product : bf16_products()) {
      CAPTURE(product.name);
      const std::vector<float> y = multiply(product, matrix.view, x, rows);
      for (int64_t row = 0; row < rows; ++row) {
        for (int64_t out = 0; out < kOutputs; ++out) {
          const bool finite = std::isfinite(y[static_cast<size_t>(row * kOutputs + out)]);
          CHECK(finite == (row != 1 && row != 2 && out != 7));
        }
      }
    }
  }
}

TEST_CASE("bf16 products: plain C++ rounds no activations") {
  CHECK_FALSE(bf16_products().back().rounds);
}

TEST_CASE("bf16 products: what an implementation does at its best is counted, the same for each round") {
  for (const Bf16Product& product : bf16_products()) {
    CAPTURE(product.name);
    CHECK(product.at_best(1) > 0);
    CHECK(product.at_best(3) == 3 * product.at_best(1));
  }
}
