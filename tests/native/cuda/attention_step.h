// SPDX-License-Identifier: Apache-2.0
// A decode step's random numbers on the host, and how far a result is from the plain sums over them.
#pragma once

#include <random>

#include "common/dtype.h"
#include "common/rounding.h"
#include "cuda/attention_reference.h"

namespace vila::testing {

struct AttentionCase {
  int32_t heads, kv_heads, head_dim;
  int64_t capacity;
  int32_t splits;
  DType type;
  std::vector<int32_t> lengths, slots;  ///< slots may be empty: request b has slot b
};

/// Arrays as cuda::DecodeAttention has them. Rows that no request may see are NaN.
struct AttentionStep {
  AttentionStep(const AttentionCase& from, uint32_t seed) : c(from) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    const auto d = static_cast<size_t>(c.head_dim);
    for (size_t i = 0; i < c.lengths.size() * static_cast<size_t>(c.heads) * d; ++i) q.push_back(rounded(3 * normal(random)));
    int32_t slots = 0;
    for (size_t b = 0; b < c.lengths.size(); ++b) slots = std::max(slots, slot(b) + 1);
    keys.assign(static_cast<size_t>(int64_t{slots} * c.kv_heads * c.capacity) * d, rounded(std::nanf("")));
    values = keys;
    for (size_t b = 0; b < c.lengths.size(); ++b) {
      for (int32_t head = 0; head < c.kv_heads; ++head) {
        for (int64_t i = 0; i < length(b) * c.head_dim; ++i) {
          const auto at = row_at(b, head) + static_cast<size_t>(i);
          keys[at] = rounded(normal(random));
          values[at] = rounded(normal(random));
        }
      }
    }
  }

  int32_t batch() const { return static_cast<int32_t>(c.lengths.size()); }
  float scale() const { return 1.0F / std::sqrt(static_cast<float>(c.head_dim)); }

  /// The largest difference of out [batch, heads, head_dim] from plain sums, beyond half a unit of its type's rounding; NaN if any
  /// is.
  double worst(const std::vector<uint16_t>& out) const {
    const double half_unit = c.type == DType::f16 ? 0x1p-11 : 0x1p-8;
    const auto widened = [&](uint16_t bits) { return c.type == DType::f16 ? f16_to_f32(bits) : bf16_to_f32(bits); };
    double largest = 0;
    size_t at = 0;
    for (size_t b = 0; b < c.lengths.size(); ++b) {
      for (int32_t head = 0; head < c.heads; ++head) {
        const size_t cache = row_at(b, head / (c.heads / c.kv_heads));
        for (const double expected : attended_head(q.data() + at, keys.data() + cache, values.data() + cache, length(b), c.head_dim,
                                                   static_cast<double>(scale()), widened)) {
          const double difference = std::abs(widened(out[at++]) - expected) - half_unit * std::abs(expected);
          if (!(difference < largest)) largest = std::isnan(largest) ? largest : difference;
        }
      }
    }
    return largest;
  }

  AttentionCase c;
  std::vector<uint16_t> q, keys, values;

 private:
  uint16_t rounded(float value) const { return c.type == DType::f16 ? to_f16(value) : to_bf16(value); }
  int32_t slot(size_t b) const { return c.slots.empty() ? static_cast<int32_t>(b) : c.slots[b]; }
  int64_t length(size_t b) const { return std::min<int64_t>(c.lengths[b], c.capacity); }
  size_t row_at(size_t b, int32_t kv_head) const {
    return static_cast<size_t>((int64_t{slot(b)} * c.kv_heads + kv_head) * c.capacity * c.head_dim);
  }
};

}  // namespace vila::testing
