// SPDX-License-Identifier: Apache-2.0
// vila4j's own operators inside ONNX Runtime's graphs, domain "vila", version 1.
//
// PackedLinear: y[.., n] = x[.., k] times packed weights (kernels/packed_matrix.h), activations rounded to 8 bits in blocks of 32;
// then the bias, a curve and another tensor (kernels/epilogue.h).
//   inputs   x f32 [.., k]; weights u8 [PackedShape::bytes()]; bias f32 [n], optional; addend f32 as y, optional
//   outputs  y f32 [.., n]
//   attributes  k: int; n, group, bits (4, 8), zero (the number of kernels::Zero): a list of int, a number for each matrix; linear,
//               cubic (of kernels::Curve; none if both are zero): float
//
// PackedLinears: three matrices times the same x, which is rounded once. Their groups must end at the same input behind k.
//   inputs   x f32 [.., k]; three weights; three biases, each optional
//   outputs  three y, f32 [.., n]
//   attributes  k, n, group, bits, zero as those of PackedLinear
//
// PackedGated: y = silu(x times a first matrix) * (x times a second one), which are of one size.
//   inputs   x f32 [.., k]; two weights
//   outputs  y f32 [.., n]
//   attributes  k, n, group, bits, zero as those of PackedLinear
//
// Bf16Linear: y[.., n] = x[.., k] times weights as a checkpoint stores them (kernels/bf16_product.h). Where the processor
// multiplies bfloat16, activations are rounded to it.
//   inputs   x f32 [.., k]; weights bf16 [n, k]; bias f32 [n], optional
//   outputs  y f32 [.., n]
//
// CachedAttention: rotary causal attention of new positions behind those of an fp16 cache (kernels/attention.h).
//   inputs   q f32 [batch, length, heads * head_dim], k, v f32 [batch, length, kv_heads * head_dim], kv_memory i64
//            [batch, layers, 2] (addresses of each sequence's keys and values, fp16 [kv_heads, capacity, head_dim], which the new
//            positions are written into), kv_capacity i64 [batch], seqlens_k i32 [batch] (positions after this step, minus one),
//            cos, sin f32 [positions, head_dim / 2]
//   outputs  attended f32 as q
//   attributes  num_heads, kv_num_heads, layer: int; scale (of q times k): float
//
// FullAttention: every token of a sequence with every token of it, in whole numbers of 16 bits (kernels/full_attention.h).
//   inputs   q, k, v f32 [batch, tokens, heads * head_dim]
//   outputs  attended f32 as q
//   attributes  num_heads: int; scale (of q times k): float
//
// RowNorm: LayerNorm over the last axis (kernels/layer_norm.h); ONNX Runtime's own takes several times as long.
//   inputs   x f32 [.., n]; gain, bias f32 [n]
//   outputs  normed f32 as x
//   attributes  epsilon: float
//
// The caches of CachedAttention are passed by address, so that sequences of one step keep caches of their own, each with its own
// capacity; nobody else may touch them while the step runs.
#pragma once

#include <onnxruntime_c_api.h>

namespace vila::plan::onnxruntime {

/// Makes the domain with all operators; it lives as long as the process. Throws backend.
OrtCustomOpDomain* make_custom_ops(const OrtApi& api);

}  // namespace vila::plan::onnxruntime
