// SPDX-License-Identifier: Apache-2.0
// The keys and values of one sequence in device memory, with what its steps leave behind.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "common/live_count.h"
#include "cuda/token_sampler.h"
#include "plan/device_backend.h"
#include "plan/tensorrt/device.h"

namespace vila::plan::tensorrt {

/// How a sequence's tokens are chosen, on the device.
struct DeviceSampling {
  /// Seeds it and sees the prompt. Waits for `stream`.
  DeviceSampling(int64_t vocab, const GenerationOptions& options, uint64_t seed, const std::vector<int32_t>& prompt,
                 DeviceStream& stream);

  DeviceMemory twister, seen, request;
  cuda::SamplerSlots slots;
  cuda::SamplingStages stages;
};

/// Per layer one key and one value buffer [1, kv_heads, capacity, head_dim] at a multiple of 256 bytes; every row holds finite
/// numbers from the beginning, because the graphs multiply rows beyond the sequence by zero.
class DeviceCache final : public SequenceCache {
 public:
  /// `mutex` guards `stream`; both outlive this, as `sizes` does. Throws invalid_argument for a row that is no multiple of 16 bytes.
  DeviceCache(const DecoderSizes& sizes, int64_t limit, std::mutex& mutex, DeviceStream& stream);
  /// The capacity becomes the first of DecoderSizes::capacities that holds `positions`. Throws as SequenceCache says.
  void reserve(int64_t positions, int64_t used) override;
  int64_t capacity() const override { return capacity_; }

  void* key(int64_t layer) const { return address(2 * layer); }
  void* value(int64_t layer) const { return address(2 * layer + 1); }
  /// Of the last step, float32 [vocab].
  float* logits() const { return logits_.get<float>(); }

  std::optional<DeviceSampling> sampling;
  /// The decode step over these addresses; of use while it is that of the bucket with this number.
  DeviceGraph step;
  uint64_t step_bucket = 0;

 private:
  void* address(int64_t buffer) const { return memory_.at(static_cast<size_t>(buffer) * stride_); }

  const DecoderSizes& sizes_;
  const int64_t limit_;
  std::mutex& mutex_;
  DeviceStream& stream_;
  int64_t capacity_ = 0;
  size_t stride_ = 0;      ///< bytes from one buffer to the next
  DeviceMemory memory_, logits_;
  DeviceMemory pointers_;  ///< of every buffer: what copy_cache_rows() takes
  LiveCount<LiveType::kv_cache> live_;
};

}  // namespace vila::plan::tensorrt
