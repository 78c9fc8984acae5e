// SPDX-License-Identifier: Apache-2.0
// Running graphs in a test: one input to one output, and the language model with its cache.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/model_spec.h"
#include "graph/graph.h"
#include "plan/plan.h"

namespace vila::testing {

/// A line for each input or output: its name, its type and its shape.
std::string described(const std::vector<graph::ValueInfo>& values);

std::unique_ptr<plan::Plan> compile(const graph::Graph& graph);

/// Runs a vision or projector graph once. The output has `output_shape`.
std::vector<float> run_graph(const graph::Graph& graph, const std::vector<int64_t>& input_shape, const std::vector<float>& input,
                             const std::vector<int64_t>& output_shape);

/// A language plan with a cache for `batch` sequences of `capacity` positions, filled with NaN so that a read of a row that was not
/// written shows.
class Decoder {
 public:
  Decoder(const LanguageSpec& spec, plan::Plan& plan, int64_t batch, int64_t capacity);
  /// Feeds `length` rows per sequence behind the first past[b] positions of sequence b; returns logits [batch, vocab]. With
  /// `states` also reads hidden_states [layers+1, batch*length, hidden].
  std::vector<float> step(const std::vector<float>& embeds, int64_t length, const std::vector<int32_t>& past,
                          std::vector<float>* states = nullptr);
  /// One layer's keys or values: [batch, kv_heads, capacity, head_dim].
  const std::vector<float>& keys(int64_t layer) const { return keys_[static_cast<size_t>(layer)]; }
  const std::vector<float>& values(int64_t layer) const { return values_[static_cast<size_t>(layer)]; }
  /// Copies one sequence's cache from a decoder of batch 1.
  void take(int64_t sequence, const Decoder& from);

 private:
  const LanguageSpec& spec_;
  plan::Plan& plan_;
  int64_t batch_, capacity_;
  std::vector<std::vector<float>> keys_, values_;  ///< by layer: [batch, kv_heads, capacity, head_dim]
};

/// The same with the two plans of the TensorRT dialect in fp32 (prefill and decode of one capacity) over one cache, filled with
/// kUnwritten: an attention that reads beyond the sequence would show it, and rows that must not be written keep it.
class TensorRtDecoder {
 public:
  static constexpr float kUnwritten = 3;
  TensorRtDecoder(const LanguageSpec& spec, plan::Plan& prefill, plan::Plan& decode, int64_t batch, int64_t capacity);
  /// Feeds `length` rows per sequence behind its first past[b] rows, by the decode plan when that is one; returns logits.
  std::vector<float> step(const std::vector<float>& embeds, int64_t length, const std::vector<int64_t>& past);
  /// One layer's keys or values: [batch, kv_heads, capacity, head_dim].
  const std::vector<float>& keys(int64_t layer) const { return keys_[static_cast<size_t>(layer)]; }
  const std::vector<float>& values(int64_t layer) const { return values_[static_cast<size_t>(layer)]; }

 private:
  const LanguageSpec& spec_;
  plan::Plan &prefill_, &decode_;
  int64_t batch_, capacity_;
  std::vector<std::vector<float>> keys_, values_;  ///< by layer
};

}  // namespace vila::testing
