// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/device_decoder.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <utility>

#include "common/error.h"
#include "common/log.h"

namespace vila::plan::tensorrt {
namespace {

// Steps in a row that a smaller group would have done for, before it becomes smaller: everyone's rows are copied then.
constexpr int kPatience = 16;
// A group has at most so many times the rows of its members' own caches: beyond that attention over all slots, which costs in
// proportion to them, eats up what reading the weights once saves.
constexpr int64_t kMostRows = 4;
// Runs before a group is tried again for which memory lacked.
constexpr uint64_t kRefusal = 256;

DecoderSizes checked(DecoderSizes sizes, const ResidentTable& table) {
  const auto ascending = [](const std::vector<int64_t>& numbers) {
    return !numbers.empty() && numbers.front() >= 1 &&
           std::adjacent_find(numbers.begin(), numbers.end(), std::greater_equal<>()) == numbers.end();
  };
  if (!ascending(sizes.capacities) || !ascending(sizes.batches) || sizes.batches.front() != 1 || sizes.layers < 1 ||
      sizes.kv_heads < 1 || sizes.head_dim < 1 || sizes.hidden < 1 || sizes.vocab < 1 || sizes.chunk < 1 ||
      table.width() != sizes.hidden || table.view().rows < sizes.vocab) {
    fail(ErrorCode::internal, "decoder: sizes that no model has");
  }
  return sizes;
}

bool wants_graphs() {
  const char* value = std::getenv("VILA_CUDA_GRAPH");
  return value == nullptr || std::strcmp(value, "0") != 0;
}

size_t floats(int64_t count) { return static_cast<size_t>(count) * sizeof(float); }

int64_t slots_for(size_t sequences) { return static_cast<int64_t>(std::bit_ceil(std::max<size_t>(sequences, 2))); }

/// Does what concerns one step; what goes wrong is that step's.
template <typename Work>
void guarded(const SequenceStep& step, Work&& work) {
  if (step.error == nullptr) return work();
  try {
    work();
  } catch (...) {
    *step.error = std::current_exception();
  }
}

}  // namespace

DeviceDecoder::DeviceDecoder(DecoderSizes sizes, std::shared_ptr<const ResidentTable> table,
                             std::function<BucketEngines(int64_t capacity)> load)
    : work_(checked(std::move(sizes), *table), table),
      load_(std::move(load)),
      captures_(wants_graphs()),
      inputs_(work_.sizes, table, work_.sizes.chunk, 1, work_.stream),
      host_logits_(floats(work_.sizes.vocab)),
      host_token_(sizeof(cuda::SampledToken)),
      sampling_workspace_(samples() ? cuda::sampling_workspace_bytes(1, static_cast<int32_t>(work_.sizes.vocab)) : 0),
      token_(sizeof(cuda::SampledToken)),
      id_(sizeof(int32_t)) {}

bool DeviceDecoder::samples() const { return sizes().vocab <= cuda::kMostIds; }

DeviceDecoder::~DeviceDecoder() {
  release_on(work_.device, [this] {
    work_.group.reset();
    buckets_.clear();
  });
}

std::unique_ptr<SequenceCache> DeviceDecoder::new_cache(int64_t limit) {
  const DeviceScope scope(work_.device);
  return std::make_unique<DeviceCache>(work_, limit);
}

DeviceCache& DeviceDecoder::own(SequenceCache& cache) const {
  auto* found = dynamic_cast<DeviceCache*>(&cache);
  if (found == nullptr) fail(ErrorCode::internal, "decoder: a cache of another backend");
  return *found;
}

Seat DeviceDecoder::seat_of(const SequenceStep& step, int64_t count) const {
  DeviceCache& cache = own(*step.cache);
  if (step.past < 0 || step.past + count > cache.capacity()) {
    fail(ErrorCode::internal, "language plan: ", step.past, " + ", count, " positions, the cache holds ", cache.capacity());
  }
  for (int64_t i = 0; i < count; ++i) {
    if (step.sources[i] >= 0 || step.rows == nullptr) require_id(step.sources[i], sizes().vocab);
  }
  if (step.token != nullptr && !cache.sampling) fail(ErrorCode::internal, "language plan: a token is wanted before begin_sampling()");
  return {&cache, &step};
}

DeviceDecoder::Bucket& DeviceDecoder::bucket_of(int64_t capacity, bool group_may_go) {
  const auto load = [&]() -> Bucket& {
    BucketEngines engines = load_(capacity);
    Bucket& bucket = buckets_[capacity];
    bucket.engines = std::move(engines);
    bucket.number = ++numbers_;
    return bucket;
  };
  const auto found = buckets_.find(capacity);
  if (found != buckets_.end()) {
    found->second.used = runs_;
    return found->second;
  }
  while (true) {
    try {
      Bucket& bucket = load();
      bucket.used = runs_;
      return bucket;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::cancelled) throw;
      if (group_may_go && work_.group != nullptr) {
        work_.group.reset();
        continue;
      }
      if (buckets_.empty()) throw;
      const auto oldest = std::min_element(buckets_.begin(), buckets_.end(),
                                           [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
      log(LogLevel::info, "language plans of ", oldest->first, " positions are given up, to load those of ", capacity, ": ", error.what());
      buckets_.erase(oldest);
    }
  }
}

Engine& DeviceDecoder::group_engine(Bucket& bucket, int64_t slots) {
  const std::vector<int64_t>& batches = sizes().batches;
  if (bucket.engines.decode == nullptr) fail(ErrorCode::internal, "there is no plan for it");
  const auto range = static_cast<size_t>(std::lower_bound(batches.begin(), batches.end(), slots) - batches.begin());
  std::unique_ptr<Engine>& engine = bucket.ranges[range];
  if (engine == nullptr) engine = bucket.engines.decode->for_range(static_cast<int32_t>(range), work_.stream.get());
  return *engine;
}

size_t DeviceDecoder::companions(std::vector<Seat>& seats) const {
  std::stable_sort(seats.begin(), seats.end(),
                   [](const Seat& a, const Seat& b) { return a.cache->capacity() < b.cache->capacity(); });
  size_t together = 0;
  int64_t rows = 0;
  for (size_t i = 0; i < seats.size(); ++i) {
    const int64_t capacity = seats[i].cache->capacity();
    rows += capacity;
    const int64_t slots = slots_for(i + 1);
    if (i > 0 && slots <= sizes().batches.back() && slots * capacity <= kMostRows * rows) together = i + 1;
  }
  return together;
}

DeviceGroup* DeviceDecoder::group_for(const std::vector<Seat>& seats) {
  const int64_t slots = slots_for(seats.size());
  int64_t capacity = 0;
  for (const Seat& seat : seats) capacity = std::max(capacity, seat.cache->capacity());
  std::unique_ptr<DeviceGroup>& group = work_.group;
  const bool fits = group != nullptr && group->slots() >= slots && group->capacity() >= capacity;
  const bool spare = fits && (seats.size() == 1 || group->slots() > slots || group->capacity() > capacity);
  spare_ = spare ? spare_ + 1 : 0;
  if (spare_ > kPatience && seats.size() == 1) return nullptr;
  if (!fits || spare_ > kPatience) {
    if (runs_ < refused_until_ && slots * capacity >= refused_rows_) return nullptr;
    spare_ = 0;
    group.reset();
    group = std::make_unique<DeviceGroup>(work_, slots, capacity);
  }
  group->seat(seats);
  return group.get();
}

bool DeviceDecoder::run_together(const std::vector<Seat>& seats) {
  try {
    DeviceGroup* group = group_for(seats);
    if (group == nullptr) return false;
    Bucket& bucket = bucket_of(group->capacity(), false);
    group->launch(group_engine(bucket, group->slots()), bucket.number, captures_, seats);
  } catch (const Error& error) {
    log(LogLevel::warn, "language plan: ", seats.size(), " sequences take their steps one after the other: ", error.what());
    refused_rows_ = 0;
    for (const Seat& seat : seats) refused_rows_ = std::max(refused_rows_, slots_for(seats.size()) * seat.cache->capacity());
    refused_until_ = runs_ + kRefusal;
    work_.group.reset();
    return false;
  }
  try {
    work_.group->finish(seats);
  } catch (...) {
    for (const Seat& seat : seats) {
      if (seat.step->error == nullptr) throw;
      *seat.step->error = std::current_exception();
    }
  }
  return true;
}

void DeviceDecoder::decode(Bucket& bucket, DeviceCache& cache) {
  Engine& engine = *bucket.engines.decode;
  inputs_.upload_rows(work_.stream);
  if (bucket.warm && cache.step && cache.step_bucket == bucket.number) return work_.stream.launch(cache.step);
  bind_step(engine, sizes(), inputs_, cache.buffers(), 1, 1, cache.logits());
  const auto enqueue = [&] {
    inputs_.upload(1, work_.stream);
    engine.enqueue(work_.stream.get());
  };
  if (!bucket.warm || !captures_) {
    enqueue();
    bucket.warm = true;
    return;
  }
  cache.step = work_.stream.capture(enqueue);
  cache.step_bucket = bucket.number;
  work_.stream.launch(cache.step);
}

void DeviceDecoder::run_alone(const Seat& seat, int64_t count, StopSource* stop) {
  const SequenceStep& step = *seat.step;
  DeviceCache& cache = *seat.cache;
  if (cache.group != nullptr) {
    cache.group->leave(cache);
    if (work_.group->members() == 0) work_.group.reset();
  }
  Bucket& bucket = bucket_of(cache.capacity(), true);
  inputs_.put(0, step, count);
  *inputs_.host_past() = step.past;
  cache.filled = step.past + count;
  if (count == 1 && bucket.engines.decode != nullptr) {
    decode(bucket, cache);
  } else {
    bind_step(*bucket.engines.prefill, sizes(), inputs_, cache.buffers(), 1, count, cache.logits());
    inputs_.upload_rows(work_.stream);
    inputs_.upload(count, work_.stream);
    bucket.engines.prefill->enqueue(work_.stream.get());
  }
  if (step.token != nullptr) {
    cuda::SamplingStep choice;
    choice.batch = 1;
    choice.logits = cache.logits();
    choice.stride = sizes().vocab;
    choice.requests = cache.sampling->request.get<cuda::SamplingRequest>();
    choice.stages = cache.sampling->stages;
    choice.workspace = sampling_workspace_.get();
    choice.tokens = token_.get<cuda::SampledToken>();
    choice.ids = id_.get<int32_t>();
    cuda::sample_tokens(cache.sampling->slots, choice, work_.stream.get());
    work_.stream.copy(host_token_.get<cuda::SampledToken>(), token_.get(), sizeof(cuda::SampledToken), cudaMemcpyDeviceToHost);
  }
  if (step.logits != nullptr) {
    work_.stream.copy(host_logits_.get<float>(), cache.logits(), floats(sizes().vocab), cudaMemcpyDeviceToHost);
  }
  work_.stream.wait();
  if (stop != nullptr && stop->raised()) fail(ErrorCode::cancelled, "language plan: cancelled");
  if (step.logits != nullptr) std::memcpy(step.logits, host_logits_.get<float>(), floats(sizes().vocab));
  if (step.token != nullptr) {
    const cuda::SampledToken& token = *host_token_.get<cuda::SampledToken>();
    cuda::check_token(token);
    *step.token = token.id;
  }
}

void DeviceDecoder::run(const std::vector<SequenceStep>& steps, int64_t count, StopSource* stop) {
  if (steps.empty() || count < 1 || count > sizes().chunk || (steps.size() > 1 && !joins())) {
    fail(ErrorCode::internal, "language plan: ", steps.size(), " sequences, ", count, " positions each, expected ",
         joins() ? "at least" : "", joins() ? " " : "", "1 and at most ", sizes().chunk);
  }
  if (stop != nullptr && stop->raised()) fail(ErrorCode::cancelled, "language plan: cancelled");
  std::vector<Seat> seats;
  for (const SequenceStep& step : steps) {
    guarded(step, [&] { seats.push_back(seat_of(step, count)); });
  }
  const std::lock_guard lock(work_.mutex);
  const DeviceScope scope(work_.device);
  ++runs_;
  for (const Seat& seat : seats) seat.cache->last_run = runs_;
  size_t done = 0;
  if (count == 1) {
    const size_t together = seats.size() == 1 && seats[0].cache->group != nullptr ? 1 : companions(seats);
    if (together > 0 && run_together({seats.begin(), seats.begin() + static_cast<std::ptrdiff_t>(together)})) done = together;
  }
  for (; done < seats.size(); ++done) {
    guarded(*seats[done].step, [&] { run_alone(seats[done], count, seats.size() == 1 ? stop : nullptr); });
  }
}

void DeviceDecoder::begin_sampling(SequenceCache& cache, const GenerationOptions& options, uint64_t seed,
                                   const std::vector<int32_t>& prompt) {
  DeviceCache& sequence = own(cache);
  const std::lock_guard lock(work_.mutex);
  const DeviceScope scope(work_.device);
  if (sequence.group != nullptr) sequence.group->leave(sequence);
  sequence.sampling.emplace(sizes().vocab, options, seed, prompt, work_.stream);
}

void DeviceDecoder::read_logits(SequenceCache& cache, float* logits) {
  DeviceCache& sequence = own(cache);
  const std::lock_guard lock(work_.mutex);
  const DeviceScope scope(work_.device);
  if (sequence.group != nullptr) sequence.group->leave(sequence);
  work_.stream.copy(logits, sequence.logits(), floats(sizes().vocab), cudaMemcpyDeviceToHost);
  work_.stream.wait();
}

}  // namespace vila::plan::tensorrt
