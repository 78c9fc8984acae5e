// SPDX-License-Identifier: Apache-2.0
// Causal attention of a decoder step over an fp16 key/value cache that it extends in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vila::kernels {

/// Where one sequence's keys and values of a layer lie.
struct CachedSequence {
  uint16_t* keys = nullptr;    ///< fp16 [kv_heads, capacity, head_dim], rotated
  uint16_t* values = nullptr;  ///< as keys
  int64_t capacity = 0;
  int64_t past = 0;            ///< positions it holds; past + length is at most capacity and at most the tables' positions
};

/// One layer's step. Rotary embedding is the half-split form: (a, b) = (x[i], x[i + d/2]) becomes (a cos - b sin, b cos + a sin).
/// This step adds `length` positions to each sequence, and each of them attends to itself and all before it in its sequence.
struct AttentionStep {
  int64_t batch = 0, length = 0, heads = 0, kv_heads = 0, head_dim = 0;
  const float* q = nullptr;       ///< [batch, length, heads * head_dim], not rotated
  const float* k = nullptr;       ///< [batch, length, kv_heads * head_dim], not rotated
  const float* v = nullptr;       ///< as k
  const float* cos = nullptr;     ///< [positions, head_dim / 2]
  const float* sin = nullptr;     ///< as cos
  const CachedSequence* sequences = nullptr;  ///< [batch], each with memory of its own
  float scale = 1;                ///< of q times k
  float* out = nullptr;           ///< [batch, length, heads * head_dim]
};

/// One implementation. All tasks of append() must be done before the first of attend(); tasks of one kind may run at once.
struct Attention {
  const char* name;  ///< "portable", "avx2", "avx512"
  /// Task `task` of append_tasks(): rotates new keys, and writes them and new values into the cache.
  void (*append)(const AttentionStep& step, int64_t task);
  /// Task `task` of attend_tasks(). `scratch` has attend_scratch() bytes, aligned to 64, and belongs to this call alone.
  void (*attend)(const AttentionStep& step, int64_t task, uint8_t* scratch);
};

int64_t append_tasks(const AttentionStep& step);
int64_t attend_tasks(const AttentionStep& step);
size_t attend_scratch(const AttentionStep& step);

/// The implementations that this processor can run, best first; never empty, the last one is "portable".
const std::vector<Attention>& attentions();

}  // namespace vila::kernels
