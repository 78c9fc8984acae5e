// SPDX-License-Identifier: Apache-2.0
// Sequences that take their decode steps together.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cuda/token_sampler.h"
#include "plan/decoder.h"
#include "plan/tensorrt/cache_buffers.h"
#include "plan/tensorrt/device.h"
#include "plan/tensorrt/device_cache.h"
#include "plan/tensorrt/engine.h"
#include "plan/tensorrt/step_inputs.h"

namespace vila::plan::tensorrt {

/// A sequence that takes part in a step.
struct Seat {
  DeviceCache* cache = nullptr;
  const SequenceStep* step = nullptr;
};

/// A number of slots in one cache, over all of which each step runs. A sequence's rows, its sampling and its logits are copied
/// into a slot when it comes, and back when it leaves: when it takes steps alone again, grows, or makes room for another. A
/// member that takes no part in a step keeps its slot; what is computed for it goes to the row behind its last and means nothing.
/// Guarded by DeviceWork::mutex; every copy is in the order of the stream.
class DeviceGroup {
 public:
  /// Throws capacity where memory lacks.
  DeviceGroup(DeviceWork& work, int64_t slots, int64_t capacity);
  /// Everyone leaves.
  ~DeviceGroup();
  DeviceGroup(const DeviceGroup&) = delete;
  DeviceGroup& operator=(const DeviceGroup&) = delete;

  int64_t slots() const { return buffers_.slots(); }
  int64_t capacity() const { return buffers_.capacity(); }
  size_t members() const;

  /// Takes back where it came from what belongs to a member.
  void leave(DeviceCache& cache);
  /// The same for one that is at its end.
  void forget(DeviceCache& cache);

  /// Lets them in, at most slots() of them, whose steps the capacity holds. Members that are not among them leave to make room,
  /// those that took no part for the longest time first, and when they have no row behind their last.
  void seat(const std::vector<Seat>& seats);
  /// Enqueues the next position of every one of `seats`, which are seated: `engine` takes slots() sequences and is that of the
  /// bucket with this number. The second step and further ones over the same bucket are a CUDA graph, if `captures`.
  void launch(Engine& engine, uint64_t bucket, bool captures, const std::vector<Seat>& seats);
  /// Chooses tokens for those who want one and waits; writes logits and tokens, or what is wrong with one to its error.
  void finish(const std::vector<Seat>& seats);

 private:
  void enter(DeviceCache& cache, int64_t rows);
  void make_room(DeviceCache& cache);
  void keep_logits(DeviceCache& cache);
  float* logits_of(int64_t slot) const;
  uint32_t* seen_of(int64_t slot) const;
  size_t vocab() const { return static_cast<size_t>(work_.sizes.vocab); }

  DeviceWork& work_;
  std::vector<DeviceCache*> members_;  ///< of each slot; null: free
  std::vector<bool> fresh_;            ///< logits of a slot are of its member's last step
  CacheBuffers buffers_;
  StepInputs inputs_;
  HostMemory host_requests_, host_tokens_;
  std::optional<HostMemory> host_logits_;  ///< since somebody wanted logits
  DeviceMemory logits_, twisters_, seen_, requests_, tokens_, ids_, sampling_workspace_;
  cuda::SamplingStages stages_;        ///< of the step that runs
  bool samples_ = false;               ///< anybody in it wants a token
  DeviceGraph step_;
  uint64_t warm_bucket_ = 0, step_bucket_ = 0;
};

/// Tells an engine where a step of `slots` sequences, `count` positions each, has its inputs, caches and logits.
void bind_step(Engine& engine, const DecoderSizes& sizes, const StepInputs& inputs, const CacheBuffers& buffers, int64_t slots,
               int64_t count, float* logits);

}  // namespace vila::plan::tensorrt
