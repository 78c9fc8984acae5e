// SPDX-License-Identifier: Apache-2.0
// A language model on the device: a prefill and a decode engine for each capacity over caches that neither owns.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "plan/decoder.h"
#include "plan/device_backend.h"
#include "plan/tensorrt/device.h"
#include "plan/tensorrt/device_cache.h"
#include "plan/tensorrt/element_rows.h"
#include "plan/tensorrt/engine.h"

namespace vila::plan::tensorrt {

/// The engines of one capacity; without `decode`, `prefill` computes single positions as well.
struct BucketEngines {
  std::unique_ptr<Engine> prefill, decode;
};

/// One sequence a run. A decode step is, once its engine has run and for as long as the cache stays where it is, one CUDA graph:
/// embeddings and position up, conversion, the engine. What is chosen or the logits are the one thing that is read back. Engines are
/// loaded when a sequence first has their capacity, and stay until memory is lacking for others. A run that has begun on the device
/// is not broken off. With VILA_CUDA_GRAPH=0 in the environment when it is made no step becomes a graph, to measure what graphs give.
class DeviceDecoder final : public Decoder {
 public:
  /// Throws invalid_argument for sizes that cannot be.
  DeviceDecoder(DecoderSizes sizes, std::function<BucketEngines(int64_t capacity)> load);

  std::unique_ptr<SequenceCache> new_cache(int64_t limit) override;
  bool joins() const override { return false; }
  int64_t chunk() const override { return sizes_.chunk; }
  /// The same: another length would be computed by other kernels, and a chunk takes no longer than some tokens.
  int64_t shared_chunk() const override { return sizes_.chunk; }
  void run(const std::vector<SequenceStep>& steps, int64_t count, StopSource* stop) override;
  bool samples() const override;
  void begin_sampling(SequenceCache& cache, const GenerationOptions& options, uint64_t seed,
                      const std::vector<int32_t>& prompt) override;
  void read_logits(SequenceCache& cache, float* logits) override;

 private:
  struct Bucket {
    BucketEngines engines;
    uint64_t number = 0;  ///< never given twice
    uint64_t used = 0;    ///< when, in steps
    bool warm = false;    ///< the decode engine has run
  };
  DeviceCache& own(SequenceCache& cache) const;
  Bucket& bucket_of(int64_t capacity);
  void bind(Engine& engine, const DeviceCache& cache, int64_t count);
  /// Enqueues copies, conversion and engine of a step whose inputs are in the host memory.
  void enqueue(Engine& engine, int64_t count);
  void decode(Bucket& bucket, DeviceCache& cache);

  const DecoderSizes sizes_;
  const std::function<BucketEngines(int64_t capacity)> load_;
  const bool captures_;
  mutable std::mutex mutex_;  ///< guards the stream and everything below
  DeviceStream stream_;
  ElementRows rows_;
  HostMemory host_embeds_, host_past_, host_logits_, host_token_;
  DeviceMemory wide_embeds_;  ///< float32; empty where that is the compute type
  DeviceMemory embeds_, past_, sampling_workspace_, token_, id_;
  std::map<int64_t, Bucket> buckets_;
  uint64_t steps_ = 0, numbers_ = 0;
};

}  // namespace vila::plan::tensorrt
