// SPDX-License-Identifier: Apache-2.0
// Attention of a decode step against plain double sums over the same rounded numbers.
#include "cuda/decode_attention.h"

#include "cuda/attention_step.h"
#include "cuda/device.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

TEST_CASE("attention: grouped heads, every head size and type, splits, requests of different lengths") {
  const std::vector<AttentionCase> cases = {
      {1, 1, 64, 1, 1, DType::f16, {1}, {}},
      {4, 4, 64, 70, 1, DType::f16, {70, 3, 0, 33}, {}},
      {4, 1, 80, 131, 2, DType::bf16, {131, 64}, {2, 0}},
      {6, 3, 80, 300, 5, DType::f16, {299, 1}, {}},
      {14, 2, 128, 200, 3, DType::f16, {200, 65, 0}, {1, 2, 0}},
      {32, 8, 128, 257, 4, DType::bf16, {257}, {}},
      {18, 2, 64, 97, 1, DType::f16, {97}, {}},         // more heads to a cache head than a block takes
      {5, 5, 128, 520, 8, DType::f16, {513, 600}, {}},  // more than the capacity counts as the capacity
      {1, 1, 80, 64, 64, DType::bf16, {10}, {}},
      {4, 2, 8, 300, 4, DType::f16, {300, 77}, {}},  // the head sizes of small models
      {14, 2, 16, 520, 2, DType::bf16, {520}, {}},
      {3, 3, 24, 150, 3, DType::f16, {149, 2}, {1, 0}},
      {8, 2, 32, 257, 1, DType::bf16, {257}, {}},
      {5, 1, 56, 99, 2, DType::f16, {99}, {}},
      {6, 2, 96, 301, 5, DType::f16, {301, 128}, {}},
      {2, 2, 120, 131, 2, DType::bf16, {130}, {}},
  };
  uint32_t seed = 20;
  for (const AttentionCase& c : cases) {
    ++seed;
    CAPTURE(seed);
    CAPTURE(c.heads);
    CAPTURE(c.head_dim);
    CAPTURE(c.splits);
    const AttentionStep data(c, seed);
    const DeviceArray<uint16_t> q(data.q), keys(data.keys), values(data.values), out(data.q.size());
    const DeviceArray<int32_t> lengths(c.lengths), slots(c.slots);
    const DeviceArray<float> workspace(cuda::decode_attention_workspace(data.batch(), c.heads, c.head_dim, c.splits));
    cuda::DecodeAttention step;
    step.batch = data.batch();
    step.heads = c.heads;
    step.kv_heads = c.kv_heads;
    step.head_dim = c.head_dim;
    step.capacity = c.capacity;
    step.splits = c.splits;
    step.scale = data.scale();
    step.type = c.type;
    step.q = q.get();
    step.keys = keys.get();
    step.values = values.get();
    step.slots = c.slots.empty() ? nullptr : slots.get();
    step.lengths = lengths.get();
    step.workspace = workspace.get();
    step.out = out.get();
    cuda::decode_attention(step, nullptr);
    CHECK(data.worst(out.read()) < 5e-5);
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
  for (const int32_t head_dim : {0, -8, 4, 100, 136}) {
    CHECK(message([&](cuda::DecodeAttention& s) { s.head_dim = head_dim; }) ==
          "1:decode_attention: head_dim is " + std::to_string(head_dim) + ", expected a multiple of 8 from 8 to 128");
  }
  CHECK(message([](cuda::DecodeAttention& s) { s.type = DType::f32; }) ==
        "1:decode_attention: type is fp32, expected fp16 or bf16");
  CHECK(message([](cuda::DecodeAttention& s) { s.batch = 0; }) == "1:decode_attention: batch is 0, expected 1 to 65535");
  CHECK(message([](cuda::DecodeAttention& s) { s.splits = 2; }) == "1:decode_attention: workspace is null, expected device memory");
  CHECK(message([](cuda::DecodeAttention& s) { s.splits = 65; }) == "1:decode_attention: splits is 65, expected 1 to 64");
  CHECK(message([](cuda::DecodeAttention& s) { s.keys = nullptr; }) == "1:decode_attention: keys is null, expected device memory");
}
