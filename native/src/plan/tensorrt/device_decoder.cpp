// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/device_decoder.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "common/error.h"
#include "common/log.h"
#include "graph/names.h"

namespace vila::plan::tensorrt {
namespace names = graph::names;
namespace {

DecoderSizes checked(DecoderSizes sizes) {
  const std::vector<int64_t>& capacities = sizes.capacities;
  const bool ascending = !capacities.empty() && capacities.front() >= 1 &&
                         std::adjacent_find(capacities.begin(), capacities.end(), std::greater_equal<>()) == capacities.end();
  if (!ascending || sizes.layers < 1 || sizes.kv_heads < 1 || sizes.head_dim < 1 || sizes.hidden < 1 || sizes.vocab < 1 ||
      sizes.chunk < 1) {
    fail(ErrorCode::internal, "decoder: sizes that no model has");
  }
  return sizes;
}

bool wants_graphs() {
  const char* value = std::getenv("VILA_CUDA_GRAPH");
  return value == nullptr || std::strcmp(value, "0") != 0;
}

size_t floats(int64_t count) { return static_cast<size_t>(count) * sizeof(float); }

}  // namespace

DeviceDecoder::DeviceDecoder(DecoderSizes sizes, std::function<BucketEngines(int64_t capacity)> load)
    : sizes_(checked(std::move(sizes))),
      load_(std::move(load)),
      captures_(wants_graphs()),
      rows_(sizes_.chunk),
      host_embeds_(floats(sizes_.chunk * sizes_.hidden)),
      host_past_(sizeof(int64_t)),
      host_logits_(floats(sizes_.vocab)),
      host_token_(sizeof(cuda::SampledToken)),
      wide_embeds_(sizes_.compute == DType::f32 ? 0 : floats(sizes_.chunk * sizes_.hidden)),
      embeds_(static_cast<size_t>(sizes_.chunk * sizes_.hidden) * size_of(sizes_.compute)),
      past_(sizeof(int64_t)),
      sampling_workspace_(samples() ? cuda::sampling_workspace_bytes(1, static_cast<int32_t>(sizes_.vocab)) : 0),
      token_(sizeof(cuda::SampledToken)),
      id_(sizeof(int32_t)) {}

bool DeviceDecoder::samples() const { return sizes_.vocab <= cuda::kMostIds; }

std::unique_ptr<SequenceCache> DeviceDecoder::new_cache(int64_t limit) {
  return std::make_unique<DeviceCache>(sizes_, limit, mutex_, stream_);
}

DeviceCache& DeviceDecoder::own(SequenceCache& cache) const {
  auto* found = dynamic_cast<DeviceCache*>(&cache);
  if (found == nullptr) fail(ErrorCode::internal, "decoder: a cache of another backend");
  return *found;
}

DeviceDecoder::Bucket& DeviceDecoder::bucket_of(int64_t capacity) {
  const auto load = [&]() -> Bucket& {
    BucketEngines engines = load_(capacity);
    Bucket& bucket = buckets_[capacity];
    bucket.engines = std::move(engines);
    bucket.number = ++numbers_;
    return bucket;
  };
  const auto found = buckets_.find(capacity);
  if (found != buckets_.end()) {
    found->second.used = ++steps_;
    return found->second;
  }
  while (true) {
    try {
      Bucket& bucket = load();
      bucket.used = ++steps_;
      return bucket;
    } catch (const Error& error) {
      if (buckets_.empty() || error.code() == ErrorCode::cancelled) throw;
      const auto oldest = std::min_element(buckets_.begin(), buckets_.end(),
                                           [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
      log(LogLevel::info, "language plans of ", oldest->first, " positions are given up, to load those of ", capacity, ": ", error.what());
      buckets_.erase(oldest);
    }
  }
}

void DeviceDecoder::bind(Engine& engine, const DeviceCache& cache, int64_t count) {
  const std::vector<int64_t> rows{1, sizes_.kv_heads, cache.capacity(), sizes_.head_dim};
  engine.shape(names::kInputsEmbeds, {1, count, sizes_.hidden});
  engine.bind(names::kInputsEmbeds, embeds_.get());
  engine.shape(names::kPastLengths, {1});
  engine.bind(names::kPastLengths, past_.get());
  for (int64_t layer = 0; layer < sizes_.layers; ++layer) {
    engine.shape(names::past_key(layer), rows);
    engine.shape(names::past_value(layer), rows);
    engine.bind(names::past_key(layer), cache.key(layer));
    engine.bind(names::past_value(layer), cache.value(layer));
    engine.bind(names::present_key(layer), cache.key(layer));
    engine.bind(names::present_value(layer), cache.value(layer));
  }
  engine.bind(names::kLogits, cache.logits());
}

void DeviceDecoder::enqueue(Engine& engine, int64_t count) {
  const bool narrow = sizes_.compute != DType::f32;
  stream_.copy(narrow ? wide_embeds_.get() : embeds_.get(), host_embeds_.get<float>(), floats(count * sizes_.hidden),
               cudaMemcpyHostToDevice);
  stream_.copy(past_.get(), host_past_.get<int64_t>(), sizeof(int64_t), cudaMemcpyHostToDevice);
  if (narrow) rows_.convert(wide_embeds_.get(), DType::f32, embeds_.get(), sizes_.compute, sizes_.hidden, count, stream_);
  engine.enqueue(stream_.get());
}

void DeviceDecoder::decode(Bucket& bucket, DeviceCache& cache) {
  Engine& engine = *bucket.engines.decode;
  if (bucket.warm && cache.step && cache.step_bucket == bucket.number) return stream_.launch(cache.step);
  bind(engine, cache, 1);
  if (!bucket.warm || !captures_) {
    enqueue(engine, 1);
    bucket.warm = true;
    return;
  }
  cache.step = stream_.capture([&] { enqueue(engine, 1); });
  cache.step_bucket = bucket.number;
  stream_.launch(cache.step);
}

void DeviceDecoder::run(const std::vector<SequenceStep>& steps, int64_t count, StopSource* stop) {
  if (steps.size() != 1 || count < 1 || count > sizes_.chunk) {
    fail(ErrorCode::internal, "language plan: ", steps.size(), " sequences, ", count, " positions each, expected 1 and at most ", sizes_.chunk);
  }
  const auto check_stop = [&] {
    if (stop != nullptr && stop->raised()) fail(ErrorCode::cancelled, "language plan: cancelled");
  };
  check_stop();
  const SequenceStep& step = steps.front();
  DeviceCache& cache = own(*step.cache);
  if (step.past < 0 || step.past + count > cache.capacity()) {
    fail(ErrorCode::internal, "language plan: ", step.past, " + ", count, " positions, the cache holds ", cache.capacity());
  }
  if (step.token != nullptr && !cache.sampling) fail(ErrorCode::internal, "language plan: a token is wanted before begin_sampling()");
  const std::lock_guard lock(mutex_);
  Bucket& bucket = bucket_of(cache.capacity());
  std::memcpy(host_embeds_.get<float>(), step.embeds, floats(count * sizes_.hidden));
  *host_past_.get<int64_t>() = step.past;
  if (count == 1 && bucket.engines.decode != nullptr) {
    decode(bucket, cache);
  } else {
    bind(*bucket.engines.prefill, cache, count);
    enqueue(*bucket.engines.prefill, count);
  }
  if (step.token != nullptr) {
    cuda::SamplingStep choice;
    choice.batch = 1;
    choice.logits = cache.logits();
    choice.stride = sizes_.vocab;
    choice.requests = cache.sampling->request.get<cuda::SamplingRequest>();
    choice.stages = cache.sampling->stages;
    choice.workspace = sampling_workspace_.get();
    choice.tokens = token_.get<cuda::SampledToken>();
    choice.ids = id_.get<int32_t>();
    cuda::sample_tokens(cache.sampling->slots, choice, stream_.get());
    stream_.copy(host_token_.get<cuda::SampledToken>(), token_.get(), sizeof(cuda::SampledToken), cudaMemcpyDeviceToHost);
  }
  if (step.logits != nullptr) {
    stream_.copy(host_logits_.get<float>(), cache.logits(), floats(sizes_.vocab), cudaMemcpyDeviceToHost);
  }
  stream_.wait();
  check_stop();
  if (step.logits != nullptr) std::memcpy(step.logits, host_logits_.get<float>(), floats(sizes_.vocab));
  if (step.token != nullptr) {
    const cuda::SampledToken& token = *host_token_.get<cuda::SampledToken>();
    cuda::check_token(token);
    *step.token = token.id;
  }
}

void DeviceDecoder::begin_sampling(SequenceCache& cache, const GenerationOptions& options, uint64_t seed,
                                   const std::vector<int32_t>& prompt) {
  const std::lock_guard lock(mutex_);
  own(cache).sampling.emplace(sizes_.vocab, options, seed, prompt, stream_);
}

void DeviceDecoder::read_logits(SequenceCache& cache, float* logits) {
  const std::lock_guard lock(mutex_);
  stream_.copy(logits, own(cache).logits(), floats(sizes_.vocab), cudaMemcpyDeviceToHost);
  stream_.wait();
}

}  // namespace vila::plan::tensorrt
