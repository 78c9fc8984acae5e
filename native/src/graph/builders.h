// SPDX-License-Identifier: Apache-2.0
// From a checkpoint to the graphs of its vision tower, projector and language model, in a dialect.
//
// The graphs' inputs and outputs, by name (names.h):
//   vision     pixel_values f32 [crops, 3, S, S]         -> vision_features f32 [crops, N, C]
//   projector  features f32 [blocks, N', C']             -> projected f32 [blocks, M, D]
//   language   inputs_embeds f32 [batch, T, D], seqlens_k i32 [batch] (positions in the cache after this step, minus one),
//              total_sequence_length i32 [1] (scalar tensor shape []), past_key.i / past_value.i f32 [batch, kv_heads, capacity, head_dim]
//              -> logits f32 [batch, V] of the last of the T positions, present_key.i / present_value.i (same buffers as past)
#pragma once

#include <memory>
#include <string>

#include "checkpoint/checkpoint.h"
#include "graph/graph.h"

namespace vila::graph {

enum class DialectKind { cpu };

struct BuildOptions {
  DialectKind dialect = DialectKind::cpu;
  DType compute = DType::f32;
  /// language: also output hidden_states f32 [layers+1, batch*T, D] (the input of each layer, and the final norm's output).
  bool hidden_states = false;
};

/// Goes into every plan's fingerprint; raise it with any change of what the builders emit.
inline constexpr int kGraphVersion = 1;

Graph build_vision(const Checkpoint& checkpoint, const BuildOptions& options);
Graph build_projector(const Checkpoint& checkpoint, const BuildOptions& options);
Graph build_language(const Checkpoint& checkpoint, const BuildOptions& options);

}  // namespace vila::graph
