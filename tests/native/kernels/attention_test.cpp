// SPDX-License-Identifier: Apache-2.0
// The attention over an fp16 cache against plain double sums, for every implementation this processor has.
#include "kernels/attention.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

#include "common/dtype.h"
#include "kernels/tested_sets.h"

using namespace vila;           // NOLINT
using namespace vila::kernels;  // NOLINT
using vila::testing::check_tested;

namespace {

struct Case {
  int64_t batch, length, heads, kv_heads, head_dim, capacity;
  std::vector<int32_t> past;
};

/// Random numbers of one step, and the answer in double from the rounded keys and values.
struct Step {
  explicit Step(const Case& from) : c(from) {
    std::mt19937 random(static_cast<uint32_t>(c.length * 7 + c.heads));
    std::normal_distribution<float> normal;
    const auto fill = [&](std::vector<float>& numbers, int64_t count) {
      numbers.resize(static_cast<size_t>(count));
      for (float& number : numbers) number = normal(random);
    };
    fill(q, c.batch * c.length * c.heads * c.head_dim);
    fill(k, c.batch * c.length * c.kv_heads * c.head_dim);
    fill(v, c.batch * c.length * c.kv_heads * c.head_dim);
    for (float& value : q) value *= 3;  // Scores that differ enough for the largest to move from block to block.
    for (int64_t p = 0; p < c.capacity; ++p) {
      for (int64_t i = 0; i < c.head_dim / 2; ++i) {
        const double angle =
            static_cast<double>(p) * std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(c.head_dim));
        cos.push_back(static_cast<float>(std::cos(angle)));
        sin.push_back(static_cast<float>(std::sin(angle)));
      }
    }
    // What no position holds yet is NaN: it must not be read.
    keys.assign(static_cast<size_t>(c.batch * c.kv_heads * c.capacity * c.head_dim), 0x7E00);
    values = keys;
    for (int64_t s = 0; s < c.batch; ++s) {
      for (int64_t head = 0; head < c.kv_heads; ++head) {
        for (int64_t i = 0; i < c.past[static_cast<size_t>(s)] * c.head_dim; ++i) {
          const auto at = static_cast<size_t>((s * c.kv_heads + head) * c.capacity * c.head_dim + i);
          keys[at] = to_f16(normal(random));
          values[at] = to_f16(normal(random));
        }
      }
    }
  }

  AttentionStep view(std::vector<float>& out) {
    out.assign(q.size(), -77.0F);
    sequences.clear();
    for (int64_t s = 0; s < c.batch; ++s) {
      const int64_t at = s * c.kv_heads * c.capacity * c.head_dim;
      sequences.push_back({keys.data() + at, values.data() + at, c.capacity, c.past[static_cast<size_t>(s)]});
    }
    return {c.batch,  c.length,   c.heads,    c.kv_heads,       c.head_dim, q.data(),  k.data(),
            v.data(), cos.data(), sin.data(), sequences.data(), scale(),    out.data()};
  }
  float scale() const { return 1.0F / std::sqrt(static_cast<float>(c.head_dim)); }

  std::vector<double> rotated(const float* x, int64_t position) const {
    const int64_t half = c.head_dim / 2;
    std::vector<double> y(static_cast<size_t>(c.head_dim));
    for (int64_t i = 0; i < half; ++i) {
      const double co = cos[static_cast<size_t>(position * half + i)], si = sin[static_cast<size_t>(position * half + i)];
      y[static_cast<size_t>(i)] = x[i] * co - x[i + half] * si;
      y[static_cast<size_t>(i + half)] = x[i + half] * co + x[i] * si;
    }
    return y;
  }

  /// After append(): from the cache as it is.
  double expected(int64_t s, int64_t t, int64_t head, int64_t channel) const {
    const int64_t d = c.head_dim, kv = head / (c.heads / c.kv_heads), last = c.past[static_cast<size_t>(s)] + t;
    const std::vector<double> query = rotated(q.data() + ((s * c.length + t) * c.heads + head) * d, last);
    const int64_t base = (s * c.kv_heads + kv) * c.capacity * d;
    std::vector<double> scores;
    double largest = -1e300;
    for (int64_t p = 0; p <= last; ++p) {
      double sum = 0;
      for (int64_t i = 0; i < d; ++i)
        sum += query[static_cast<size_t>(i)] * f16_to_f32(keys[static_cast<size_t>(base + p * d + i)]);
      scores.push_back(sum * scale());
      largest = std::max(largest, scores.back());
    }
    double total = 0, sum = 0;
    for (int64_t p = 0; p <= last; ++p) {
      const double weight = std::exp(scores[static_cast<size_t>(p)] - largest);
      total += weight;
      sum += weight * f16_to_f32(values[static_cast<size_t>(base + p * d + channel)]);
    }
    return sum / total;
  }

  Case c;
  std::vector<float> q, k, v, cos, sin;
  std::vector<uint16_t> keys, values;
  std::vector<CachedSequence> sequences;
};

}  // namespace

TEST_CASE("attention: every implementation that there is") {
  check_tested("attention", attentions(), {InstructionSet::avx512, InstructionSet::avx2});
}

TEST_CASE("attention: prompts, later chunks and decode steps, grouped heads, any cache") {
  const std::vector<Case> cases = {
      {1, 1, 1, 1, 8, 4, {0}},         {1, 1, 4, 2, 16, 9, {8}},      {1, 5, 4, 4, 24, 64, {0}},
      {1, 70, 2, 1, 32, 80, {0}},      {1, 33, 6, 2, 40, 300, {200}}, {3, 1, 8, 2, 64, 130, {129, 0, 64}},
      {1, 1, 20, 20, 128, 300, {280}}, {1, 40, 7, 1, 128, 128, {63}}, {2, 3, 14, 2, 256, 70, {61, 5}},
  };
  for (const Case& c : cases) {
    for (const Attention& attention : attentions()) {
      CAPTURE(attention.name);
      CAPTURE(c.length);
      CAPTURE(c.head_dim);
      Step data(c);
      std::vector<float> out;
      const AttentionStep step = data.view(out);
      for (int64_t task = append_tasks(step) - 1; task >= 0; --task) attention.append(step, task);
      // New keys and values are in their places, rounded; nothing else changed.
      for (int64_t s = 0; s < c.batch; ++s) {
        for (int64_t head = 0; head < c.kv_heads; ++head) {
          const int64_t base = (s * c.kv_heads + head) * c.capacity * c.head_dim, past = c.past[static_cast<size_t>(s)];
          for (int64_t t = 0; t < c.length; ++t) {
            const int64_t from = ((s * c.length + t) * c.kv_heads + head) * c.head_dim;
            const std::vector<double> key = data.rotated(data.k.data() + from, past + t);
            for (int64_t i = 0; i < c.head_dim; ++i) {
              const auto at = static_cast<size_t>(base + (past + t) * c.head_dim + i);
              REQUIRE(f16_to_f32(data.keys[at]) == doctest::Approx(key[static_cast<size_t>(i)]).epsilon(0.0011));
              REQUIRE(data.values[at] == to_f16(data.v[static_cast<size_t>(from + i)]));
            }
          }
          for (int64_t i = (past + c.length) * c.head_dim; i < c.capacity * c.head_dim; ++i) {
            REQUIRE(data.keys[static_cast<size_t>(base + i)] == 0x7E00);
          }
        }
      }
      std::vector<uint8_t> memory(attend_scratch(step) + 64);
      uint8_t* scratch = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
      for (int64_t task = attend_tasks(step) - 1; task >= 0; --task) attention.attend(step, task, scratch);
      double worst = 0;
      for (int64_t s = 0; s < c.batch; ++s) {
        for (int64_t t = 0; t < c.length; ++t) {
          for (int64_t head = 0; head < c.heads; ++head) {
            for (int64_t i = 0; i < c.head_dim; i += 5) {
              const double got = out[static_cast<size_t>(((s * c.length + t) * c.heads + head) * c.head_dim + i)];
              const double difference = std::abs(got - data.expected(s, t, head, i));
              worst = difference >= worst || std::isnan(difference) ? difference : worst;
            }
          }
        }
      }
      CHECK(worst < 2e-5);
    }
  }
}
