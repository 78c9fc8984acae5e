// SPDX-License-Identifier: Apache-2.0
#include "cuda/decode_attention.h"

#include <algorithm>
#include <cfloat>

#include "cuda/elements.cuh"
#include "cuda/launch.cuh"

namespace vila::cuda {
namespace {

constexpr int kWarps = 4;
constexpr unsigned kThreads = kWarps * 32;
constexpr int32_t kShortestSplit = 64;
constexpr int32_t kMostSplits = 64;
constexpr int32_t kBlocksPerMultiprocessor = 4;
constexpr unsigned kAllLanes = 0xFFFFFFFF;
constexpr const char* kName = "decode_attention";
constexpr const char* kSumName = "decode_attention_sum";

/// A partial result of a head: head_dim sums, the largest score (in powers of 2), the sum of weights.
__host__ __device__ constexpr int partial_floats(int head_dim) { return head_dim + 2; }

/// The rows of split `split` of a sequence: begin <= end.
struct Range {
  int32_t begin, end;
};
__device__ Range range_of(int32_t length, int32_t splits, int32_t split) {
  const int32_t rows = max((length + splits - 1) / splits, kShortestSplit);
  const int32_t begin = min(length, split * rows);
  return {begin, min(length, begin + rows)};
}

/// Block (split, kv head and tile of its heads, request). A row is read by kLanes threads, 8 channels each (those beyond head_dim
/// have none), so that a warp reads several rows at once; the rows of a split go round the warps. Each such group keeps sums of its
/// own, put together at the end. kHeads query heads share the rows that are read.
template <typename Element, int kLanes, int kHeads>
__global__ void __launch_bounds__(kThreads) decode_attention_kernel(DecodeAttention a) {
  constexpr int kGroups = kWarps * 32 / kLanes;
  constexpr int kSteps = kHeads <= 4 ? 4 : 2;  // rows of a group in flight
  __shared__ float sums[kGroups][kHeads][kLanes * 8];
  __shared__ float bests[kGroups][kHeads], totals[kGroups][kHeads];

  const int32_t split = static_cast<int32_t>(blockIdx.x), request = static_cast<int32_t>(blockIdx.z);
  const int32_t head_dim = a.head_dim, group_size = a.heads / a.kv_heads;
  const int32_t tiles = (group_size + kHeads - 1) / kHeads;
  const int32_t kv_head = static_cast<int32_t>(blockIdx.y) / tiles, tile = static_cast<int32_t>(blockIdx.y) % tiles;
  const int32_t first_head = kv_head * group_size + tile * kHeads;
  const int32_t heads = min(kHeads, group_size - tile * kHeads);
  const auto length = static_cast<int32_t>(min(static_cast<int64_t>(max(a.lengths[request], 0)), a.capacity));
  const Range range = range_of(length, a.splits, split);
  const int64_t slot = a.slots != nullptr ? a.slots[request] : request;
  const int64_t base = (slot * a.kv_heads + kv_head) * a.capacity * head_dim;
  const Element* keys = static_cast<const Element*>(a.keys) + base;
  const Element* values = static_cast<const Element*>(a.values) + base;

  const int group = static_cast<int>(threadIdx.x) / kLanes, lane = static_cast<int>(threadIdx.x) % kLanes;
  const int channel = lane * 8;
  const bool used = channel < head_dim;
  constexpr float kLog2e = 1.4426950408889634F;  // scores are in powers of 2
  float q[kHeads][8], sum[kHeads][8], best[kHeads], total[kHeads];
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
    const bool there = used && h < heads;
    if (there) {
      const int64_t head = static_cast<int64_t>(request) * a.heads + first_head + h;
      load_eight(static_cast<const Element*>(a.q) + head * head_dim + channel, q[h]);
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      q[h][i] = there ? q[h][i] * (a.scale * kLog2e) : 0;
      sum[h][i] = 0;
    }
    best[h] = -FLT_MAX;
    total[h] = 0;
  }

  // Every thread of a warp goes through the loop equally often: they exchange numbers.
  for (int32_t start = range.begin; start < range.end; start += kGroups * kSteps) {
    float key[kSteps][8], value[kSteps][8];
    bool there[kSteps];
#pragma unroll
    for (int s = 0; s < kSteps; ++s) {
      const int32_t row = start + s * kGroups + group;
      there[s] = row < range.end;
      if (there[s] && used) {
        load_eight(keys + static_cast<int64_t>(row) * head_dim + channel, key[s]);
        load_eight(values + static_cast<int64_t>(row) * head_dim + channel, value[s]);
      } else {
#pragma unroll
        for (int i = 0; i < 8; ++i) key[s][i] = value[s][i] = 0;
      }
    }
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
      float score[kSteps], now = best[h];
#pragma unroll
      for (int s = 0; s < kSteps; ++s) {
        float part = 0;
#pragma unroll
        for (int i = 0; i < 8; ++i) part += q[h][i] * key[s][i];
#pragma unroll
        for (int distance = kLanes / 2; distance > 0; distance /= 2) part += __shfl_xor_sync(kAllLanes, part, distance);
        score[s] = there[s] ? part : -INFINITY;
        now = fmaxf(now, score[s]);
      }
      const float kept = exp2f(best[h] - now);
      best[h] = now;
      total[h] *= kept;
#pragma unroll
      for (int i = 0; i < 8; ++i) sum[h][i] *= kept;
#pragma unroll
      for (int s = 0; s < kSteps; ++s) {
        const float weight = exp2f(score[s] - now);
        total[h] += weight;
#pragma unroll
        for (int i = 0; i < 8; ++i) sum[h][i] += weight * value[s][i];
      }
    }
  }

#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
    if (used) {
#pragma unroll
      for (int i = 0; i < 8; ++i) sums[group][h][channel + i] = sum[h][i];
    }
    if (lane == 0) {
      bests[group][h] = best[h];
      totals[group][h] = total[h];
    }
  }
  __syncthreads();
  for (int at = static_cast<int>(threadIdx.x); at < heads * head_dim; at += kThreads) {
    const int h = at / head_dim, i = at % head_dim;
    float largest = -FLT_MAX, whole = 0, result = 0;
    for (int g = 0; g < kGroups; ++g) largest = fmaxf(largest, bests[g][h]);
    for (int g = 0; g < kGroups; ++g) {
      const float weight = exp2f(bests[g][h] - largest);
      whole += weight * totals[g][h];
      result += weight * sums[g][h][i];
    }
    const int64_t head = static_cast<int64_t>(request) * a.heads + first_head + h;
    if (a.splits == 1) {
      static_cast<Element*>(a.out)[head * head_dim + i] = from_float<Element>(length > 0 ? result / whole : 0);
    } else {
      float* partial = a.workspace + (head * a.splits + split) * partial_floats(head_dim);
      partial[i] = result;
      if (i == 0) {
        partial[head_dim] = largest;
        partial[head_dim + 1] = whole;
      }
    }
  }
}

/// Block (head, request), a channel a thread: the splits of a head to its result.
template <typename Element>
__global__ void decode_attention_sum_kernel(DecodeAttention a) {
  const int channel = static_cast<int>(threadIdx.x);
  const int64_t head = static_cast<int64_t>(blockIdx.y) * a.heads + blockIdx.x;
  const int64_t stride = partial_floats(a.head_dim);
  const float* partials = a.workspace + head * a.splits * stride;
  float largest = -FLT_MAX, whole = 0, result = 0;
  for (int s = 0; s < a.splits; ++s) largest = fmaxf(largest, partials[s * stride + a.head_dim]);
  for (int s = 0; s < a.splits; ++s) {
    const float* partial = partials + s * stride;
    const float weight = exp2f(partial[a.head_dim] - largest);
    whole += weight * partial[a.head_dim + 1];
    result += weight * partial[channel];
  }
  const bool empty = a.lengths[blockIdx.y] <= 0;
  static_cast<Element*>(a.out)[head * a.head_dim + channel] = from_float<Element>(empty ? 0 : result / whole);
}

template <typename Element, int kLanes, int kHeads>
void launch_tiles(const DecodeAttention& step, cudaStream_t stream) {
  const int32_t tiles = pieces(step.heads / step.kv_heads, kHeads);
  const dim3 grid(static_cast<unsigned>(step.splits), static_cast<unsigned>(step.kv_heads * tiles),
                  static_cast<unsigned>(step.batch));
  launch(kName, decode_attention_kernel<Element, kLanes, kHeads>, grid, kThreads, stream, step);
}

template <typename Element, int kLanes>
void launch_heads(const DecodeAttention& step, cudaStream_t stream) {
  const int32_t group = step.heads / step.kv_heads;
  if (group == 1) return launch_tiles<Element, kLanes, 1>(step, stream);
  if (group <= 4) return launch_tiles<Element, kLanes, 4>(step, stream);
  return launch_tiles<Element, kLanes, 8>(step, stream);
}

template <typename Element>
void launch_all(const DecodeAttention& step, cudaStream_t stream) {
  const int32_t lanes = step.head_dim / 8;
  if (lanes <= 2) {
    launch_heads<Element, 2>(step, stream);
  } else if (lanes <= 4) {
    launch_heads<Element, 4>(step, stream);
  } else if (lanes <= 8) {
    launch_heads<Element, 8>(step, stream);
  } else {
    launch_heads<Element, 16>(step, stream);
  }
  if (step.splits == 1) return;
  launch(kSumName, decode_attention_sum_kernel<Element>, dim3(static_cast<unsigned>(step.heads), static_cast<unsigned>(step.batch)),
         static_cast<unsigned>(step.head_dim), stream, step);
}

}  // namespace

int32_t decode_attention_splits(int32_t batch, int32_t kv_heads, int64_t capacity, int32_t multiprocessors) {
  const int64_t wanted =
      pieces<int64_t>(int64_t{kBlocksPerMultiprocessor} * multiprocessors, std::max<int64_t>(1, int64_t{batch} * kv_heads));
  const int64_t most = std::min<int64_t>(kMostSplits, pieces<int64_t>(capacity, kShortestSplit));
  return static_cast<int32_t>(std::max<int64_t>(1, std::min(wanted, most)));
}

size_t decode_attention_workspace(int32_t batch, int32_t heads, int32_t head_dim, int32_t splits) {
  if (splits <= 1) return 0;
  return static_cast<size_t>(batch) * static_cast<size_t>(heads) * static_cast<size_t>(splits) *
         static_cast<size_t>(partial_floats(head_dim));
}

int32_t decode_attention_multiprocessors() {
  int device = 0, count = 0;
  check(cudaGetDevice(&device), kName);
  check(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device), kName);
  return count;
}

const DecodeAttentionFunctions& decode_attention_functions() {
  static constexpr DecodeAttentionFunctions functions{decode_attention_multiprocessors, decode_attention_splits,
                                                      decode_attention_workspace, decode_attention};
  return functions;
}

void decode_attention(const DecodeAttention& step, cudaStream_t stream) {
  require(step.batch >= 1 && step.batch <= 65535, kName, "batch", step.batch, "1 to 65535");
  require(step.kv_heads >= 1, kName, "kv_heads", step.kv_heads, "at least 1");
  require(step.heads >= 1 && step.heads <= 65535 && step.heads % step.kv_heads == 0, kName, "heads", step.heads,
          "a multiple of kv_heads of at most 65535");
  require(decode_attention_takes(step.head_dim), kName, "head_dim", step.head_dim, "a multiple of 8 from 8 to 128");
  require(step.capacity >= 1 && step.capacity <= (1 << 30), kName, "capacity", step.capacity, "1 to 1073741824");
  require(step.splits >= 1 && step.splits <= kMostSplits, kName, "splits", step.splits, "1 to 64");
  require(step.type == DType::f16 || step.type == DType::bf16, kName, "type", name_of(step.type), "fp16 or bf16");
  require_pointer(step.q, kName, "q", 16);
  require_pointer(step.keys, kName, "keys", 16);
  require_pointer(step.values, kName, "values", 16);
  require_pointer(step.lengths, kName, "lengths", sizeof(int32_t));
  require_pointer(step.out, kName, "out", size_of(step.type));
  if (step.splits > 1) require_pointer(step.workspace, kName, "workspace", sizeof(float));
  if (step.type == DType::f16) {
    launch_all<__half>(step, stream);
  } else {
    launch_all<__nv_bfloat16>(step, stream);
  }
}

}  // namespace vila::cuda
