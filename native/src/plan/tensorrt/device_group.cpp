// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/device_group.h"

#include <algorithm>
#include <cstring>
#include <exception>

#include "common/error.h"
#include "common/log.h"
#include "graph/names.h"

namespace vila::plan::tensorrt {
namespace names = graph::names;
namespace {

bool among(const std::vector<Seat>& seats, const DeviceCache* cache) {
  return std::any_of(seats.begin(), seats.end(), [cache](const Seat& seat) { return seat.cache == cache; });
}

}  // namespace

void bind_step(Engine& engine, const DecoderSizes& sizes, const StepInputs& inputs, const CacheBuffers& buffers, int64_t slots,
               int64_t count, float* logits) {
  const std::vector<int64_t> rows{slots, sizes.kv_heads, buffers.capacity(), sizes.head_dim};
  engine.shape(names::kInputsEmbeds, {slots, count, sizes.hidden});
  engine.bind(names::kInputsEmbeds, inputs.embeds());
  engine.shape(names::kPastLengths, {slots});
  engine.bind(names::kPastLengths, inputs.past());
  for (int64_t layer = 0; layer < sizes.layers; ++layer) {
    engine.shape(names::past_key(layer), rows);
    engine.shape(names::past_value(layer), rows);
    engine.bind(names::past_key(layer), buffers.key(layer));
    engine.bind(names::past_value(layer), buffers.value(layer));
    engine.bind(names::present_key(layer), buffers.key(layer));
    engine.bind(names::present_value(layer), buffers.value(layer));
  }
  engine.bind(names::kLogits, logits);
}

DeviceGroup::DeviceGroup(DeviceWork& work, int64_t slots, int64_t capacity)
    : work_(work),
      members_(static_cast<size_t>(slots)),
      fresh_(static_cast<size_t>(slots)),
      buffers_(work.sizes, slots, capacity, work.stream),
      inputs_(work.sizes, work.table, slots, slots, work.stream),
      host_requests_(members_.size() * sizeof(cuda::SamplingRequest)),
      host_tokens_(members_.size() * sizeof(cuda::SampledToken)),
      logits_(members_.size() * vocab() * sizeof(float)),
      twisters_(members_.size() * sizeof(cuda::Twister)),
      requests_(members_.size() * sizeof(cuda::SamplingRequest)),
      tokens_(members_.size() * sizeof(cuda::SampledToken)),
      ids_(members_.size() * sizeof(int32_t)),
      sampling_workspace_(work.sizes.vocab <= cuda::kMostIds
                              ? cuda::sampling_workspace_bytes(static_cast<int32_t>(slots), static_cast<int32_t>(work.sizes.vocab))
                              : 0) {}

DeviceGroup::~DeviceGroup() {
  try {
    for (DeviceCache* member : members_) {
      if (member != nullptr) leave(*member);
    }
    work_.stream.wait();  // It may still use what is released now.
  } catch (const std::exception& error) {  // The device is lost, and with it what the caches held.
    log(LogLevel::error, "language plan: ", error.what());
    for (DeviceCache* member : members_) {
      if (member != nullptr) forget(*member);
    }
  }
}

size_t DeviceGroup::members() const {
  return members_.size() - static_cast<size_t>(std::count(members_.begin(), members_.end(), nullptr));
}

float* DeviceGroup::logits_of(int64_t slot) const { return logits_.get<float>() + static_cast<size_t>(slot) * vocab(); }

uint32_t* DeviceGroup::seen_of(int64_t slot) const { return seen_.get<uint32_t>() + static_cast<size_t>(slot) * vocab(); }

void DeviceGroup::keep_logits(DeviceCache& cache) {
  const auto slot = static_cast<size_t>(cache.slot);
  if (!fresh_[slot]) return;
  work_.stream.copy(cache.logits(), logits_of(cache.slot), vocab() * sizeof(float), cudaMemcpyDeviceToDevice);
  fresh_[slot] = false;
}

void DeviceGroup::forget(DeviceCache& cache) {
  const auto slot = static_cast<size_t>(cache.slot);
  members_[slot] = nullptr;
  fresh_[slot] = false;
  cache.group = nullptr;
}

void DeviceGroup::leave(DeviceCache& cache) {
  keep_logits(cache);
  cache.buffers().copy_rows(buffers_, cache.slot, 0, std::min(cache.filled, cache.capacity()), work_.stream);
  if (cache.sampling) {
    DeviceSampling& sampling = *cache.sampling;
    work_.stream.copy(sampling.twister.get(), twisters_.get<cuda::Twister>() + cache.slot, sizeof(cuda::Twister),
                      cudaMemcpyDeviceToDevice);
    if (sampling.stages.penalties) {
      work_.stream.copy(sampling.seen.get(), seen_of(cache.slot), sampling.seen.bytes(), cudaMemcpyDeviceToDevice);
    }
  }
  forget(cache);
}

void DeviceGroup::enter(DeviceCache& cache, int64_t rows) {
  const auto free = std::find(members_.begin(), members_.end(), nullptr);
  const int64_t slot = free - members_.begin();
  buffers_.copy_rows(cache.buffers(), 0, slot, rows, work_.stream);
  if (cache.sampling) {
    const DeviceSampling& sampling = *cache.sampling;
    work_.stream.copy(twisters_.get<cuda::Twister>() + slot, sampling.twister.get(), sizeof(cuda::Twister),
                      cudaMemcpyDeviceToDevice);
    if (sampling.stages.penalties) {
      if (seen_.bytes() == 0) {
        seen_ = DeviceMemory(members_.size() * vocab() * sizeof(uint32_t));
        work_.stream.clear(seen_.get(), seen_.bytes());
      }
      work_.stream.copy(seen_of(slot), sampling.seen.get(), sampling.seen.bytes(), cudaMemcpyDeviceToDevice);
    }
  }
  *free = &cache;
  cache.group = this;
  cache.slot = slot;
}

void DeviceGroup::seat(const std::vector<Seat>& seats) {
  std::vector<DeviceCache*> idle;
  size_t room = members_.size(), wanted = 0;
  for (DeviceCache* member : members_) {
    if (member == nullptr) continue;
    --room;
    if (!among(seats, member)) idle.push_back(member);
  }
  for (const Seat& seat : seats) wanted += seat.cache->group == nullptr ? 1 : 0;
  std::sort(idle.begin(), idle.end(), [](const DeviceCache* a, const DeviceCache* b) { return a->last_run < b->last_run; });
  for (DeviceCache* member : idle) {
    if (room < wanted || member->filled >= capacity()) {
      leave(*member);
      ++room;
    } else {
      keep_logits(*member);
    }
  }
  for (const Seat& seat : seats) {
    if (seat.cache->group == nullptr) enter(*seat.cache, seat.step->past);
  }
}

void DeviceGroup::launch(Engine& engine, uint64_t bucket, bool captures, const std::vector<Seat>& seats) {
  auto* requests = host_requests_.get<cuda::SamplingRequest>();
  for (int64_t slot = 0; slot < slots(); ++slot) {
    const DeviceCache* member = members_[static_cast<size_t>(slot)];
    inputs_.host_past()[slot] = member != nullptr ? member->filled : 0;
    inputs_.put_nothing(slot);
    requests[slot] = {};
  }
  std::vector<cuda::SamplingRequest> wanted;
  for (const Seat& seat : seats) {
    const int64_t slot = seat.cache->slot;
    inputs_.host_past()[slot] = seat.step->past;
    inputs_.put(slot, *seat.step, 1);
    seat.cache->filled = seat.step->past + 1;
    fresh_[static_cast<size_t>(slot)] = false;
    if (seat.step->token == nullptr) continue;
    requests[slot] = seat.cache->sampling->wanted;
    requests[slot].slot = static_cast<int32_t>(slot);
    wanted.push_back(requests[slot]);
  }
  samples_ = !wanted.empty();
  stages_ = cuda::stages_of(wanted, static_cast<int32_t>(work_.sizes.vocab));

  const auto enqueue = [&] {
    inputs_.upload(slots(), work_.stream);
    work_.stream.copy(requests_.get(), requests, requests_.bytes(), cudaMemcpyHostToDevice);
    engine.enqueue(work_.stream.get());
  };
  inputs_.upload_rows(work_.stream);
  if (step_ && step_bucket_ == bucket) return work_.stream.launch(step_);
  bind_step(engine, work_.sizes, inputs_, buffers_, slots(), 1, logits_.get<float>());
  if (!captures || warm_bucket_ != bucket) {
    enqueue();
    warm_bucket_ = bucket;
    return;
  }
  step_ = work_.stream.capture(enqueue);
  step_bucket_ = bucket;
  work_.stream.launch(step_);
}

void DeviceGroup::finish(const std::vector<Seat>& seats) {
  auto* tokens = host_tokens_.get<cuda::SampledToken>();
  if (samples_) {
    cuda::SamplingStep choice;
    choice.batch = static_cast<int32_t>(slots());
    choice.logits = logits_.get<float>();
    choice.stride = work_.sizes.vocab;
    choice.requests = requests_.get<cuda::SamplingRequest>();
    choice.stages = stages_;
    choice.workspace = sampling_workspace_.get();
    choice.tokens = tokens_.get<cuda::SampledToken>();
    choice.ids = ids_.get<int32_t>();
    const auto ids = static_cast<int32_t>(work_.sizes.vocab);
    cuda::sample_tokens({twisters_.get<cuda::Twister>(), seen_.get<uint32_t>(), choice.batch, ids}, choice, work_.stream.get());
    work_.stream.copy(tokens, tokens_.get(), tokens_.bytes(), cudaMemcpyDeviceToHost);
  }
  for (const Seat& seat : seats) {
    const int64_t slot = seat.cache->slot;
    fresh_[static_cast<size_t>(slot)] = true;
    if (seat.step->logits == nullptr) continue;
    if (!host_logits_) host_logits_.emplace(logits_.bytes());
    work_.stream.copy(host_logits_->get<float>() + static_cast<size_t>(slot) * vocab(), logits_of(slot), vocab() * sizeof(float),
                      cudaMemcpyDeviceToHost);
  }
  work_.stream.wait();
  for (const Seat& seat : seats) {
    const SequenceStep& step = *seat.step;
    const auto slot = static_cast<size_t>(seat.cache->slot);
    if (step.logits != nullptr) std::memcpy(step.logits, host_logits_->get<float>() + slot * vocab(), vocab() * sizeof(float));
    if (step.token == nullptr) continue;
    try {
      cuda::check_token(tokens[slot]);
      *step.token = tokens[slot].id;
    } catch (...) {
      if (step.error == nullptr) throw;
      *step.error = std::current_exception();
    }
  }
}

}  // namespace vila::plan::tensorrt
