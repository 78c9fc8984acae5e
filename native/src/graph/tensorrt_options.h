// SPDX-License-Identifier: Apache-2.0
// What a graph for TensorRT depends on beyond its compute type.
#pragma once

#include <cstdint>

namespace vila::graph {

class QdqWeights;

/// A language model has two graphs over one cache: a step of any number of positions, and one of a single position.
enum class DecoderPhase { prefill, decode };

struct TensorRtOptions {
  DecoderPhase phase = DecoderPhase::prefill;
  /// language: rows of the cache, fixed in the graph because an attention with a mask costs in proportion to them.
  int64_t capacity = 0;
  /// Attentions compute in fp32: queries, keys, values and the products of both, whatever the compute type.
  bool wide_attention = false;
  /// language, decode: attention is our own plugin, whose cost follows the rows in use instead of the capacity.
  bool attention_plugin = false;
  /// Layers in it come from there instead of the checkpoint; null: none. Not owned.
  const QdqWeights* weights = nullptr;
};

}  // namespace vila::graph
