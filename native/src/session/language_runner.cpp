// SPDX-License-Identifier: Apache-2.0
#include "session/language_runner.h"

#include <algorithm>
#include <bit>

#include "common/error.h"
#include "graph/names.h"

namespace vila {
namespace names = graph::names;
namespace {

// Positions of a prompt at once. The longer one bounds the scratch memory of attention (heads * positions * capacity floats), the
// shorter one how long others wait for their next token. Multiples of the tiles of attention (kernels/attention_tiles.h): a prompt
// comes out the same, whichever of them it was cut by.
constexpr int64_t kChunk = 256, kSharedChunk = 64;

}  // namespace

EmbeddingTable::EmbeddingTable(const Checkpoint& checkpoint, const graph::QuantizedWeights* quantized, const TensorStore* matrices)
    : hidden_(checkpoint.spec().language.hidden), vocab_(checkpoint.spec().language.vocab) {
  const std::string layer = checkpoint.spec().language.prefix + "model.embed_tokens";
  if (quantized == nullptr) {
    const std::string weight = layer + ".weight";
    tensor_ = (matrices != nullptr && matrices->contains(weight) ? *matrices : checkpoint.language()).get(weight);
  } else {
    const graph::QuantizedLinear table = quantized->get(layer, vocab_, hidden_);
    tensor_ = *table.data;
    packed_ = table.shape;
  }
}

void EmbeddingTable::row(int32_t id, float* target) const {
  plan::require_id(id, vocab_);
  if (packed_) return kernels::unpack_row({*packed_, tensor_.data()}, id, target);
  const auto stride = static_cast<uint64_t>(hidden_) * size_of(tensor_.dtype);
  to_f32(tensor_.dtype, tensor_.data() + static_cast<uint64_t>(id) * stride, target, static_cast<size_t>(hidden_));
}

LanguageRunner::LanguageRunner(const LanguageSpec& spec, plan::Plan& plan, DType cache, const EmbeddingTable* table)
    : spec_(spec), plan_(plan), cache_(cache), table_(table) {
  inputs_.push_back({names::kInputsEmbeds, DType::f32, {}, nullptr});
  inputs_.push_back({names::kSeqlensK, DType::i32, {}, nullptr});
  inputs_.push_back({names::kTotalSequenceLength, DType::i32, {}, nullptr});
  outputs_.push_back({names::kLogits, DType::f32, {}, nullptr});
  if (joins()) {
    inputs_.push_back({names::kKvMemory, DType::i64, {}, nullptr});
    inputs_.push_back({names::kKvCapacity, DType::i64, {}, nullptr});
    return;
  }
  for (int64_t layer = 0; layer < spec.layers; ++layer) {
    inputs_.push_back({names::past_key(layer), cache, {}, nullptr});
    inputs_.push_back({names::past_value(layer), cache, {}, nullptr});
    outputs_.push_back({names::present_key(layer), cache, {}, nullptr});
    outputs_.push_back({names::present_value(layer), cache, {}, nullptr});
  }
}

std::unique_ptr<plan::SequenceCache> LanguageRunner::new_cache(int64_t limit) {
  return std::make_unique<KvCache>(spec_, cache_, limit);
}

int64_t LanguageRunner::chunk() const { return kChunk; }

int64_t LanguageRunner::shared_chunk() const { return kSharedChunk; }

KvCache& LanguageRunner::own(const SequenceStep& step) const {
  auto* cache = dynamic_cast<KvCache*>(step.cache);
  if (cache == nullptr) fail(ErrorCode::internal, "language plan: a cache of another backend");
  return *cache;
}

void LanguageRunner::bind_cache(KvCache& cache) {
  const std::vector<int64_t> shape = cache.shape();
  for (int64_t layer = 0; layer < cache.layers(); ++layer) {
    const auto input = static_cast<size_t>(3 + 2 * layer);
    const auto output = static_cast<size_t>(1 + 2 * layer);
    for (plan::Binding* binding : {&inputs_[input], &outputs_[output], &inputs_[input + 1], &outputs_[output + 1]}) {
      binding->shape = shape;
    }
    inputs_[input].data = outputs_[output].data = cache.key(layer);
    inputs_[input + 1].data = outputs_[output + 1].data = cache.value(layer);
  }
}

void LanguageRunner::bind_caches(const std::vector<SequenceStep>& steps) {
  addresses_.clear();
  capacities_.clear();
  for (const SequenceStep& step : steps) {
    KvCache& cache = own(step);
    for (int64_t layer = 0; layer < spec_.layers; ++layer) {
      addresses_.push_back(std::bit_cast<int64_t>(cache.key(layer)));
      addresses_.push_back(std::bit_cast<int64_t>(cache.value(layer)));
    }
    capacities_.push_back(cache.capacity());
  }
  const auto batch = static_cast<int64_t>(steps.size());
  inputs_[3].shape = {batch, spec_.layers, 2};
  inputs_[3].data = addresses_.data();
  inputs_[4].shape = {batch};
  inputs_[4].data = capacities_.data();
}

void LanguageRunner::embed(const SequenceStep& step, int64_t count) {
  const auto hidden = static_cast<size_t>(spec_.hidden);
  for (int64_t i = 0; i < count; ++i) {
    const int32_t source = step.sources[i];
    const size_t at = embeds_.size();
    embeds_.resize(at + hidden);
    if (source >= 0) {
      table_->row(source, embeds_.data() + at);
    } else {
      std::copy_n(step.rows + static_cast<size_t>(~source) * hidden, hidden, embeds_.data() + at);
    }
  }
}

void LanguageRunner::run(const std::vector<SequenceStep>& steps, int64_t count, plan::StopSource* stop) {
  if (steps.empty() || count < 1 || (steps.size() > 1 && !joins())) {
    fail(ErrorCode::internal, "language plan: ", steps.size(), " sequences, ", count, " positions each");
  }
  last_.clear();
  embeds_.clear();
  for (const SequenceStep& step : steps) {
    KvCache& cache = own(step);
    if (step.past < 0 || step.past + count > cache.capacity() || cache.dtype() != cache_) {
      fail(ErrorCode::internal, "language plan: ", step.past, " + ", count, " positions, the cache holds ", cache.capacity(), " of ",
           name_of(cache.dtype()));
    }
    if (step.logits == nullptr || step.token != nullptr) fail(ErrorCode::internal, "language plan: it gives logits and chooses no token");
    cache.touch(step.past + count);
    last_.push_back(static_cast<int32_t>(step.past + count - 1));
    embed(step, count);
  }
  int32_t total = *std::max_element(last_.begin(), last_.end()) + 1;
  const auto batch = static_cast<int64_t>(steps.size());
  float* logits = steps[0].logits;
  const auto vocab = static_cast<size_t>(spec_.vocab);
  if (batch > 1) {
    logits_.resize(steps.size() * vocab);
    logits = logits_.data();
  }
  inputs_[0].shape = {batch, count, spec_.hidden};
  inputs_[0].data = embeds_.data();
  inputs_[1].shape = {batch};
  inputs_[1].data = last_.data();
  inputs_[2].data = &total;
  outputs_[0].shape = {batch, spec_.vocab};
  outputs_[0].data = logits;
  if (joins()) {
    bind_caches(steps);
  } else {
    bind_cache(own(steps[0]));
  }
  plan_.run(inputs_, outputs_, stop);
  for (size_t i = 0; i < steps.size() && batch > 1; ++i) std::copy_n(logits_.data() + i * vocab, vocab, steps[i].logits);
}

}  // namespace vila
