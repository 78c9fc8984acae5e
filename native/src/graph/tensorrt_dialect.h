// SPDX-License-Identifier: Apache-2.0
// The dialect of TensorRT's ONNX parser: standard operators of opset 24, every type written out (strongly typed networks compute in
// the types that the graph says).
//
// What is computed in which type, C being the compute type (fp16, bf16, or fp32 in tests):
//   - linear layers, gates, rotation and attention in C; attention in fp32 with TensorRtOptions::wide_attention.
//   - the norms, and the sum that the decoder's residuals accumulate, in fp32: squares and sums of large activations leave fp16.
//   - int4 layers: DequantizeLinear of weights in blocks, product in C. Zero points of a packed checkpoint, which TensorRT does not
//     have, are a product of block sums with corrections.
//   - int8 and fp8 layers: weights with a scale per output, activations rounded with a scale per row that is computed in the graph:
//     TensorRT takes constant scales only, so rows are divided by their largest magnitude before a QuantizeLinear with the constant
//     scale 1/127 or 1/448, and multiplied by it after the product. No calibration is needed, and no row suffers for another.
//
// A decoder's inputs and outputs, with capacity and, in the decode graph, length fixed:
//   inputs_embeds C [batch, length, D], past_lengths i64 [batch] (rows of the cache before this step, per sequence),
//   past_key.i / past_value.i C [batch, kv_heads, capacity, head_dim]
//   -> logits f32 [batch, V] of the last position, present_key.i / present_value.i, to be bound to the addresses of past_key.i /
//   past_value.i (TensorScatter writes the new rows in place).
//
// With TensorRtOptions::attention_plugin the decode graph has, instead of Attention and its mask, a node of the domain "vila",
// which TensorRT's parser hands to the plugin of that name and namespace (plan/tensorrt/decode_attention_plugin.h):
//   DecodeAttention: attention of one position per sequence (cuda/decode_attention.h).
//   inputs   q C [batch, heads, 1, head_dim] (rotated), keys, values C [batch, kv_heads, capacity, head_dim], lengths i32 [batch]
//            (rows that count, this step's with them)
//   outputs  attended C as q
//   attributes  scale (of q times k): float; plugin_namespace, plugin_version: string, for the parser
//
// past_lengths + length must not exceed capacity. Every row of the cache must hold finite numbers, also beyond the sequence: the
// mask gives them weight zero, and zero times NaN is NaN. The plugin does not read those rows, but the prefill graph over the same
// cache has the mask.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "graph/dialect.h"
#include "graph/tensorrt_options.h"

namespace vila::graph {

class TensorRtDialect final : public Dialect {
 public:
  /// Throws unsupported for a compute type other than fp16, bf16 and fp32.
  TensorRtDialect(const std::string& graph_name, DType compute, const TensorRtOptions& options);

  Value activate(const Value& x, Activation activation) override;
  Value weight(const TensorRef& tensor) override;
  Value linear(const Value& x, const TensorRef& matrix, const TensorRef* bias) override;
  /// These two throw internal: such layers come as QdqLinear.
  Value linear(const Value& x, const PackedLinear& matrix, const TensorRef* bias) override;
  Value linear(const Value& x, const QuantizedLinear& matrix, const TensorRef* bias) override;
  Value linear(const Value& x, const QdqLinear& matrix, const TensorRef* bias) override;
  Value rms_norm(const Value& x, const TensorRef& gain, double eps) override;
  Residual add_rms_norm(const Value& x, const Value& delta, const TensorRef& gain, double eps) override;
  Value layer_norm(const Value& x, const TensorRef& gain, const TensorRef& bias, double eps) override;
  /// `pixels` are fp32.
  Value patch_convolution(const Value& pixels, const TensorRef& kernel, const TensorRef* bias) override;
  Value attention(const Value& q, const Value& k, const Value& v, const VisionAttention& shape) override;
  /// Throws unsupported for an odd head_dim, for a capacity outside 1..max_positions, and where the plugin is asked for and does
  /// not take the head_dim.
  Value begin_decoder(const DecoderShape& shape) override;
  Value cached_attention(int64_t layer, const Value& q, const Value& k, const Value& v) override;
  Value last_rows(const Value& x, int64_t channels) override;

 private:
  /// Activations of a layer that are rounded with it.
  struct RoundedRows {
    Value rows;   ///< in C, of magnitude at most 1
    Value scale;  ///< in C, [rows, 1]
  };

  /// A tensor of the checkpoint in another float type than the compute type, perhaps.
  Value weight(const TensorRef& tensor, DType dtype);
  Value widened(const Value& x);
  Value narrowed(const Value& x);
  Value scalar(const std::string& name, float value, DType dtype);
  Value integer_range(const std::string& name, int64_t count, const std::vector<int64_t>& shape);
  const RoundedRows& rounded(const Value& x, QdqFormat format);
  Value block_sums(const Value& x, int64_t columns, int64_t block);
  /// Rows [batch*T, heads*head_dim] as [batch, heads, T, head_dim].
  Value heads_first(const Value& rows, int64_t heads);
  Value rotated(const Value& x);
  Value attend(const Value& q, const Value& k, const Value& v, const Value& mask, int64_t head_dim);
  Value attend_by_plugin(const Value& q, const Value& keys, const Value& values);
  bool plugin() const { return decoding() && options_.attention_plugin; }
  bool decoding() const { return options_.phase == DecoderPhase::decode; }

  TensorRtOptions options_;
  std::map<std::pair<std::string, DType>, Value> converted_;         ///< tensors of the checkpoint in other types
  std::set<Value> wide_;                                             ///< values in fp32 although the compute type is another
  std::map<std::pair<Value, QdqFormat>, RoundedRows> rounded_;       ///< made once for layers that share an input
  std::map<std::pair<Value, int64_t>, Value> block_sums_;            ///< by rows and block
  std::set<std::string> constants_;
  DecoderShape decoder_;
  Value sequence_;   ///< [batch, T] of the step
  Value positions_;  ///< int64 [batch, T]
  Value lengths_;    ///< int32 [batch]: rows of the cache with this step's; for the plugin
  Value mask_;       ///< bool [batch, 1, T, capacity]: what a position attends to
};

}  // namespace vila::graph
