// SPDX-License-Identifier: Apache-2.0
// The attention of full_attention.h over vectors whose lanes are queries. Static on purpose: each implementation compiles its own
// copy for its own instruction set, and brings its vectors (`Simd::Ints`, `Simd::Floats`) and the one operation that compilers do
// not find: `Simd::dot`.
#pragma once

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/full_attention_layout.h"

namespace vila::kernels {

/// How numbers become whole ones: q = round(x * inverse), x is about q * step.
struct Steps {
  float step, inverse;
};

/// `bits` are those of the largest magnitude. Not finite: the step is NaN, and so is everything that is computed with it.
static inline Steps steps_of(int32_t bits, float most) {
  if (bits >= 0x7F800000) return {std::numeric_limits<float>::quiet_NaN(), 0.0F};
  const auto largest = std::bit_cast<float>(bits);
  return largest > 1e-30F ? Steps{largest / most, most / largest} : Steps{0.0F, 0.0F};
}

static inline int32_t magnitude_bits(float x) { return std::bit_cast<int32_t>(x) & 0x7FFFFFFF; }

constexpr float kWhole = 12582912.0F;  // 1.5 * 2^23: x + kWhole has round(x), ties to even, in its low bits

/// round(x * inverse) as the low 16 bits; 0 where inverse is 0, whatever x is.
static inline int32_t whole16(float x, float inverse) {
  return inverse == 0.0F ? 0 : std::bit_cast<int32_t>(x * inverse + kWhole) & 0xFFFF;
}

/// Steps of queries and keys, so that a sum of head_dim products fits 31 bits.
static inline float most_of(int64_t head_dim) {
  return std::floor(std::sqrt(2147483000.0F / static_cast<float>(head_dim + 1)));
}

static inline Steps row_steps(const float* row, int64_t d) {
  int32_t largest = 0;
  for (int64_t i = 0; i < d; ++i) largest = magnitude_bits(row[i]) > largest ? magnitude_bits(row[i]) : largest;
  return steps_of(largest, most_of(d));
}

static inline void full_prepare_inline(const FullAttentionStep& step, int64_t task, uint8_t* prepared) {
  const FullSizes sizes(step);
  const PreparedHead to(prepared + static_cast<size_t>(task) * PreparedHead::bytes(sizes), sizes);
  const int64_t d = step.head_dim, stride = step.heads * d;
  const int64_t first = task / step.heads * step.tokens * stride + task % step.heads * d;
  for (int64_t t = 0; t < sizes.tokens; ++t) {
    int32_t* key = to.keys + t * sizes.pairs;
    to.key_steps[t] = 0;
    std::memset(key, 0, static_cast<size_t>(sizes.pairs) * sizeof(int32_t));
    if (t >= step.tokens) continue;
    const float* row = step.k + first + t * stride;
    const Steps steps = row_steps(row, d);
    to.key_steps[t] = steps.step;
    for (int64_t i = 0; i < d / 2; ++i) key[i] = whole16(row[2 * i], steps.inverse) | whole16(row[2 * i + 1], steps.inverse) << 16;
    if (d % 2 != 0) key[d / 2] = whole16(row[d - 1], steps.inverse);
  }
  std::memset(to.values, 0, static_cast<size_t>(sizes.tokens / 2 * sizes.channels) * sizeof(int32_t));
  for (int64_t block = 0; block < sizes.blocks; ++block) {
    const int64_t begin = block * kKeyBlock, left = step.tokens - begin, end = begin + (left < kKeyBlock ? left : kKeyBlock);
    const float* values = step.v + first;
    int32_t largest[kMostFullHeadDim];
    float inverse[kMostFullHeadDim];
    for (int64_t c = 0; c < d; ++c) largest[c] = 0;
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t c = 0; c < d; ++c) {
        const int32_t bits = magnitude_bits(values[t * stride + c]);
        largest[c] = bits > largest[c] ? bits : largest[c];
      }
    }
    for (int64_t c = 0; c < sizes.channels; ++c) {
      const Steps steps = c < d ? steps_of(largest[c], kValueSteps) : Steps{};
      to.value_steps[block * sizes.channels + c] = steps.step;
      if (c < d) inverse[c] = steps.inverse;
    }
    for (int64_t t = begin; t < end; ++t) {
      int32_t* pairs = to.values + t / 2 * sizes.channels;
      const int shift = t % 2 == 0 ? 0 : 16;
      for (int64_t c = 0; c < d; ++c) pairs[c] |= whole16(values[t * stride + c], inverse[c]) << shift;
    }
  }
}

/// Vectors of a tile's queries.
template <typename Simd>
constexpr int64_t vectors_of() {
  return kTileQueries * static_cast<int64_t>(sizeof(float)) / static_cast<int64_t>(sizeof(typename Simd::Floats));
}

/// dots[r, lane] = sum over i of the products of pair lanes[i, lane] and pair[r * across + i * along], r below Simd::kAcross;
/// Simd::kGroups vectors of lanes at a time.
template <typename Simd>
static inline void dot_tile(const int32_t* lanes, const int32_t* pair, int64_t across, int64_t along, int64_t count,
                            int32_t* dots) {
  using Ints = typename Simd::Ints;
  for (int64_t group = 0; group < vectors_of<Simd>(); group += Simd::kGroups) {
    Ints sums[Simd::kAcross][Simd::kGroups] = {};
    for (int64_t i = 0; i < count; ++i) {
      const auto* x = reinterpret_cast<const Ints*>(lanes + i * kTileQueries) + group;
      for (int64_t r = 0; r < Simd::kAcross; ++r) {
        const int32_t other = pair[r * across + i * along];
        for (int64_t g = 0; g < Simd::kGroups; ++g) Simd::dot(sums[r][g], x[g], other);
      }
    }
    for (int64_t r = 0; r < Simd::kAcross; ++r) {
      auto* to = reinterpret_cast<Ints*>(dots + r * kTileQueries) + group;
      for (int64_t g = 0; g < Simd::kGroups; ++g) to[g] = sums[r][g];
    }
  }
}

/// Scores [tokens, kTileQueries] of one vector of lanes to weights: e^((score - largest) * factor) in whole steps, as pairs of
/// tokens in the place of the first half of the scores. `factors` are for base 2; `totals` become the steps' sums.
template <typename Simd>
static inline void weigh(float* scores, int64_t tokens, const float* factors, float* totals) {
  using Floats = typename Simd::Floats;
  using Ints = typename Simd::Ints;
  constexpr int64_t kStride = vectors_of<Simd>();
  auto* rows = reinterpret_cast<Floats*>(scores);
  auto* pairs = reinterpret_cast<Ints*>(scores);
  const Floats factor = *reinterpret_cast<const Floats*>(factors), lowest = Floats{} - 126.0F;
  Floats largest = rows[0], carry = {}, total = {};
  for (int64_t t = 1; t < tokens; ++t) largest = rows[t * kStride] > largest ? rows[t * kStride] : largest;
  // 2^x in steps: the power by the exponent's bits, the rest, within [-1/2, 1/2], by a polynomial with relative error 4e-6.
  const auto whole = [&](const Floats& score, Ints& bits) __attribute__((always_inline)) {
    Floats x = (score - largest) * factor;
    x = x < lowest ? lowest : x;
    const Floats shifted = x + kWhole, rest = x - (shifted - kWhole);
    Floats sum = rest * (kWeightSteps * 9.6181291e-3F) + kWeightSteps * 5.5504109e-2F;
    sum = sum * rest + kWeightSteps * 0.24022651F;
    sum = sum * rest + kWeightSteps * 0.69314718F;
    sum = sum * rest + kWeightSteps;
    const Ints power = ((Ints)shifted + 127) << 23;
    const Floats wanted = sum * (Floats)power + carry, rounded = wanted + kWhole;
    carry = wanted - (rounded - kWhole);
    total += rounded - kWhole;
    bits = (Ints)rounded;
  };
  for (int64_t t = 0; t < tokens; t += 2) {
    Ints first, second = {};
    whole(rows[t * kStride], first);
    if (t + 1 < tokens) whole(rows[(t + 1) * kStride], second);
    pairs[t / 2 * kStride] = (first & 0xFFFF) | (second << 16);
  }
  *reinterpret_cast<Floats*>(totals) = total;
}

template <typename Simd>
static inline void full_attend_inline(const FullAttentionStep& step, int64_t task, const uint8_t* prepared, uint8_t* scratch) {
  const FullSizes sizes(step);
  const int64_t tiles = (step.tokens + kTileQueries - 1) / kTileQueries, head = task / tiles, first = task % tiles * kTileQueries;
  const PreparedHead from(const_cast<uint8_t*>(prepared) + static_cast<size_t>(head) * PreparedHead::bytes(sizes), sizes);
  const FullScratch at(scratch, sizes);
  const int64_t d = step.head_dim, stride = step.heads * d;
  const int64_t base = head / step.heads * step.tokens * stride + head % step.heads * d;
  const int64_t queries = step.tokens - first < kTileQueries ? step.tokens - first : kTileQueries;

  alignas(64) float factors[kTileQueries] = {}, totals[kTileQueries];
  for (int64_t lane = 0; lane < kTileQueries; ++lane) {
    int32_t* to = at.queries + lane;
    if (lane >= queries) {
      for (int64_t i = 0; i < sizes.pairs; ++i) to[i * kTileQueries] = 0;
      continue;
    }
    const float* row = step.q + base + (first + lane) * stride;
    const Steps steps = row_steps(row, d);
    factors[lane] = steps.step * step.scale * 1.44269504F;
    for (int64_t i = 0; i < d / 2; ++i)
      to[i * kTileQueries] = whole16(row[2 * i], steps.inverse) | whole16(row[2 * i + 1], steps.inverse) << 16;
    if (d % 2 != 0) to[d / 2 * kTileQueries] = whole16(row[d - 1], steps.inverse);
  }

  using Floats = typename Simd::Floats;
  using Ints = typename Simd::Ints;
  constexpr int64_t kVectors = vectors_of<Simd>(), kLanesEach = kTileQueries / kVectors;
  const auto* dots = reinterpret_cast<const Ints*>(at.dots);
  for (int64_t t = 0; t < sizes.tokens; t += Simd::kAcross) {
    dot_tile<Simd>(at.queries, from.keys + t * sizes.pairs, sizes.pairs, 1, sizes.pairs, at.dots);
    auto* scores = reinterpret_cast<Floats*>(at.scores + t * kTileQueries);
    for (int64_t i = 0; i < Simd::kAcross * kVectors; ++i)
      scores[i] = __builtin_convertvector(dots[i], Floats) * from.key_steps[t + i / kVectors];
  }
  for (int64_t lane = 0; lane < kTileQueries; lane += kLanesEach)
    weigh<Simd>(at.scores + lane, step.tokens, factors + lane, totals + lane);

  std::memset(at.sums, 0, static_cast<size_t>(sizes.channels * kTileQueries) * sizeof(float));
  const auto* weights = reinterpret_cast<const int32_t*>(at.scores);
  for (int64_t block = 0; block < sizes.blocks; ++block) {
    const int64_t pair = block * kKeyBlock / 2, left = (step.tokens + 1) / 2 - pair;
    const int64_t count = left < kKeyBlock / 2 ? left : kKeyBlock / 2;
    for (int64_t c = 0; c < sizes.channels; c += Simd::kAcross) {
      dot_tile<Simd>(weights + pair * kTileQueries, from.values + pair * sizes.channels + c, 1, sizes.channels, count, at.dots);
      const float* steps = from.value_steps + block * sizes.channels + c;
      auto* sums = reinterpret_cast<Floats*>(at.sums + c * kTileQueries);
      for (int64_t i = 0; i < Simd::kAcross * kVectors; ++i)
        sums[i] += __builtin_convertvector(dots[i], Floats) * steps[i / kVectors];
    }
  }
  for (int64_t lane = 0; lane < queries; ++lane) {
    const float inverse = 1.0F / totals[lane];
    float* out = step.out + base + (first + lane) * stride;
    for (int64_t c = 0; c < d; ++c) out[c] = at.sums[c * kTileQueries + lane] * inverse;
  }
}

}  // namespace vila::kernels
