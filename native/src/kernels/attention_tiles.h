// SPDX-License-Identifier: Apache-2.0
// Sizes of the attention's tiles, and where a task's scratch memory lies.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vila::kernels {

inline constexpr int64_t kMostHeadDim = 256;
inline constexpr int64_t kTileRows = 32;   ///< query rows of one task
inline constexpr int64_t kPositions = 64;  ///< of the cache, at a time
inline constexpr int64_t kWide = 32;       ///< lanes of the inner loops
inline constexpr int64_t kFewRows = 8;     ///< up to so many rows keys are read as they lie, without transposing

/// Scratch of one task, floats at multiples of 64 bytes.
struct AttendScratch {
  static constexpr size_t bytes(int64_t head_dim) {
    return static_cast<size_t>(2 * kTileRows * head_dim + kTileRows * kPositions + 2 * kPositions * head_dim + 2 * kTileRows) *
           sizeof(float);
  }
  AttendScratch(uint8_t* memory, int64_t head_dim)
      : q(reinterpret_cast<float*>(memory)),
        sums(q + kTileRows * head_dim),
        scores(sums + kTileRows * head_dim),
        keys(scores + kTileRows * kPositions),
        values(keys + kPositions * head_dim),
        largest(values + kPositions * head_dim),
        total(largest + kTileRows) {}
  float *q, *sums;         ///< [kTileRows, head_dim]
  float* scores;           ///< [kTileRows, kPositions]
  float* keys;             ///< [head_dim, kPositions]
  float* values;           ///< [kPositions, head_dim]
  float *largest, *total;  ///< [kTileRows]
};

}  // namespace vila::kernels
