// SPDX-License-Identifier: Apache-2.0
// Where the numbers of full_attention.h lie in prepared and scratch memory. A "pair" is two 16-bit numbers in one of 32 bits, the
// first one low.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/full_attention.h"

namespace vila::kernels {

inline constexpr int64_t kTileQueries = 32;     ///< queries of one task
inline constexpr int64_t kKeyBlock = 64;        ///< tokens whose values share a step, channel by channel
inline constexpr int64_t kAcrossMost = 8;       ///< keys or channels that the inner loop takes at a time, at most
inline constexpr float kWeightSteps = 32000;    ///< of the largest weight; kKeyBlock of them times kValueSteps fit 31 bits
inline constexpr float kValueSteps = 1023;

inline int64_t rounded_up(int64_t number, int64_t multiple) { return (number + multiple - 1) / multiple * multiple; }

struct FullSizes {
  explicit FullSizes(const FullAttentionStep& step)
      : pairs((step.head_dim + 1) / 2),
        tokens(rounded_up(step.tokens, kAcrossMost)),
        channels(rounded_up(step.head_dim, kAcrossMost)),
        blocks((step.tokens + kKeyBlock - 1) / kKeyBlock) {}
  int64_t pairs;     ///< of a query or a key
  int64_t tokens;    ///< filled up with zeros
  int64_t channels;  ///< of values, filled up with zeros
  int64_t blocks;
};

/// What prepare() makes of a sequence's head, at multiples of 64 bytes.
struct PreparedHead {
  static size_t bytes(const FullSizes& sizes) {
    const int64_t numbers = rounded_up(sizes.tokens * sizes.pairs, 16) + rounded_up(sizes.tokens, 16) +
                            rounded_up(sizes.tokens / 2 * sizes.channels, 16) + rounded_up(sizes.blocks * sizes.channels, 16);
    return static_cast<size_t>(numbers) * sizeof(int32_t);
  }
  PreparedHead(uint8_t* memory, const FullSizes& sizes)
      : keys(reinterpret_cast<int32_t*>(memory)),
        key_steps(reinterpret_cast<float*>(keys + rounded_up(sizes.tokens * sizes.pairs, 16))),
        values(reinterpret_cast<int32_t*>(key_steps + rounded_up(sizes.tokens, 16))),
        value_steps(reinterpret_cast<float*>(values + rounded_up(sizes.tokens / 2 * sizes.channels, 16))) {}
  int32_t* keys;       ///< [tokens, pairs]: of neighbouring channels
  float* key_steps;    ///< [tokens]
  int32_t* values;     ///< [tokens / 2, channels]: of neighbouring tokens
  float* value_steps;  ///< [blocks, channels]
};

/// Scratch of one task, at multiples of 64 bytes.
struct FullScratch {
  static size_t bytes(const FullSizes& sizes) {
    return static_cast<size_t>((sizes.pairs + sizes.tokens + sizes.channels + kAcrossMost) * kTileQueries) * sizeof(int32_t);
  }
  FullScratch(uint8_t* memory, const FullSizes& sizes)
      : queries(reinterpret_cast<int32_t*>(memory)),
        scores(reinterpret_cast<float*>(queries + sizes.pairs * kTileQueries)),
        sums(scores + sizes.tokens * kTileQueries),
        dots(reinterpret_cast<int32_t*>(sums + sizes.channels * kTileQueries)) {}
  int32_t* queries;  ///< [pairs, kTileQueries]
  float* scores;     ///< [tokens, kTileQueries]; then weights as pairs of tokens [tokens / 2, kTileQueries]
  float* sums;       ///< [channels, kTileQueries]
  int32_t* dots;     ///< [kAcrossMost, kTileQueries]
};

}  // namespace vila::kernels
