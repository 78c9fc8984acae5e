// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/cache_buffers.h"

#include <vector>

namespace vila::plan::tensorrt {
namespace {

constexpr size_t kAlignment = 256;  // of every address that TensorRT takes
constexpr size_t kWord = 2;         // copy_cache_rows() counts in elements of 2 bytes

size_t row_bytes(const DecoderSizes& sizes) { return static_cast<size_t>(sizes.head_dim) * size_of(sizes.compute); }

}  // namespace

CacheBuffers::CacheBuffers(const DecoderSizes& sizes, int64_t slots, int64_t capacity, DeviceStream& stream)
    : sizes_(&sizes), slots_(slots), capacity_(capacity) {
  const auto buffers = static_cast<size_t>(2 * sizes.layers);
  const size_t bytes = static_cast<size_t>(slots * sizes.kv_heads * capacity) * row_bytes(sizes);
  stride_ = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  memory_ = DeviceMemory(buffers * stride_);
  pointers_ = DeviceMemory(buffers * sizeof(void*));
  std::vector<void*> addresses;
  for (size_t i = 0; i < buffers; ++i) addresses.push_back(memory_.at(i * stride_));
  stream.copy(pointers_.get(), addresses.data(), pointers_.bytes(), cudaMemcpyHostToDevice);
  stream.clear(memory_.get(), memory_.bytes());
  stream.wait();
}

void CacheBuffers::copy_rows(const CacheBuffers& from, int64_t from_slot, int64_t to_slot, int64_t rows, DeviceStream& stream) {
  if (rows == 0) return;
  cuda::copy_cache_rows(from.view(), static_cast<int32_t>(from_slot), view(), static_cast<int32_t>(to_slot), rows,
                        static_cast<int32_t>(2 * sizes_->layers), static_cast<int32_t>(sizes_->kv_heads),
                        static_cast<int32_t>(row_bytes(*sizes_) / kWord), stream.get());
}

}  // namespace vila::plan::tensorrt
