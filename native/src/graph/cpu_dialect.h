// SPDX-License-Identifier: Apache-2.0
// The dialect of ONNX Runtime's CPU kernels, in float32: its contributed operators (domain com.microsoft) where they are faster.
#pragma once

#include <string>

#include "graph/dialect.h"
#include "kernels/epilogue.h"

namespace vila::graph {

/// Linear layers are Gemm with transB on the [out, in] tensor as it lies in the file: ONNX Runtime packs it once while loading, and
/// no transposed copy exists. Weights of 16 bits pass through a Cast that ONNX Runtime folds while loading. Packed layers are
/// MatMulNBits, computed in float32; what their integer zero points leave over is a product of block sums of x with the corrections.
/// Quantised layers, those that keep bf16 weights, and attention over an fp16 cache are operators of our own
/// (plan/onnxruntime/custom_ops.h).
class CpuDialect final : public Dialect {
 public:
  /// `bf16_matrices`: see BuildOptions.
  explicit CpuDialect(const std::string& graph_name, bool bf16_matrices = false);

  Value activate(const Value& x, Activation activation) override;
  Value weight(const TensorRef& tensor) override;
  /// Throws internal for another matrix than bf16 where all should be.
  Value linear(const Value& x, const TensorRef& matrix, const TensorRef* bias) override;
  Value linear(const Value& x, const PackedLinear& matrix, const TensorRef* bias) override;
  Value linear(const Value& x, const QuantizedLinear& matrix, const TensorRef* bias) override;
  /// Throws internal: QDQ weights are TensorRT's.
  Value linear(const Value& x, const QdqLinear& matrix, const TensorRef* bias) override;
  // One operator each for quantised layers that it takes, else what they are made of.
  std::vector<Value> linears(const Value& x, const std::vector<Linear>& layers) override;
  Value activated_linear(const Value& x, const Linear& layer, Activation activation) override;
  Value added_linear(const Value& sum, const Value& x, const Linear& layer) override;
  Value gated_linear(const Value& x, const Linear& gate, const Linear& up) override;
  Value rms_norm(const Value& x, const TensorRef& gain, double eps) override;
  Residual add_rms_norm(const Value& x, const Value& delta, const TensorRef& gain, double eps) override;
  Value layer_norm(const Value& x, const TensorRef& gain, const TensorRef& bias, double eps) override;
  Value patch_convolution(const Value& pixels, const TensorRef& kernel, const TensorRef* bias) override;
  Value attention(const Value& q, const Value& k, const Value& v, const VisionAttention& shape) override;
  /// Throws unsupported when head_dim is not a multiple of 8 (GroupQueryAttention's rule), with an fp16 cache when it is more than
  /// our own attention takes.
  Value begin_decoder(const DecoderShape& shape) override;
  Value cached_attention(int64_t layer, const Value& q, const Value& k, const Value& v) override;
  Value last_rows(const Value& x, int64_t channels) override;

 private:
  /// `addend` may be empty.
  Value packed_linear(const Value& x, const QuantizedLinear& matrix, const TensorRef* bias, const kernels::Curve& curve,
                      const Value& addend);
  /// GroupQueryAttention rotates heads of a multiple of 16 only; others pass through RotaryEmbedding first.
  bool attention_rotates() const { return decoder_.head_dim % 16 == 0; }
  Value half_cache_attention(int64_t layer, const Value& q, const Value& k, const Value& v);
  /// Rows of queries or keys as [batch, T, channels], rotated unless the attention does it.
  Value rotated(const Value& rows);
  /// The sums of each `block` of columns of rows x [rows, columns]: [rows, columns/block]. Made once for layers that share x.
  Value block_sums(const Value& x, int64_t columns, int64_t block);
  /// Rows [batch*T, channels] as [batch, T, channels].
  Value sequences(const Value& rows);

  const bool bf16_matrices_;
  std::map<std::string, Value> widened_;  ///< tensor name to its float32 value
  std::map<std::pair<Value, int64_t>, Value> block_sums_;  ///< by rows and block
  DecoderShape decoder_;
  Value sequence_shape_;  ///< [batch, T, -1]
  Value positions_;       ///< int64 [batch, T]; only where GroupQueryAttention does not rotate
};

}  // namespace vila::graph
