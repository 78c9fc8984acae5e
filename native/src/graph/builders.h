// SPDX-License-Identifier: Apache-2.0
// From a checkpoint to the graphs of its vision tower, projector and language model, in a dialect.
//
// The CPU dialect's inputs and outputs, by name (names.h); a dimension written as a word is dynamic, N and N' are fixed:
//   vision     pixel_values f32 [crops, 3, S, S]         -> vision_features f32 [crops, N, C]
//   projector  features f32 [blocks, N', C']             -> projected f32 [blocks, M, D]
//   language   inputs_embeds f32 [batch, length, D], seqlens_k i32 [batch] (positions in the cache after this step, minus one),
//              total_sequence_length i32 [] (a scalar: the largest of seqlens_k + 1),
//              past_key.i / past_value.i f32 [batch, kv_heads, capacity, head_dim]
//              -> logits f32 [batch, V] of the last of the length positions, present_key.i / present_value.i (same buffers as past)
//              With f16 caches, instead of past_* and present_*: kv_memory i64 [batch, layers, 2], the addresses of each sequence's
//              keys and values [kv_heads, capacity, head_dim], written in place; kv_capacity i64 [batch]. Any step, any batch.
//
// The TensorRT dialect has features and tokens in its compute type, pixels and logits in f32, and a language model's inputs as
// tensorrt_dialect.h says.
//
// What a language step of the CPU dialect over f32 caches may be (ONNX Runtime's CPU kernel of GroupQueryAttention; tested in
// tests/native/graph):
//   first prompt    length >= 1, total = length: any batch, the cache is filled from its first row.
//   next chunk      length > 1, total > length: batch 1 only; positions total-length .. total-1 are written behind the earlier
//   ones. decode          length 1: any batch, each sequence at its own seqlens_k.
// Rows of the cache at and beyond seqlens_k + 1 are never read, so a cache may be cut back by passing a smaller seqlens_k.
// Scratch memory of a step: each attention reserves batch * heads * length * capacity floats and touches length * total of each
// head's length * capacity, so long prompts are best run in chunks.
#pragma once

#include <memory>
#include <string>

#include "checkpoint/checkpoint.h"
#include "graph/graph.h"
#include "graph/packed_weights.h"
#include "graph/quantized_weights.h"
#include "graph/tensorrt_options.h"

namespace vila::graph {

enum class DialectKind { cpu, tensorrt };

struct BuildOptions {
  DialectKind dialect = DialectKind::cpu;
  DType compute = DType::f32;  ///< cpu: f32; tensorrt: f16, bf16 or f32
  /// cpu, language: also output hidden_states f32 [layers+1, batch*T, D] (the input of each layer, and the final norm's output).
  bool hidden_states = false;
  /// cpu, language: type of the cache's keys and values, f32 or f16 (then attention is vila4j's own operator).
  DType cache = DType::f32;
  /// cpu: where the linear layers' weights come from instead of the checkpoint; null: the checkpoint.
  const QuantizedWeights* quantized = nullptr;
  /// Where a layer's "<layer>.weight" lies that is not among the checkpoint's tensors as plans read it; null: all are.
  const TensorStore* matrices = nullptr;
  /// cpu: products read unquantised matrices in bf16, as they lie, instead of their being widened to fp32 while a plan is loaded.
  /// All of them must be in bf16 then.
  bool bf16_matrices = false;
  /// Receives the linear layers that the graph has, in order, and for the language model first the embedding table that its inputs
  /// come from; may be null.
  std::vector<LinearUse>* uses = nullptr;
  TensorRtOptions tensorrt;
};

/// Goes into every plan's fingerprint; raise it with any change of what the builders emit.
inline constexpr int kGraphVersion = 6;
/// The same for the files of weights beside the plans (packed_weights.h, quantized_weights.h).
inline constexpr int kWeightsVersion = 4;

// Each throws unsupported for a compute type that the dialect does not write, bad_file for a missing or misshapen
// tensor. The graph refers to the checkpoint's mapped files and keeps them mapped.
Graph build_vision(const VisionSpec& spec, const TensorStore& tensors, const BuildOptions& options);
/// `tokens` is the number of features of one block, N'.
Graph build_projector(const ProjectorSpec& spec, int64_t tokens, const TensorStore& tensors, const BuildOptions& options);
/// `packed` has the packed linear layers of a spec that says so (packed_weights.h); null for a plain one, and where the options
/// have quantised weights.
Graph build_language(const LanguageSpec& spec, const TensorStore& tensors, const BuildOptions& options,
                     const PackedWeights* packed = nullptr);

inline Graph build_vision(const Checkpoint& checkpoint, const BuildOptions& options) {
  return build_vision(checkpoint.spec().vision, checkpoint.vision(), options);
}
inline Graph build_projector(const Checkpoint& checkpoint, const BuildOptions& options) {
  return build_projector(checkpoint.spec().projector, checkpoint.spec().projector_tokens(), checkpoint.projector(), options);
}
inline Graph build_language(const Checkpoint& checkpoint, const BuildOptions& options, const PackedWeights* packed = nullptr) {
  return build_language(checkpoint.spec().language, checkpoint.language(), options, packed);
}

}  // namespace vila::graph
