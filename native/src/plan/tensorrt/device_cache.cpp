// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/device_cache.h"

#include <algorithm>
#include <utility>

#include "common/error.h"
#include "cuda/cache_copy.h"

namespace vila::plan::tensorrt {
namespace {

constexpr size_t kAlignment = 256;  // of every address that TensorRT takes
constexpr size_t kWord = 2;         // copy_cache_rows() counts in elements of 2 bytes

size_t row_bytes(const DecoderSizes& sizes) { return static_cast<size_t>(sizes.head_dim) * size_of(sizes.compute); }

}  // namespace

DeviceSampling::DeviceSampling(int64_t vocab, const GenerationOptions& options, uint64_t seed, const std::vector<int32_t>& prompt,
                               DeviceStream& stream)
    : twister(sizeof(cuda::Twister)), request(sizeof(cuda::SamplingRequest)) {
  const cuda::Penalties penalties{options.repetition_penalty, options.presence_penalty, options.frequency_penalty};
  const cuda::SamplingRequest wanted{0, options.temperature, options.top_k, options.top_p, options.min_p, penalties};
  stages = cuda::stages_of({wanted}, static_cast<int32_t>(vocab));
  if (stages.penalties) seen = DeviceMemory(static_cast<size_t>(vocab) * sizeof(uint32_t));
  slots = {twister.get<cuda::Twister>(), seen.get<uint32_t>(), 1, static_cast<int32_t>(vocab)};
  const DeviceMemory ids(prompt.size() * sizeof(int32_t));
  stream.copy(request.get(), &wanted, sizeof wanted, cudaMemcpyHostToDevice);
  if (!prompt.empty()) stream.copy(ids.get(), prompt.data(), ids.bytes(), cudaMemcpyHostToDevice);
  cuda::begin_sampling(slots, 0, seed, ids.get<int32_t>(), static_cast<int32_t>(prompt.size()), stream.get());
  stream.wait();
}

DeviceCache::DeviceCache(const DecoderSizes& sizes, int64_t limit, std::mutex& mutex, DeviceStream& stream)
    : sizes_(sizes),
      limit_(std::min(limit, sizes.capacities.back())),
      mutex_(mutex),
      stream_(stream),
      logits_(static_cast<size_t>(sizes.vocab) * sizeof(float)) {
  if (row_bytes(sizes) % 16 != 0) {
    fail(ErrorCode::unsupported, "KV cache: rows of ", row_bytes(sizes), " bytes, expected a multiple of 16");
  }
}

void DeviceCache::reserve(int64_t positions, int64_t used) {
  if (positions > limit_) fail(ErrorCode::capacity, "KV cache: ", positions, " positions asked for, at most ", limit_);
  if (positions <= capacity_) return;
  const int64_t capacity = *std::lower_bound(sizes_.capacities.begin(), sizes_.capacities.end(), positions);
  const std::lock_guard lock(mutex_);
  const auto buffers = static_cast<size_t>(2 * sizes_.layers);
  const size_t bytes = static_cast<size_t>(sizes_.kv_heads * capacity) * row_bytes(sizes_);
  const size_t stride = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  DeviceMemory memory(buffers * stride), pointers(buffers * sizeof(void*));
  std::vector<void*> addresses;
  for (size_t i = 0; i < buffers; ++i) addresses.push_back(memory.at(i * stride));
  stream_.copy(pointers.get(), addresses.data(), pointers.bytes(), cudaMemcpyHostToDevice);
  stream_.clear(memory.get(), memory.bytes());
  if (used > 0) {
    cuda::copy_cache_rows({pointers_.get<void*>(), 1, capacity_}, 0, {pointers.get<void*>(), 1, capacity}, 0, used,
                          static_cast<int32_t>(buffers), static_cast<int32_t>(sizes_.kv_heads),
                          static_cast<int32_t>(row_bytes(sizes_) / kWord), stream_.get());
  }
  stream_.wait();
  memory_ = std::move(memory);
  pointers_ = std::move(pointers);
  stride_ = stride;
  capacity_ = capacity;
  step = DeviceGraph();
}

}  // namespace vila::plan::tensorrt
