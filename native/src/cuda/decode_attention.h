// SPDX-License-Identifier: Apache-2.0
// Attention of one new position per request over its rows of the KV cache (the decode step of a decoder layer).
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/dtype.h"
#include "cuda/stream.h"

namespace vila::cuda {

/// One layer's step. For request b and head h, with kv = h / (heads / kv_heads) and row r of slots[b]:
///   out[b, h] = sum over r < lengths[b] of softmax_r(scale * q[b, h] . keys[r, kv]) * values[r, kv]
/// Queries and keys are rotated already and the step's own row is in the cache: lengths count it. Products and sums are float32,
/// the softmax is the online form of Milakov and Gimelshein ("Online normalizer calculation for softmax", 2018), sequences are
/// split over blocks and put together by a second kernel as in Flash-Decoding (Dao, Haziza, Massa, Sizov, 2023).
struct DecodeAttention {
  int32_t batch = 0, heads = 0, kv_heads = 0;  ///< heads is a multiple of kv_heads
  int32_t head_dim = 0;                        ///< see decode_attention_takes()
  int64_t capacity = 0;                        ///< rows of a slot
  int32_t splits = 1;                          ///< of each sequence: see decode_attention_splits()
  float scale = 1;
  DType type = DType::f16;           ///< of q, keys, values and out: f16 or bf16
  const void* q = nullptr;           ///< [batch, heads, head_dim], 16-byte aligned
  const void* keys = nullptr;        ///< [slots, kv_heads, capacity, head_dim], 16-byte aligned
  const void* values = nullptr;      ///< as keys
  const int32_t* slots = nullptr;    ///< [batch]; null: request b has slot b
  const int32_t* lengths = nullptr;  ///< [batch], at most capacity (more counts as capacity); 0 or less: out is 0
  float* workspace = nullptr;        ///< decode_attention_workspace() floats; may be null with one split
  void* out = nullptr;               ///< [batch, heads, head_dim]
};

/// Whether the kernel is there for heads of this size: multiples of 8 from 8 to 128.
constexpr bool decode_attention_takes(int64_t head_dim) { return head_dim >= 8 && head_dim <= 128 && head_dim % 8 == 0; }

/// Multiprocessors of the current device. Host. Throws backend.
int32_t decode_attention_multiprocessors();

/// How many splits fill a device of `multiprocessors`: at most 64, and none shorter than 64 rows of a full slot. Host.
int32_t decode_attention_splits(int32_t batch, int32_t kv_heads, int64_t capacity, int32_t multiprocessors);

/// Floats of the workspace; 0 for one split.
size_t decode_attention_workspace(int32_t batch, int32_t heads, int32_t head_dim, int32_t splits);

/// Kernels "decode_attention" and, with several splits, "decode_attention_sum". Rows at and beyond a request's length are never
/// read, so they may hold anything. Results do not depend on what else is in the batch; another number of splits changes the order
/// of sums.
void decode_attention(const DecodeAttention& step, cudaStream_t stream);

/// These functions for one who does not link this room (plan/tensorrt/decode_attention_plugin.h).
struct DecodeAttentionFunctions {
  int32_t (*multiprocessors)() = nullptr;
  int32_t (*splits)(int32_t batch, int32_t kv_heads, int64_t capacity, int32_t multiprocessors) = nullptr;
  size_t (*workspace)(int32_t batch, int32_t heads, int32_t head_dim, int32_t splits) = nullptr;
  void (*launch)(const DecodeAttention& step, cudaStream_t stream) = nullptr;
};
const DecodeAttentionFunctions& decode_attention_functions();

}  // namespace vila::cuda
