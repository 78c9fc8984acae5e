// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/device_cache.h"

#include <algorithm>
#include <utility>

#include "common/error.h"
#include "plan/tensorrt/device_group.h"

namespace vila::plan::tensorrt {

DeviceSampling::DeviceSampling(int64_t vocab, const GenerationOptions& options, uint64_t seed, const std::vector<int32_t>& prompt,
                               DeviceStream& stream)
    : twister(sizeof(cuda::Twister)), request(sizeof(cuda::SamplingRequest)) {
  const cuda::Penalties penalties{options.repetition_penalty, options.presence_penalty, options.frequency_penalty};
  wanted = {0, options.temperature, options.top_k, options.top_p, options.min_p, penalties};
  stages = cuda::stages_of({wanted}, static_cast<int32_t>(vocab));
  if (stages.penalties) seen = DeviceMemory(static_cast<size_t>(vocab) * sizeof(uint32_t));
  slots = {twister.get<cuda::Twister>(), seen.get<uint32_t>(), 1, static_cast<int32_t>(vocab)};
  const DeviceMemory ids(prompt.size() * sizeof(int32_t));
  stream.copy(request.get(), &wanted, sizeof wanted, cudaMemcpyHostToDevice);
  if (!prompt.empty()) stream.copy(ids.get(), prompt.data(), ids.bytes(), cudaMemcpyHostToDevice);
  cuda::begin_sampling(slots, 0, seed, ids.get<int32_t>(), static_cast<int32_t>(prompt.size()), stream.get());
  stream.wait();
}

DeviceWork::DeviceWork(const DecoderSizes& sizes_, std::shared_ptr<const ResidentTable> table_)
    : sizes(sizes_), table(std::move(table_)) {}

DeviceWork::~DeviceWork() = default;

DeviceCache::DeviceCache(DeviceWork& work, int64_t limit)
    : work_(work),
      limit_(std::min(limit, work.sizes.capacities.back())),
      logits_(static_cast<size_t>(work.sizes.vocab) * sizeof(float)) {
  const size_t row = static_cast<size_t>(work.sizes.head_dim) * size_of(work.sizes.compute);
  if (row % 16 != 0) fail(ErrorCode::unsupported, "KV cache: rows of ", row, " bytes, expected a multiple of 16");
}

DeviceCache::~DeviceCache() {
  const std::lock_guard lock(work_.mutex);
  if (group != nullptr) group->forget(*this);  // nothing of CUDA
}

void DeviceCache::reserve(int64_t positions, int64_t used) {
  if (positions > limit_) fail(ErrorCode::capacity, "KV cache: ", positions, " positions asked for, at most ", limit_);
  const std::lock_guard lock(work_.mutex);
  const DeviceScope scope(work_.device);
  if (positions <= capacity()) return;
  const int64_t capacity = *std::lower_bound(work_.sizes.capacities.begin(), work_.sizes.capacities.end(), positions);
  if (group != nullptr) group->leave(*this);
  const auto grow = [&] {
    CacheBuffers larger(work_.sizes, 1, capacity, work_.stream);
    larger.copy_rows(buffers_, 0, 0, used, work_.stream);
    work_.stream.wait();
    buffers_ = std::move(larger);
  };
  try {
    grow();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::capacity || work_.group == nullptr) throw;
    work_.group.reset();
    grow();
  }
  step = DeviceGraph();
}

void DeviceCache::copy_rows(SequenceCache& from, int64_t rows) {
  auto* other = dynamic_cast<DeviceCache*>(&from);
  if (other == nullptr) fail(ErrorCode::internal, "KV cache: a cache of another backend");
  const std::lock_guard lock(work_.mutex);
  const DeviceScope scope(work_.device);
  if (rows < 0 || rows > capacity() || rows > other->capacity()) {
    fail(ErrorCode::internal, "KV cache: ", rows, " rows from one of ", other->capacity(), " to one of ", capacity());
  }
  for (DeviceCache* cache : {other, this}) {
    if (cache->group != nullptr) cache->group->leave(*cache);
  }
  buffers_.copy_rows(other->buffers_, 0, 0, rows, work_.stream);
  work_.stream.wait();
  filled = rows;
}

int64_t DeviceCache::bytes() const {
  const DecoderSizes& sizes = work_.sizes;
  return 2 * sizes.layers * sizes.kv_heads * sizes.head_dim * static_cast<int64_t>(size_of(sizes.compute)) * capacity();
}

}  // namespace vila::plan::tensorrt
