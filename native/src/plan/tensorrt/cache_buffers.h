// SPDX-License-Identifier: Apache-2.0
// Keys and values of sequences in device memory, as the graphs take them.
#pragma once

#include <cstdint>

#include "cuda/cache_copy.h"
#include "plan/device_backend.h"
#include "plan/tensorrt/device.h"

namespace vila::plan::tensorrt {

/// Per layer one key and one value buffer [slots, kv_heads, capacity, head_dim] of the compute type, each at a multiple of 256
/// bytes. Every row holds finite numbers from the beginning, because the graphs multiply rows beyond a sequence by zero. Empty by
/// default.
class CacheBuffers {
 public:
  CacheBuffers() = default;
  /// `sizes` must outlive this. Waits for `stream`.
  CacheBuffers(const DecoderSizes& sizes, int64_t slots, int64_t capacity, DeviceStream& stream);

  int64_t slots() const { return slots_; }
  int64_t capacity() const { return capacity_; }
  void* key(int64_t layer) const { return memory_.at(static_cast<size_t>(2 * layer) * stride_); }
  void* value(int64_t layer) const { return memory_.at(static_cast<size_t>(2 * layer + 1) * stride_); }

  /// Enqueues a copy of rows [0, rows) of a slot of `from`, other buffers of the same model, to a slot of these.
  void copy_rows(const CacheBuffers& from, int64_t from_slot, int64_t to_slot, int64_t rows, DeviceStream& stream);

 private:
  cuda::CacheView view() const { return {pointers_.get<void*>(), static_cast<int32_t>(slots_), capacity_}; }

  const DecoderSizes* sizes_ = nullptr;
  int64_t slots_ = 0, capacity_ = 0;
  size_t stride_ = 0;      ///< bytes from one buffer to the next
  DeviceMemory memory_;
  DeviceMemory pointers_;  ///< of every buffer: what copy_cache_rows() takes
};

}  // namespace vila::plan::tensorrt
