// SPDX-License-Identifier: Apache-2.0
// Plain C++ for any processor.
#include <cstdint>
#include <numeric>

#include "common/dtype.h"
#include "kernels/bf16_kernels.h"
#include "kernels/bf16_product_inline.h"

namespace vila::kernels {
namespace {

struct Portable {
  static constexpr int64_t kLanes = 8, kRows = 2, kFewRows = 2;
  static constexpr bool kRounds = false;
  using X = float;
  struct Sums {
    float lane[kLanes];
  };
  struct Raw {
    uint16_t first[kLanes], second[kLanes];
  };
  struct Pairs {
    float first[kLanes], second[kLanes];
  };
  struct Inputs {
    float first, second;
  };

  static void convert(const float* x, int64_t count, float* to) { std::memcpy(to, x, static_cast<size_t>(count) * sizeof(float)); }
  static void transpose(const uint8_t* rows, size_t stride, Raw* out) {
    for (int64_t lane = 0; lane < kLanes; ++lane, rows += stride) {
      uint16_t values[2 * kLanes];
      std::memcpy(values, rows, sizeof values);
      for (int64_t i = 0; i < kLanes; ++i) out[i].first[lane] = values[2 * i], out[i].second[lane] = values[2 * i + 1];
    }
  }
  static Pairs pairs(const Raw& raw) {
    Pairs wide;
    for (int64_t i = 0; i < kLanes; ++i) wide.first[i] = bf16_to_f32(raw.first[i]);
    for (int64_t i = 0; i < kLanes; ++i) wide.second[i] = bf16_to_f32(raw.second[i]);
    return wide;
  }
  static Inputs inputs(const float* x) { return {x[0], x[1]}; }
  static Sums add(Sums sums, const Pairs& pairs, Inputs x) {
    for (int64_t i = 0; i < kLanes; ++i) sums.lane[i] += pairs.first[i] * x.first;
    for (int64_t i = 0; i < kLanes; ++i) sums.lane[i] += pairs.second[i] * x.second;
    return sums;
  }
  static Sums zero() { return {}; }
  static Sums load(const float* y, int64_t count) {
    Sums sums{};
    if (count > 0) std::copy_n(y, std::min(count, kLanes), sums.lane);
    return sums;
  }
  static void store(float* y, const Sums& sums, int64_t count) {
    if (count > 0) std::copy_n(sums.lane, std::min(count, kLanes), y);
  }
  static int64_t at_best(int64_t rounds) {
    constexpr int kNumbers = 1024, kSums = 16;
    alignas(64) float weights[kNumbers], x[kNumbers];
    std::fill_n(weights, kNumbers, 0.5F);
    std::fill_n(x, kNumbers, 0.25F);
    const float* volatile place = weights;  // read anew for each round, or one would do
    volatile float result = 0;
    for (int64_t round = 0; round < rounds; ++round) {
      const float* w = place;
      float sums[kSums] = {};
      for (int i = 0; i < kNumbers; i += kSums)
        for (int lane = 0; lane < kSums; ++lane) sums[lane] += w[i + lane] * x[i + lane];
      result = std::accumulate(sums, sums + kSums, 0.0F);
    }
    static_cast<void>(result);
    return rounds * kNumbers;
  }
};

}  // namespace

Bf16Product portable_bf16_product() { return Bf16Kernels<Portable>::product("portable"); }

}  // namespace vila::kernels
