// SPDX-License-Identifier: Apache-2.0
#include "cuda/cache_copy.h"

#include <algorithm>

#include "cuda/launch.cuh"

namespace vila::cuda {
namespace {

constexpr unsigned kThreads = 256;
/// 16-byte words that a thread copies, where there are as many.
constexpr int64_t kWordsPerThread = 4;
constexpr int64_t kMostPieces = 1024;
constexpr const char* kName = "copy_cache_rows";

struct Copy {
  void* const* from;
  void* const* to;
  int64_t words;                   ///< of 16 bytes, in the rows of one head
  int64_t from_offset, to_offset;  ///< of the slots, in words
  int64_t from_stride, to_stride;  ///< from head to head, in words
};

/// Block (piece, head, buffer).
__global__ void copy_cache_rows_kernel(Copy a) {
  const int64_t head = blockIdx.y;
  const auto* from = static_cast<const uint4*>(a.from[blockIdx.z]) + a.from_offset + head * a.from_stride;
  auto* to = static_cast<uint4*>(a.to[blockIdx.z]) + a.to_offset + head * a.to_stride;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < a.words; i += step) to[i] = from[i];
}

void require_cache(const CacheView& cache, int32_t slot, int64_t rows, const char* name, const char* slot_name) {
  require_pointer(cache.buffers, kName, name, alignof(void*));
  if (slot < 0 || slot >= cache.slots) {
    fail(ErrorCode::invalid_argument, kName, ": ", slot_name, " is ", slot, ", expected 0 to ", cache.slots - 1);
  }
  if (rows < 0 || rows > cache.capacity) {
    fail(ErrorCode::invalid_argument, kName, ": rows is ", rows, ", expected 0 to the capacity ", cache.capacity, " of ", name);
  }
}

}  // namespace

void copy_cache_rows(const CacheView& from, int32_t from_slot, const CacheView& to, int32_t to_slot, int64_t rows, int32_t buffers,
                     int32_t kv_heads, int32_t head_dim, cudaStream_t stream) {
  require_cache(from, from_slot, rows, "from", "from_slot");
  require_cache(to, to_slot, rows, "to", "to_slot");
  require(from.buffers != to.buffers || from_slot != to_slot, kName, "to_slot", to_slot,
          "another slot than from_slot in one cache");
  require(buffers >= 1 && buffers <= 65535, kName, "buffers", buffers, "1 to 65535");
  require(kv_heads >= 1 && kv_heads <= 65535, kName, "kv_heads", kv_heads, "1 to 65535");
  require(head_dim >= 8 && head_dim % 8 == 0, kName, "head_dim", head_dim, "a multiple of 8");
  if (rows == 0) return;
  const int64_t row = head_dim / 8;
  const Copy copy{from.buffers,
                  to.buffers,
                  rows * row,
                  int64_t{from_slot} * kv_heads * from.capacity * row,
                  int64_t{to_slot} * kv_heads * to.capacity * row,
                  from.capacity * row,
                  to.capacity * row};
  const int64_t count = std::min(pieces(copy.words, kWordsPerThread * static_cast<int64_t>(kThreads)), kMostPieces);
  launch(kName, copy_cache_rows_kernel,
         dim3(static_cast<unsigned>(count), static_cast<unsigned>(kv_heads), static_cast<unsigned>(buffers)), kThreads, stream,
         copy);
}

}  // namespace vila::cuda
