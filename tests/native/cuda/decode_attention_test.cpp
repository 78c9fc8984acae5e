// SPDX-License-Identifier: Apache-2.0
// Attention of a decode step against plain double sums over the same rounded numbers.
#include "cuda/decode_attention.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "common/rounding.h"
#include "cuda/device.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

struct Case {
  int32_t heads, kv_heads, head_dim;
  int64_t capacity;
  int32_t splits;
  DType type;
  std::vector<int32_t> lengths, slots;  ///< slots may be empty: request b has slot b
};

uint16_t rounded(DType type, float value) { return type == DType::f16 ? to_f16(value) : to_bf16(value); }
float widened(DType type, uint16_t bits) { return type == DType::f16 ? f16_to_f32(bits) : bf16_to_f32(bits); }

/// Numbers of one step. Rows that no request may see are NaN.
struct Step {
  Step(const Case& from, uint32_t seed) : c(from) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    const auto d = static_cast<size_t>(c.head_dim);
    for (size_t i = 0; i < c.lengths.size() * static_cast<size_t>(c.heads) * d; ++i)
      q.push_back(rounded(c.type, 3 * normal(random)));
    int32_t slots = 0;
    for (size_t b = 0; b < c.lengths.size(); ++b) slots = std::max(slots, slot(b) + 1);
    keys.assign(static_cast<size_t>(int64_t{slots} * c.kv_heads * c.capacity) * d, rounded(c.type, std::nanf("")));
    values = keys;
    for (size_t b = 0; b < c.lengths.size(); ++b) {
      for (int32_t head = 0; head < c.kv_heads; ++head) {
        for (int64_t i = 0; i < std::min<int64_t>(c.lengths[b], c.capacity) * c.head_dim; ++i) {
          const auto at = row_at(b, head, 0) + static_cast<size_t>(i);
          keys[at] = rounded(c.type, normal(random));
          values[at] = rounded(c.type, normal(random));
        }
      }
    }
  }
  int32_t slot(size_t b) const { return c.slots.empty() ? static_cast<int32_t>(b) : c.slots[b]; }
  size_t row_at(size_t b, int32_t kv_head, int64_t row) const {
    return static_cast<size_t>(((int64_t{slot(b)} * c.kv_heads + kv_head) * c.capacity + row) * c.head_dim);
  }

  std::vector<double> expected(size_t b, int32_t head, float scale) const {
    const auto d = static_cast<size_t>(c.head_dim);
    const size_t query = (b * static_cast<size_t>(c.heads) + static_cast<size_t>(head)) * d;
    const int64_t length = std::min<int64_t>(c.lengths[b], c.capacity);
    std::vector<double> scores, sums(d, 0.0);
    double largest = -1e300, total = 0;
    for (int64_t row = 0; row < length; ++row) {
      const size_t at = row_at(b, head / (c.heads / c.kv_heads), row);
      double score = 0;
      for (size_t i = 0; i < d; ++i) score += static_cast<double>(widened(c.type, q[query + i])) * widened(c.type, keys[at + i]);
      scores.push_back(score * scale);
      largest = std::max(largest, scores.back());
    }
    for (int64_t row = 0; row < length; ++row) {
      const size_t at = row_at(b, head / (c.heads / c.kv_heads), row);
      const double weight = std::exp(scores[static_cast<size_t>(row)] - largest);
      total += weight;
      for (size_t i = 0; i < d; ++i) sums[i] += weight * widened(c.type, values[at + i]);
    }
    for (double& sum : sums) sum = total > 0 ? sum / total : 0;
    return sums;
  }

  Case c;
  std::vector<uint16_t> q, keys, values;
};

}  // namespace

TEST_CASE("attention: grouped heads, every head size and type, splits, requests of different lengths") {
  const std::vector<Case> cases = {
      {1, 1, 64, 1, 1, DType::f16, {1}, {}},
      {4, 4, 64, 70, 1, DType::f16, {70, 3, 0, 33}, {}},
      {4, 1, 80, 131, 2, DType::bf16, {131, 64}, {2, 0}},
      {6, 3, 80, 300, 5, DType::f16, {299, 1}, {}},
      {14, 2, 128, 200, 3, DType::f16, {200, 65, 0}, {1, 2, 0}},
      {32, 8, 128, 257, 4, DType::bf16, {257}, {}},
      {18, 2, 64, 97, 1, DType::f16, {97}, {}},         // more heads to a cache head than a block takes
      {5, 5, 128, 520, 8, DType::f16, {513, 600}, {}},  // more than the capacity counts as the capacity
      {1, 1, 80, 64, 64, DType::bf16, {10}, {}},
  };
  uint32_t seed = 20;
  for (const Case& c : cases) {
    ++seed;
    CAPTURE(seed);
    CAPTURE(c.heads);
    CAPTURE(c.head_dim);
    CAPTURE(c.splits);
    const Step data(c, seed);
    const auto batch = static_cast<int32_t>(c.lengths.size());
    const DeviceArray<uint16_t> q(data.q), keys(data.keys), values(data.values), out(data.q.size());
    const DeviceArray<int32_t> lengths(c.lengths), slots(c.slots);
    const DeviceArray<float> workspace(cuda::decode_attention_workspace(batch, c.heads, c.head_dim, c.splits));
    cuda::DecodeAttention step;
    step.batch = batch;
    step.heads = c.heads;
    step.kv_heads = c.kv_heads;
    step.head_dim = c.head_dim;
    step.capacity = c.capacity;
    step.splits = c.splits;
    step.scale = 1.0F / std::sqrt(static_cast<float>(c.head_dim));
    step.type = c.type;
    step.q = q.get();
    step.keys = keys.get();
    step.values = values.get();
    step.slots = c.slots.empty() ? nullptr : slots.get();
    step.lengths = lengths.get();
    step.workspace = workspace.get();
    step.out = out.get();
    cuda::decode_attention(step, nullptr);
    const std::vector<uint16_t> got = out.read();
    const double half_unit = c.type == DType::f16 ? 0x1p-11 : 0x1p-8;  // of the result's rounding, relative
    double worst = 0;                                                  // what float32 sums add to it
    for (size_t b = 0; b < c.lengths.size(); ++b) {
      for (int32_t head = 0; head < c.heads; ++head) {
        const std::vector<double> expected = data.expected(b, head, step.scale);
        for (size_t i = 0; i < expected.size(); ++i) {
          const size_t at = (b * static_cast<size_t>(c.heads) + static_cast<size_t>(head)) * expected.size() + i;
          const double difference = std::abs(widened(c.type, got[at]) - expected[i]) - half_unit * std::abs(expected[i]);
          worst = difference >= worst || std::isnan(difference) ? difference : worst;
        }
      }
    }
    CHECK(worst < 5e-5);
  }
}

TEST_CASE("splits fill a device and are not shorter than 64 rows") {
  CHECK(cuda::decode_attention_splits(1, 8, 64, 132) == 1);
  CHECK(cuda::decode_attention_splits(1, 8, 512, 132) == 8);
  CHECK(cuda::decode_attention_splits(1, 8, 1 << 17, 132) == 64);
  CHECK(cuda::decode_attention_splits(64, 8, 4096, 132) == 2);
  CHECK(cuda::decode_attention_splits(64, 40, 4096, 132) == 1);
  CHECK(cuda::decode_attention_workspace(3, 8, 128, 1) == 0);
  CHECK(cuda::decode_attention_workspace(3, 8, 128, 2) == 3 * 8 * 2 * 130);
}

TEST_CASE("bad arguments of attention, with the exact message") {
  const DeviceArray<uint16_t> memory(4096);
  const DeviceArray<int32_t> lengths(std::vector<int32_t>{1});
  const auto message = [&](auto&& change) {
    cuda::DecodeAttention step{1,
                               2,
                               1,
                               64,
                               4,
                               1,
                               1.0F,
                               DType::f16,
                               memory.get(),
                               memory.get(),
                               memory.get(),
                               nullptr,
                               lengths.get(),
                               nullptr,
                               memory.get() + 2048};
    change(step);
    return error_of([&] { cuda::decode_attention(step, nullptr); });
  };
  CHECK(message([](cuda::DecodeAttention& s) { s.heads = 3, s.kv_heads = 2; }) ==
        "1:decode_attention: heads is 3, expected a multiple of kv_heads of at most 65535");
  CHECK(message([](cuda::DecodeAttention& s) { s.head_dim = 96; }) == "1:decode_attention: head_dim is 96, expected 64, 80 or 128");
  CHECK(message([](cuda::DecodeAttention& s) { s.type = DType::f32; }) ==
        "1:decode_attention: type is fp32, expected fp16 or bf16");
  CHECK(message([](cuda::DecodeAttention& s) { s.batch = 0; }) == "1:decode_attention: batch is 0, expected 1 to 65535");
  CHECK(message([](cuda::DecodeAttention& s) { s.splits = 2; }) == "1:decode_attention: workspace is null, expected device memory");
  CHECK(message([](cuda::DecodeAttention& s) { s.splits = 65; }) == "1:decode_attention: splits is 65, expected 1 to 64");
  CHECK(message([](cuda::DecodeAttention& s) { s.keys = nullptr; }) == "1:decode_attention: keys is null, expected device memory");
}
