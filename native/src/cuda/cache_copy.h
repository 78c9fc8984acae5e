// SPDX-License-Identifier: Apache-2.0
// Rows of the KV cache from one slot to another: a prompt that begins as another slot's does, or a move to a larger cache.
#pragma once

#include <cstdint>

#include "cuda/stream.h"

namespace vila::cuda {

/// A cache of all layers: `buffers` is device memory with 2 * layers device pointers (every layer's keys and values, in any order
/// that both caches share), each to [slots, kv_heads, capacity, head_dim] of 2-byte elements (fp16, bf16), 16-byte aligned.
struct CacheView {
  void* const* buffers = nullptr;
  int32_t slots = 0;
  int64_t capacity = 0;
};

/// Kernel "copy_cache_rows": for every buffer and head, rows [0, rows) of slot `from_slot` of `from` to slot `to_slot` of `to`.
/// Other rows are not touched. `head_dim` is a multiple of 8. `from` and `to` may be one cache if the slots differ; they may not
/// overlap otherwise. rows 0 does nothing.
void copy_cache_rows(const CacheView& from, int32_t from_slot, const CacheView& to, int32_t to_slot, int64_t rows, int32_t buffers,
                     int32_t kv_heads, int32_t head_dim, cudaStream_t stream);

}  // namespace vila::cuda
