// SPDX-License-Identifier: Apache-2.0
// A language model on the device: a prefill and a decode engine for each capacity over caches that neither owns.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "plan/decoder.h"
#include "plan/device_backend.h"
#include "plan/tensorrt/device.h"
#include "plan/tensorrt/device_cache.h"
#include "plan/tensorrt/device_group.h"
#include "plan/tensorrt/engine.h"
#include "plan/tensorrt/step_inputs.h"

namespace vila::plan::tensorrt {

/// The engines of one capacity; without `decode`, `prefill` computes single positions as well.
struct BucketEngines {
  std::unique_ptr<Engine> prefill, decode;
};

/// A sequence that takes a step alone takes it in its own cache. A decode step is, once its engine has run and for as long as the
/// cache stays where it is, one CUDA graph: id and position up, the id's row of the embedding table, the engine. What is chosen or
/// the logits are the one thing that is read back.
///
/// Sequences whose decode steps are asked for in one run sit in a group (device_group.h), over which such a step is one CUDA
/// graph, too. Its slots are a power of two, its capacity is the greatest of its members'; it grows when more steps come at once,
/// and shrinks when some in a row would have been content with less. A sequence that is so much longer than the others that all
/// slots in its size would cost more than it saves takes its step alone, and so do all where memory lacks for a group.
///
/// Engines are loaded when a sequence first has their capacity, and stay until memory is lacking for others. A run that has begun
/// on the device is not broken off. With VILA_CUDA_GRAPH=0 in the environment when it is made no step becomes a graph, to measure
/// what graphs give.
class DeviceDecoder final : public Decoder {
 public:
  /// Throws internal for sizes that cannot be, and for a table of others.
  DeviceDecoder(DecoderSizes sizes, std::shared_ptr<const ResidentTable> table, std::function<BucketEngines(int64_t capacity)> load);

  ~DeviceDecoder() override;
  DeviceDecoder(const DeviceDecoder&) = delete;
  DeviceDecoder& operator=(const DeviceDecoder&) = delete;

  std::unique_ptr<SequenceCache> new_cache(int64_t limit) override;
  bool joins() const override { return sizes().batches.back() > 1; }
  int64_t chunk() const override { return sizes().chunk; }
  /// The same: another length would be computed by other kernels, and a chunk takes no longer than some tokens.
  int64_t shared_chunk() const override { return sizes().chunk; }
  void run(const std::vector<SequenceStep>& steps, int64_t count, StopSource* stop) override;
  bool samples() const override;
  void begin_sampling(SequenceCache& cache, const GenerationOptions& options, uint64_t seed,
                      const std::vector<int32_t>& prompt) override;
  void read_logits(SequenceCache& cache, float* logits) override;

 private:
  struct Bucket {
    BucketEngines engines;
    std::map<size_t, std::unique_ptr<Engine>> ranges;  ///< of `decode`, for several sequences; by number
    uint64_t number = 0;  ///< never given twice
    uint64_t used = 0;    ///< when, in runs
    bool warm = false;    ///< the decode engine has run
  };
  const DecoderSizes& sizes() const { return work_.sizes; }
  DeviceCache& own(SequenceCache& cache) const;
  Seat seat_of(const SequenceStep& step, int64_t count) const;
  /// Its plans are loaded; where memory lacks, the group (if it may go), then plans of other capacities are given up.
  Bucket& bucket_of(int64_t capacity, bool group_may_go);
  Engine& group_engine(Bucket& bucket, int64_t slots);
  /// Of `seats`, which become sorted by capacity, those in front that take their step together; 0: all go alone.
  size_t companions(std::vector<Seat>& seats) const;
  /// The group, with these seated; null where they had better go alone.
  DeviceGroup* group_for(const std::vector<Seat>& seats);
  /// Whether they have taken their step.
  bool run_together(const std::vector<Seat>& seats);
  void run_alone(const Seat& seat, int64_t count, StopSource* stop);
  void decode(Bucket& bucket, DeviceCache& cache);

  DeviceWork work_;  ///< its mutex guards everything below
  const std::function<BucketEngines(int64_t capacity)> load_;
  const bool captures_;
  StepInputs inputs_;
  HostMemory host_logits_, host_token_;
  DeviceMemory sampling_workspace_, token_, id_;
  std::map<int64_t, Bucket> buckets_;
  uint64_t runs_ = 0, numbers_ = 0;
  int spare_ = 0;              ///< steps in a row for which a smaller group would have done
  int64_t refused_rows_ = 0;   ///< rows of a group that there was no memory for
  uint64_t refused_until_ = 0; ///< run before which as many are not tried again
};

}  // namespace vila::plan::tensorrt
