// SPDX-License-Identifier: Apache-2.0
#include "graph/run_graph.h"

#include <algorithm>
#include <limits>

#include "graph/names.h"

namespace vila::testing {
namespace names = graph::names;
namespace {

plan::Binding floats(const std::string& name, const std::vector<int64_t>& shape, const std::vector<float>& values) {
  return {name, DType::f32, shape, const_cast<float*>(values.data())};
}

size_t product(const std::vector<int64_t>& shape) {
  size_t count = 1;
  for (const int64_t dim : shape) count *= static_cast<size_t>(dim);
  return count;
}

/// Keys and values are read and written in place.
void bind_cache(const std::vector<int64_t>& shape, const std::vector<std::vector<float>>& keys,
                const std::vector<std::vector<float>>& values, std::vector<plan::Binding>& inputs,
                std::vector<plan::Binding>& outputs) {
  for (size_t layer = 0; layer < keys.size(); ++layer) {
    const auto i = static_cast<int64_t>(layer);
    inputs.push_back(floats(names::past_key(i), shape, keys[layer]));
    inputs.push_back(floats(names::past_value(i), shape, values[layer]));
    outputs.push_back(floats(names::present_key(i), shape, keys[layer]));
    outputs.push_back(floats(names::present_value(i), shape, values[layer]));
  }
}

}  // namespace

std::string described(const std::vector<graph::ValueInfo>& values) {
  std::string text;
  for (const graph::ValueInfo& value : values) {
    text += value.name + " " + name_of(value.dtype) + " [";
    for (const graph::Dim& dim : value.shape) text += (dim.name.empty() ? std::to_string(dim.value) : dim.name) + " ";
    text += "]\n";
  }
  return text;
}

std::unique_ptr<plan::Plan> compile(const graph::Graph& graph) {
  plan::CompileOptions options;
  options.threads = 2;
  return plan::onnxruntime_backend()->compile(graph::serialize(graph), graph.name, options);
}

std::vector<float> run_graph(const graph::Graph& graph, const std::vector<int64_t>& input_shape, const std::vector<float>& input,
                             const std::vector<int64_t>& output_shape) {
  std::vector<float> output(product(output_shape), std::numeric_limits<float>::quiet_NaN());
  compile(graph)->run({floats(graph.inputs.at(0).name, input_shape, input)},
                      {floats(graph.outputs.at(0).name, output_shape, output)}, nullptr);
  return output;
}

Decoder::Decoder(const LanguageSpec& spec, plan::Plan& plan, int64_t batch, int64_t capacity)
    : spec_(spec), plan_(plan), batch_(batch), capacity_(capacity) {
  const size_t size = product({batch, spec.kv_heads, capacity, spec.head_dim});
  keys_.assign(static_cast<size_t>(spec.layers), std::vector<float>(size, std::numeric_limits<float>::quiet_NaN()));
  values_ = keys_;
}

std::vector<float> Decoder::step(const std::vector<float>& embeds, int64_t length, const std::vector<int32_t>& past,
                                 std::vector<float>* states) {
  std::vector<float> logits(product({batch_, spec_.vocab}), std::numeric_limits<float>::quiet_NaN());
  std::vector<int32_t> last;
  for (const int32_t count : past) last.push_back(count + static_cast<int32_t>(length) - 1);
  int32_t total = *std::max_element(last.begin(), last.end()) + 1;
  std::vector<plan::Binding> inputs{floats(names::kInputsEmbeds, {batch_, length, spec_.hidden}, embeds),
                                    {names::kSeqlensK, DType::i32, {batch_}, last.data()},
                                    {names::kTotalSequenceLength, DType::i32, {}, &total}};
  std::vector<plan::Binding> outputs{floats(names::kLogits, {batch_, spec_.vocab}, logits)};
  if (states != nullptr) {
    const std::vector<int64_t> shape{spec_.layers + 1, batch_ * length, spec_.hidden};
    states->assign(product(shape), std::numeric_limits<float>::quiet_NaN());
    outputs.push_back(floats(names::kHiddenStates, shape, *states));
  }
  bind_cache({batch_, spec_.kv_heads, capacity_, spec_.head_dim}, keys_, values_, inputs, outputs);
  plan_.run(inputs, outputs, nullptr);
  return logits;
}

void Decoder::take(int64_t sequence, const Decoder& from) {
  const size_t size = product({spec_.kv_heads, capacity_, spec_.head_dim});
  const auto at = static_cast<std::ptrdiff_t>(static_cast<size_t>(sequence) * size);
  for (size_t layer = 0; layer < keys_.size(); ++layer) {
    std::copy_n(from.keys_[layer].begin(), size, keys_[layer].begin() + at);
    std::copy_n(from.values_[layer].begin(), size, values_[layer].begin() + at);
  }
}

TensorRtDecoder::TensorRtDecoder(const LanguageSpec& spec, plan::Plan& prefill, plan::Plan& decode, int64_t batch, int64_t capacity)
    : spec_(spec), prefill_(prefill), decode_(decode), batch_(batch), capacity_(capacity) {
  keys_.assign(static_cast<size_t>(spec.layers),
               std::vector<float>(product({batch, spec.kv_heads, capacity, spec.head_dim}), kUnwritten));
  values_ = keys_;
}

std::vector<float> TensorRtDecoder::step(const std::vector<float>& embeds, int64_t length, const std::vector<int64_t>& past) {
  std::vector<float> logits(product({batch_, spec_.vocab}), std::numeric_limits<float>::quiet_NaN());
  std::vector<plan::Binding> inputs{
      floats(names::kInputsEmbeds, {batch_, length, spec_.hidden}, embeds),
      {names::kPastLengths, DType::i64, {batch_}, const_cast<int64_t*>(past.data())}};
  std::vector<plan::Binding> outputs{floats(names::kLogits, {batch_, spec_.vocab}, logits)};
  bind_cache({batch_, spec_.kv_heads, capacity_, spec_.head_dim}, keys_, values_, inputs, outputs);
  (length == 1 ? decode_ : prefill_).run(inputs, outputs, nullptr);
  return logits;
}

}  // namespace vila::testing
