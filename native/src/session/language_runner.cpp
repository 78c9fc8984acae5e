// SPDX-License-Identifier: Apache-2.0
#include "session/language_runner.h"

#include "common/error.h"
#include "graph/names.h"

namespace vila {
namespace names = graph::names;

EmbeddingTable::EmbeddingTable(const Checkpoint& checkpoint, const graph::QuantizedWeights* quantized)
    : hidden_(checkpoint.spec().language.hidden), vocab_(checkpoint.spec().language.vocab) {
  const std::string layer = checkpoint.spec().language.prefix + "model.embed_tokens";
  if (quantized == nullptr) {
    tensor_ = checkpoint.language().get(layer + ".weight");
  } else {
    const graph::QuantizedLinear table = quantized->get(layer, vocab_, hidden_);
    tensor_ = *table.data;
    packed_ = table.shape;
  }
}

void EmbeddingTable::row(int32_t id, float* target) const {
  if (id < 0 || id >= vocab_) fail(ErrorCode::invalid_argument, "token id ", id, ": the model has ids 0 to ", vocab_ - 1);
  if (packed_) return kernels::unpack_row({*packed_, tensor_.data()}, id, target);
  const auto stride = static_cast<uint64_t>(hidden_) * size_of(tensor_.dtype);
  to_f32(tensor_.dtype, tensor_.data() + static_cast<uint64_t>(id) * stride, target, static_cast<size_t>(hidden_));
}

LanguageRunner::LanguageRunner(const LanguageSpec& spec, plan::Plan& plan) : spec_(spec), plan_(plan) {
  inputs_.push_back({names::kInputsEmbeds, DType::f32, {1, 0, spec.hidden}, nullptr});
  inputs_.push_back({names::kSeqlensK, DType::i32, {1}, nullptr});
  inputs_.push_back({names::kTotalSequenceLength, DType::i32, {}, nullptr});
  outputs_.push_back({names::kLogits, DType::f32, {1, spec.vocab}, nullptr});
  for (int64_t layer = 0; layer < spec.layers; ++layer) {
    inputs_.push_back({names::past_key(layer), DType::f32, {}, nullptr});
    inputs_.push_back({names::past_value(layer), DType::f32, {}, nullptr});
    outputs_.push_back({names::present_key(layer), DType::f32, {}, nullptr});
    outputs_.push_back({names::present_value(layer), DType::f32, {}, nullptr});
  }
}

void LanguageRunner::run(KvCache& cache, int64_t past, const float* embeds, int64_t count, float* logits,
                         plan::StopSource* stop) {
  if (count < 1 || past < 0 || past + count > cache.capacity()) {
    fail(ErrorCode::internal, "language plan: ", past, " + ", count, " positions, the cache holds ", cache.capacity());
  }
  auto total = static_cast<int32_t>(past + count);
  int32_t last = total - 1;
  inputs_[0].shape[1] = count;
  inputs_[0].data = const_cast<float*>(embeds);  // Inputs are only read.
  inputs_[1].data = &last;
  inputs_[2].data = &total;
  outputs_[0].data = logits;
  const std::vector<int64_t> shape = cache.shape();
  for (int64_t layer = 0; layer < cache.layers(); ++layer) {
    const auto input = static_cast<size_t>(3 + 2 * layer);
    const auto output = static_cast<size_t>(1 + 2 * layer);
    for (plan::Binding* binding : {&inputs_[input], &outputs_[output], &inputs_[input + 1], &outputs_[output + 1]}) {
      binding->dtype = cache.dtype();
      binding->shape = shape;
    }
    inputs_[input].data = outputs_[output].data = cache.key(layer);
    inputs_[input + 1].data = outputs_[output + 1].data = cache.value(layer);
  }
  plan_.run(inputs_, outputs_, stop);
}

}  // namespace vila
