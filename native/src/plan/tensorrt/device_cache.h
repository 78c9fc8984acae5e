// SPDX-License-Identifier: Apache-2.0
// The keys and values of one sequence in device memory, with what its steps leave behind.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "common/live_count.h"
#include "cuda/token_sampler.h"
#include "plan/device_backend.h"
#include "plan/tensorrt/cache_buffers.h"
#include "plan/tensorrt/device.h"
#include "plan/tensorrt/resident_table.h"

namespace vila::plan::tensorrt {

class DeviceGroup;

/// How a sequence's tokens are chosen, on the device.
struct DeviceSampling {
  /// Seeds it and sees the prompt. Waits for `stream`.
  DeviceSampling(int64_t vocab, const GenerationOptions& options, uint64_t seed, const std::vector<int32_t>& prompt,
                 DeviceStream& stream);

  cuda::SamplingRequest wanted;        ///< slot 0
  DeviceMemory twister, seen, request;
  cuda::SamplerSlots slots;
  cuda::SamplingStages stages;
};

/// What a decoder and its caches share. Of the current device, which every call of theirs makes the current one of its thread.
struct DeviceWork {
  DeviceWork(const DecoderSizes& sizes, std::shared_ptr<const ResidentTable> table);
  ~DeviceWork();

  const int device = current_device();
  const DecoderSizes sizes;
  const std::shared_ptr<const ResidentTable> table;
  std::mutex mutex;  ///< guards the rest, and everything in the caches but their capacity
  DeviceStream stream;
  std::unique_ptr<DeviceGroup> group;  ///< of the sequences that take their steps together; may be null
};

/// Keys and values of one sequence (CacheBuffers of one slot), with the logits and the sampling that its last step left behind.
/// While the sequence sits in a group, all of this is there, and what is here is older.
class DeviceCache final : public SequenceCache {
 public:
  /// `work` outlives this. Throws unsupported for a row that is no multiple of 16 bytes.
  DeviceCache(DeviceWork& work, int64_t limit);
  ~DeviceCache() override;
  DeviceCache(const DeviceCache&) = delete;
  DeviceCache& operator=(const DeviceCache&) = delete;
  /// The capacity becomes the first of DecoderSizes::capacities that holds `positions`; where memory lacks, the group's is given up
  /// for it. Throws as SequenceCache says.
  void reserve(int64_t positions, int64_t used) override;
  int64_t capacity() const override { return buffers_.capacity(); }
  /// Both leave their group for it. Waits for the stream.
  void copy_rows(SequenceCache& from, int64_t rows) override;
  int64_t bytes() const override;

  CacheBuffers& buffers() { return buffers_; }
  /// Of the last step, float32 [vocab].
  float* logits() const { return logits_.get<float>(); }

  std::optional<DeviceSampling> sampling;
  int64_t filled = 0;            ///< rows that its last step left filled: none beyond them means anything
  DeviceGroup* group = nullptr;  ///< where it sits; set by the group
  int64_t slot = 0;              ///< in there
  uint64_t last_run = 0;         ///< of the decoder, that it took part in
  /// The decode step over these addresses; of use while it is that of the bucket with this number.
  DeviceGraph step;
  uint64_t step_bucket = 0;

 private:
  DeviceWork& work_;
  const int64_t limit_;
  CacheBuffers buffers_;
  DeviceMemory logits_;
  LiveCount<LiveType::kv_cache> live_;
};

}  // namespace vila::plan::tensorrt
