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
  /// Copies one sequence's cache from a decoder of batch 1.
  void take(int64_t sequence, const Decoder& from);

 private:
  const LanguageSpec& spec_;
  plan::Plan& plan_;
  int64_t batch_, capacity_;
  std::vector<std::vector<float>> keys_, values_;  ///< by layer: [batch, kv_heads, capacity, head_dim]
};

}  // namespace vila::testing
