// SPDX-License-Identifier: Apache-2.0
// LayerNorm against plain double sums, for every implementation this processor has.
#include "kernels/layer_norm.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/tested_sets.h"

using namespace vila::kernels;  // NOLINT
using vila::testing::check_tested;

TEST_CASE("layer norm: every implementation that there is") {
  check_tested("LayerNorm", layer_norms(), {InstructionSet::avx512, InstructionSet::avx2});
}

TEST_CASE("layer norm: any size, far from zero, in place") {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  for (const LayerNorm& norm : layer_norms()) {
    CAPTURE(norm.name);
    for (const int64_t size : {1, 2, 15, 16, 17, 31, 100, 1152, 4609}) {
      CAPTURE(size);
      const auto count = static_cast<size_t>(size);
      std::vector<float> x(count), gain(count), bias(count), y(count + 1, -77.0F);
      for (size_t i = 0; i < count; ++i) x[i] = 20 + normal(random), gain[i] = normal(random), bias[i] = normal(random);
      constexpr float kEpsilon = 1e-3F;
      norm.normalize(x.data(), gain.data(), bias.data(), kEpsilon, size, y.data());
      double mean = 0, variance = 0, worst = 0;
      for (const float v : x) mean += static_cast<double>(v) / static_cast<double>(size);
      for (const float v : x) variance += (v - mean) * (v - mean) / static_cast<double>(size);
      for (size_t i = 0; i < count; ++i) {
        const double wanted = (x[i] - mean) / std::sqrt(variance + static_cast<double>(kEpsilon)) * gain[i] + bias[i];
        worst = std::max(worst, std::abs(y[i] - wanted));
      }
      CHECK(worst < 3e-5);
      CHECK(y[count] == -77.0F);
      norm.normalize(x.data(), gain.data(), bias.data(), kEpsilon, size, x.data());
      y.resize(count);
      CHECK(x == y);
    }
    std::vector<float> x(20, 1.0F), gain(20, 1.0F), bias(20, 0.0F), y(20);
    x[19] = std::numeric_limits<float>::infinity();
    norm.normalize(x.data(), gain.data(), bias.data(), 1e-6F, 20, y.data());
    CHECK(std::isnan(y[0]));
  }
}
