// SPDX-License-Identifier: Apache-2.0
// The attention of attention.h, in loops over 16 lanes that compilers turn into vectors. Static on purpose: each implementation
// compiles its own copy for its own instruction set.
#pragma once

#include <cstring>

#include "kernels/attention.h"
#include "kernels/attention_tiles.h"

#ifdef __F16C__
#include <immintrin.h>
#else
#include "common/dtype.h"
#endif

namespace vila::kernels {

static inline void halves_to_floats(const uint16_t* from, float* to, int64_t count) {
  int64_t i = 0;
#ifdef __F16C__
  for (; i + 8 <= count; i += 8)
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
  for (; i < count; ++i) to[i] = _cvtsh_ss(from[i]);
#else
  for (; i < count; ++i) to[i] = f16_to_f32(from[i]);
#endif
}

static inline void floats_to_halves(const float* from, uint16_t* to, int64_t count) {
  int64_t i = 0;
#ifdef __F16C__
  for (; i + 8 <= count; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
  for (; i < count; ++i) to[i] = _cvtss_sh(from[i], _MM_FROUND_TO_NEAREST_INT);
#else
  for (; i < count; ++i) to[i] = to_f16(from[i]);
#endif
}

/// to = from rotated to `position`, times `factor`.
static inline void rotate(const AttentionStep& step, const float* from, int64_t position, float factor, float* to) {
  const int64_t half = step.head_dim / 2;
  const float *cos = step.cos + position * half, *sin = step.sin + position * half;
  for (int64_t i = 0; i < half; ++i) {
    const float a = from[i], b = from[i + half];
    to[i] = factor * (a * cos[i] - b * sin[i]);
    to[i + half] = factor * (b * cos[i] + a * sin[i]);
  }
}

/// e^x for x <= 0, relative error below 2e-7; 0 below -87. Powers of two by the exponent's bits, the rest by its Taylor series
/// about 0 on [-ln(2)/2, ln(2)/2].
static inline float exponential(float x) {
  constexpr float kRound = 12582912.0F, kLog2 = 1.44269504F, kLn2High = 0.693359375F, kLn2Low = -2.12194440e-4F;
  const float clamped = x < -87.0F ? -87.0F : x;
  const float whole = (clamped * kLog2 + kRound) - kRound;
  const float r = (clamped - whole * kLn2High) - whole * kLn2Low;
  float sum = 1.0F / 5040;
  sum = sum * r + 1.0F / 720;
  sum = sum * r + 1.0F / 120;
  sum = sum * r + 1.0F / 24;
  sum = sum * r + 1.0F / 6;
  sum = sum * r + 0.5F;
  sum = sum * r + 1.0F;
  sum = sum * r + 1.0F;
  const int32_t bits = (static_cast<int32_t>(whole) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return x < -87.0F ? 0.0F : sum * power;
}

static inline void append_inline(const AttentionStep& step, int64_t task) {
  const int64_t t = task % step.length, head = task / step.length % step.kv_heads, s = task / step.length / step.kv_heads;
  const CachedSequence& sequence = step.sequences[s];
  const int64_t position = sequence.past + t, d = step.head_dim;
  const int64_t from = ((s * step.length + t) * step.kv_heads + head) * d;
  const int64_t to = (head * sequence.capacity + position) * d;
  float key[kMostHeadDim] = {};
  rotate(step, step.k + from, position, 1.0F, key);
  floats_to_halves(key, sequence.keys + to, d);
  floats_to_halves(step.v + from, sequence.values + to, d);
}

/// scores[row, j] = q[row] . keys[j], keys given transposed: [head_dim, kPositions].
static inline void score(const float* q, int64_t rows, const float* keys, int64_t d, float* scores) {
  for (int64_t row = 0; row + 4 <= rows; row += 4) {
    for (int64_t first = 0; first < kPositions; first += kWide) {
      float sums[4][kWide] = {};
      for (int64_t i = 0; i < d; ++i) {
        const float* k = keys + i * kPositions + first;
        for (int r = 0; r < 4; ++r) {
          const float x = q[(row + r) * d + i];
          for (int64_t lane = 0; lane < kWide; ++lane) sums[r][lane] += x * k[lane];
        }
      }
      for (int r = 0; r < 4; ++r) std::memcpy(scores + (row + r) * kPositions + first, sums[r], sizeof sums[r]);
    }
  }
}

/// Asks memory for a row of the cache: a step of few rows does little with each, and would wait for it.
static inline void fetch_row(const uint16_t* row, int64_t d) {
  constexpr int64_t kLine = 64 / sizeof(uint16_t);
  for (int64_t i = 0; i < d; i += kLine) __builtin_prefetch(row + i);
}

/// The same for few rows, keys as they lie in the cache. As many rows at `next` are asked for meanwhile.
static inline void score_few(const float* q, int64_t rows, const uint16_t* keys, int64_t count, int64_t d, const uint16_t* next,
                             float* scores) {
  float key[kMostHeadDim] = {};
  for (int64_t j = 0; j < count; ++j) {
    fetch_row(next + j * d, d);
    halves_to_floats(keys + j * d, key, d);
    for (int64_t row = 0; row < rows; ++row) {
      float sums[kWide] = {};
      int64_t i = 0;
      for (; i + kWide <= d; i += kWide) {
        for (int64_t lane = 0; lane < kWide; ++lane) sums[lane] += q[row * d + i + lane] * key[i + lane];
      }
      float sum = 0;
      for (; i < d; ++i) sum += q[row * d + i] * key[i];
      for (int64_t width = kWide / 2; width > 0; width /= 2) {
        for (int64_t lane = 0; lane < width; ++lane) sums[lane] += sums[lane + width];
      }
      scores[row * kPositions + j] = sum + sums[0];
    }
  }
}

/// sums[row] += sum over j of weights[row, j] * values[j].
static inline void add_values(const float* weights, int64_t rows, const float* values, int64_t count, int64_t d, float* sums) {
  for (int64_t row = 0; row < rows; row += 4) {
    const int64_t used = rows - row < 4 ? rows - row : 4;
    int64_t i = 0;
    for (; i + kWide <= d && used == 4; i += kWide) {
      float parts[4][kWide];
      for (int r = 0; r < 4; ++r) std::memcpy(parts[r], sums + (row + r) * d + i, sizeof parts[r]);
      for (int64_t j = 0; j < count; ++j) {
        const float* value = values + j * d + i;
        for (int r = 0; r < 4; ++r) {
          const float w = weights[(row + r) * kPositions + j];
          for (int64_t lane = 0; lane < kWide; ++lane) parts[r][lane] += w * value[lane];
        }
      }
      for (int r = 0; r < 4; ++r) std::memcpy(sums + (row + r) * d + i, parts[r], sizeof parts[r]);
    }
    if (i == d) continue;
    for (int64_t r = 0; r < used; ++r) {
      float* sum = sums + (row + r) * d;
      for (int64_t j = 0; j < count; ++j) {
        const float w = weights[(row + r) * kPositions + j];
        for (int64_t c = i; c < d; ++c) sum[c] += w * values[j * d + c];
      }
    }
  }
}

static inline void attend_inline(const AttentionStep& step, int64_t task, uint8_t* scratch) {
  const int64_t d = step.head_dim, shared = step.heads / step.kv_heads, all_rows = step.length * shared;
  const int64_t tiles = (all_rows + kTileRows - 1) / kTileRows;
  const int64_t tile = task % tiles, head = task / tiles % step.kv_heads, s = task / tiles / step.kv_heads;
  const int64_t first_row = tile * kTileRows, rows = all_rows - first_row < kTileRows ? all_rows - first_row : kTileRows;
  const int64_t padded_rows = (rows + 3) / 4 * 4;
  const bool few = rows <= kFewRows;
  const AttendScratch at(scratch, d);
  const CachedSequence& sequence = step.sequences[s];
  // Row r of the kv head is query head r % shared of position r / shared.
  const auto position_of = [&](int64_t row) { return sequence.past + (first_row + row) / shared; };
  const auto offset_of = [&](int64_t row) {
    const int64_t r = first_row + row;
    return ((s * step.length + r / shared) * step.heads + head * shared + r % shared) * d;
  };
  for (int64_t row = 0; row < rows; ++row) {
    rotate(step, step.q + offset_of(row), position_of(row), step.scale, at.q + row * d);
    at.largest[row] = -1e30F;
    at.total[row] = 0;
  }
  std::memset(at.q + rows * d, 0, static_cast<size_t>((padded_rows - rows) * d) * sizeof(float));
  std::memset(at.sums, 0, static_cast<size_t>(padded_rows * d) * sizeof(float));

  const int64_t cache = head * sequence.capacity, end = position_of(rows - 1) + 1;
  for (int64_t first = 0; first < end; first += kPositions) {
    const int64_t count = end - first < kPositions ? end - first : kPositions;
    const uint16_t *keys = sequence.keys + (cache + first) * d, *values = sequence.values + (cache + first) * d;
    if (few) {
      score_few(at.q, rows, keys, count, d, values, at.scores);
    } else {
      float key[kMostHeadDim] = {};
      for (int64_t j = 0; j < count; ++j) {
        halves_to_floats(keys + j * d, key, d);
        for (int64_t i = 0; i < d; ++i) at.keys[i * kPositions + j] = key[i];
      }
      for (int64_t j = count; j < kPositions; ++j) {
        for (int64_t i = 0; i < d; ++i) at.keys[i * kPositions + j] = 0;
      }
      score(at.q, padded_rows, at.keys, d, at.scores);
    }
    // What is read next: the keys that follow, or those of the next head, whose task comes next.
    const uint16_t* next = first + kPositions < end ? keys + count * d : sequence.keys + (cache + sequence.capacity) * d;
    const bool fetches = few && (first + kPositions < end || head + 1 < step.kv_heads);
    for (int64_t j = 0; j < count; ++j) {
      if (fetches) fetch_row(next + j * d, d);
      halves_to_floats(values + j * d, at.values + j * d, d);
    }
    for (int64_t row = 0; row < rows; ++row) {
      float* scores = at.scores + row * kPositions;
      const int64_t seen = position_of(row) + 1 - first;  // of this block; later positions get no weight
      const int64_t used = seen < 0 ? 0 : seen < count ? seen : count;
      float largest = at.largest[row];
      for (int64_t j = 0; j < used; ++j) largest = scores[j] > largest ? scores[j] : largest;
      const float shrink = exponential(at.largest[row] - largest);
      float total = 0;
      for (int64_t j = 0; j < used; ++j) scores[j] = exponential(scores[j] - largest);
      for (int64_t j = 0; j < used; ++j) total += scores[j];
      for (int64_t j = used; j < kPositions; ++j) scores[j] = 0;
      at.total[row] = at.total[row] * shrink + total;
      at.largest[row] = largest;
      if (shrink != 1.0F) {
        for (int64_t i = 0; i < d; ++i) at.sums[row * d + i] *= shrink;
      }
    }
    add_values(at.scores, few ? rows : padded_rows, at.values, count, d, at.sums);
  }
  for (int64_t row = 0; row < rows; ++row) {
    const float inverse = 1.0F / at.total[row];
    float* out = step.out + offset_of(row);
    for (int64_t i = 0; i < d; ++i) out[i] = at.sums[row * d + i] * inverse;
  }
}

}  // namespace vila::kernels
