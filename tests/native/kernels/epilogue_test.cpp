// SPDX-License-Identifier: Apache-2.0
// Biases, curves, sums and gates against their formulas in double, for every implementation this processor has.
#include "kernels/epilogue.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/tested_sets.h"

using namespace vila::kernels;  // NOLINT
using vila::testing::check_tested;

namespace {

/// By the textbook formula of each.
double exact(const Curve& curve, double x) {
  if (curve.cubic != 0) return x / 2 * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
  return x / (1 + std::exp(-static_cast<double>(curve.linear) * x));
}

float one(const Epilogues& epilogues, const Curve& curve, float x) {
  epilogues.finish({nullptr, curve, nullptr}, 1, 1, &x, 1);
  return x;
}

/// Rows x columns of `stride`, what is between the columns and the next row marked.
struct Block {
  Block(int64_t r, int64_t c, int64_t s, std::mt19937& random) : rows(r), columns(c), stride(s) {
    std::normal_distribution<float> normal(0, 3);
    values.assign(static_cast<size_t>(rows * stride), -77.0F);
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t i = 0; i < columns; ++i) (*this)(row, i) = normal(random);
  }
  float& operator()(int64_t row, int64_t i) { return values[static_cast<size_t>(row * stride + i)]; }
  bool gaps_untouched() {
    bool untouched = true;
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t i = columns; i < stride; ++i) untouched = untouched && (*this)(row, i) == -77.0F;
    return untouched;
  }
  int64_t rows, columns, stride;
  std::vector<float> values;
};

}  // namespace

TEST_CASE("epilogues: every implementation that there is") {
  check_tested("epilogues", epilogues(), {InstructionSet::avx512, InstructionSet::avx2});
}

TEST_CASE("curves: close to the formulas everywhere, numbers that are none, limits") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  for (const Epilogues& epilogues : epilogues()) {
    CAPTURE(epilogues.name);
    for (const Curve& curve : {kSilu, kQuickGelu, kTanhGelu}) {
      CAPTURE(curve.linear);
      double worst = 0, worst_relative = 0;  // of the sigmoid
      for (double at = -120; at <= 120; at += 0.00137) {
        const auto x = static_cast<float>(at);
        const double wanted = exact(curve, x), got = one(epilogues, curve, x);
        worst = std::max(worst, std::abs(got - wanted) / std::abs(static_cast<double>(x)));
        const double exponent = x * (curve.linear + curve.cubic * x * x);
        // tanh in double has lost its digits by then.
        if (exponent > (curve.cubic != 0 ? -6 : -16)) worst_relative = std::max(worst_relative, std::abs(got / wanted - 1));
      }
      CHECK(worst < 4e-7);
      CHECK(worst_relative < 2e-6);
      CHECK(one(epilogues, curve, 0.0F) == 0.0F);
      CHECK(one(epilogues, curve, 1e30F) == 1e30F);
      CHECK(one(epilogues, curve, -1e30F) == 0.0F);
      CHECK(!std::isfinite(one(epilogues, curve, kInfinity)));
      CHECK(std::isnan(one(epilogues, curve, kNan)));
    }
  }
}

TEST_CASE("epilogues: any sizes, every part by itself and all of them") {
  std::mt19937 random(11);
  for (const Epilogues& epilogues : epilogues()) {
    CAPTURE(epilogues.name);
    for (const int64_t rows : {1, 2, 5}) {
      for (const int64_t columns : {1, 3, 15, 16, 17, 31, 64, 67}) {
        CAPTURE(columns);
        const int64_t stride = columns + 5;
        for (int parts = 0; parts < 8; ++parts) {
          CAPTURE(parts);
          Block y(rows, columns, stride, random), addend(rows, columns, stride, random), bias(1, columns, columns, random);
          Block before = y;
          const bool curved = (parts & 2) != 0;
          epilogues.finish({(parts & 1) != 0 ? bias.values.data() : nullptr, curved ? kTanhGelu : Curve{},
                            (parts & 4) != 0 ? addend.values.data() : nullptr},
                           rows, columns, y.values.data(), stride);
          double worst = 0;
          for (int64_t row = 0; row < rows; ++row) {
            for (int64_t i = 0; i < columns; ++i) {
              double wanted = before(row, i);
              if ((parts & 1) != 0) wanted += static_cast<double>(bias(0, i));
              if (curved) wanted = exact(kTanhGelu, wanted);
              if ((parts & 4) != 0) wanted += static_cast<double>(addend(row, i));
              worst = std::max(worst, std::abs(y(row, i) - wanted));
            }
          }
          CHECK(worst < 1e-5);
          CHECK(y.gaps_untouched());
        }
        Block y(rows, columns, stride, random), gate(rows, columns, columns + 2, random);
        Block before = y;
        epilogues.gate(kSilu, gate.values.data(), gate.stride, rows, columns, y.values.data(), stride);
        double worst = 0;
        for (int64_t row = 0; row < rows; ++row) {
          for (int64_t i = 0; i < columns; ++i)
            worst = std::max(worst, std::abs(y(row, i) - exact(kSilu, gate(row, i)) * static_cast<double>(before(row, i))));
        }
        CHECK(worst < 5e-5);
        CHECK(y.gaps_untouched());
      }
    }
  }
}

TEST_CASE("epilogues: an output is the same in any column and any company") {
  std::mt19937 random(12);
  for (const Epilogues& epilogues : epilogues()) {
    CAPTURE(epilogues.name);
    Block y(3, 67, 67, random);
    Block alone = y;
    epilogues.finish({nullptr, kSilu, nullptr}, 3, 67, y.values.data(), 67);
    for (int64_t row = 0; row < 3; ++row)
      for (int64_t i = 0; i < 67; ++i) CHECK(y(row, i) == one(epilogues, kSilu, alone(row, i)));
  }
}
