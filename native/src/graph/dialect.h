// SPDX-License-Identifier: Apache-2.0
// The small set of operations the model builders are written in. A dialect turns each into the ONNX operators its backend runs
// best; what every backend runs alike is done here in standard ONNX.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "graph/graph.h"
#include "kernels/packed_matrix.h"

namespace vila::graph {

/// The name of a tensor in the graph under construction.
using Value = std::string;

/// What the attentions of all layers of a decoder share.
struct DecoderShape {
  int64_t hidden = 0, heads = 0, kv_heads = 0, head_dim = 0;
  int64_t max_positions = 0;  ///< longest sequence: rows of the rotary tables
  double rope_theta = 10000, rope_scale = 1;
  DType cache = DType::f32;   ///< of keys and values in the cache: f32 or f16
};

/// A bidirectional attention.
struct VisionAttention {
  int64_t tokens = 0;  ///< of one crop
  int64_t heads = 0, head_dim = 0;
  bool rounded = false;  ///< numbers may be rounded as those of quantised layers are
};

/// A linear layer [out, in] of 4-bit codes in blocks of `block` input columns: with b = k / block,
/// w[n,k] = scales[n,b] * (codes[n,k] - zero_points[n,b]) + corrections[n,b]. Tensors as packed_weights.h writes them; not owned.
struct PackedLinear {
  int64_t out = 0, in = 0, block = 0;
  const TensorRef* codes = nullptr;
  const TensorRef* scales = nullptr;
  const TensorRef* zero_points = nullptr;
  const TensorRef* corrections = nullptr;  ///< null: zero
};

/// A linear layer in the layout of our own kernels, which round activations to 8 bits; not owned.
struct QuantizedLinear {
  kernels::PackedShape shape;
  const TensorRef* data = nullptr;  ///< uint8 [shape.bytes()]
};

/// How the weights of a linear layer are stored for explicit quantisation (QuantizeLinear and DequantizeLinear).
enum class QdqFormat { fp8, int8, int4 };

/// A linear layer that is stored transposed, [in, out], symmetric (no zero points). Tensors as qdq_weights.h writes them; not owned.
/// fp8, int8: w[k,n] = scales[n] * codes[k,n], and activations are rounded too. int4: with b = k / block,
/// w[k,n] = scales[b,n] * codes[k,n] + corrections[b,n].
struct QdqLinear {
  QdqFormat format = QdqFormat::int8;
  int64_t out = 0, in = 0;
  int64_t block = 0;                       ///< int4: inputs that share a scale
  const TensorRef* codes = nullptr;        ///< fp8: uint8 [in, out], int8: int8 [in, out], int4: uint8 [in, out/2]
  const TensorRef* scales = nullptr;       ///< compute type
  const TensorRef* corrections = nullptr;  ///< compute type; int4 only; null: zero
};

/// A linear layer: its matrix in whatever form it has, plus `bias` [out] unless null; not owned.
struct Linear {
  std::variant<const TensorRef*, PackedLinear, QuantizedLinear, QdqLinear> matrix;
  const TensorRef* bias = nullptr;
};

/// Builds one Graph. "Rows" are 2-D tensors [rows, channels] that hold the positions of all sequences (or tokens of all crops) one
/// after another, so that every linear layer is one matrix product. Activations and weights are in the dialect's compute type.
/// One thread; finish() ends its life.
class Dialect {
 public:
  /// `compute` is the type of activations and weights.
  Dialect(std::string graph_name, DType compute);
  virtual ~Dialect() = default;
  Dialect(const Dialect&) = delete;
  Dialect& operator=(const Dialect&) = delete;

  /// Prefix of the names of what follows ("layers.3"), for profiles and messages.
  void scope(std::string name) { scope_ = std::move(name); }

  // Boundary of the graph.
  /// Type of activations between graphs: features, image tokens.
  DType compute() const { return compute_; }
  Value input(const std::string& name, DType dtype, std::vector<Dim> shape);
  /// `value` is in the compute type; another `dtype` is a conversion.
  void output(const Value& value, const std::string& name, DType dtype, std::vector<Dim> shape);
  /// Hands the graph over; the dialect is empty afterwards.
  Graph finish();

  // Shapes. A dimension of -1 is inferred, as in ONNX.
  Value reshape(const Value& x, const std::vector<int64_t>& shape);
  Value transpose(const Value& x, const std::vector<int64_t>& permutation);
  Value concat(const std::vector<Value>& parts, int64_t axis);
  /// `parts` equal parts along `axis`.
  std::vector<Value> split(const Value& x, int64_t parts, int64_t axis);
  /// x[begin:end] along `axis`; `end` may be beyond the last.
  Value slice(const Value& x, int64_t axis, int64_t begin, int64_t end);
  /// Appends zeros at the end of each axis: `after` has one count per axis.
  Value pad_after(const Value& x, const std::vector<int64_t>& after);
  /// x [n, tokens, channels] with `token` (channels elements) before each of the n sequences.
  Value prepend_token(const Value& x, const Value& token, int64_t channels);

  // Arithmetic, elementwise with ONNX broadcasting.
  Value add(const Value& a, const Value& b);
  Value multiply(const Value& a, const Value& b);
  virtual Value activate(const Value& x, Activation activation) = 0;

  /// A tensor of the checkpoint in the compute type. The same tensor gives the same value.
  virtual Value weight(const TensorRef& tensor) = 0;
  /// Rows x [rows, in] by `matrix` [out, in], plus `bias` [out] unless null.
  virtual Value linear(const Value& x, const TensorRef& matrix, const TensorRef* bias) = 0;
  /// The same by a packed matrix, which stays packed in memory.
  virtual Value linear(const Value& x, const PackedLinear& matrix, const TensorRef* bias) = 0;
  virtual Value linear(const Value& x, const QuantizedLinear& matrix, const TensorRef* bias) = 0;
  virtual Value linear(const Value& x, const QdqLinear& matrix, const TensorRef* bias) = 0;
  Value linear(const Value& x, const Linear& layer);
  // What follows is said with the operations above, unless a dialect has one operator for it.
  /// Several layers of the same x.
  virtual std::vector<Value> linears(const Value& x, const std::vector<Linear>& layers);
  /// activate(linear(x)).
  virtual Value activated_linear(const Value& x, const Linear& layer, Activation activation);
  /// sum + linear(x).
  virtual Value added_linear(const Value& sum, const Value& x, const Linear& layer);
  /// silu(linear(x) of `gate`) * linear(x) of `up`.
  virtual Value gated_linear(const Value& x, const Linear& gate, const Linear& up);
  /// x / sqrt(mean(x^2) + eps) * gain, over the last axis.
  virtual Value rms_norm(const Value& x, const TensorRef& gain, double eps) = 0;
  struct Residual {
    Value sum, normed;
  };
  /// sum = x + delta; normed = rms_norm(sum).
  virtual Residual add_rms_norm(const Value& x, const Value& delta, const TensorRef& gain, double eps) = 0;
  /// (x - mean) / sqrt(variance + eps) * gain + bias, over the last axis.
  virtual Value layer_norm(const Value& x, const TensorRef& gain, const TensorRef& bias, double eps) = 0;

  /// Pixels [n, 3, side, side] by `kernel` [channels, 3, patch, patch] with stride = patch and no padding (pixels at the right and
  /// the bottom that fill no patch are unused), plus `bias` [channels] unless null; row-major patches [n, grid*grid, channels].
  virtual Value patch_convolution(const Value& pixels, const TensorRef& kernel, const TensorRef* bias) = 0;
  /// Every token with every token of its own crop, scale 1/sqrt(head_dim). Rows [n*tokens, heads*head_dim] in and out.
  virtual Value attention(const Value& q, const Value& k, const Value& v, const VisionAttention& shape) = 0;

  /// Declares the inputs of a decoder (see builders.h) and returns its embeddings as rows. Once per graph, before the two below.
  virtual Value begin_decoder(const DecoderShape& shape) = 0;
  /// Rotates q and k (half-split pairs), writes k and v behind the positions in the cache and attends causally to all of them, with
  /// scale 1/sqrt(head_dim). Declares the layer's cache inputs and outputs. Rows [batch*T, heads*head_dim] in and out, k and v
  /// with kv_heads.
  virtual Value cached_attention(int64_t layer, const Value& q, const Value& k, const Value& v) = 0;
  /// Of rows [batch*T, channels] the last of each sequence: [batch, channels].
  virtual Value last_rows(const Value& x, int64_t channels) = 0;

 protected:
  /// Appends a node with one output and returns that.
  Value node(const std::string& op, std::vector<Value> inputs, std::vector<Attribute> attributes = {},
             const std::string& domain = "");
  /// Appends a node with given outputs ("" for an unused one).
  void node(const std::string& op, std::vector<Value> inputs, std::vector<Value> outputs, std::vector<Attribute> attributes,
            const std::string& domain);
  /// A name not used before, made from the scope and `stem`.
  Value fresh(const std::string& stem);
  Value cast(const Value& x, DType to);
  /// A tensor of the checkpoint as it is stored.
  Value stored(const TensorRef& tensor);
  /// A uint8 tensor whose bytes are elements of `type`, as many as `shape` has (two int4 a byte).
  Value stored(const TensorRef& tensor, PackedType type, std::vector<int64_t> shape);
  /// Throws unsupported unless the tensor is fp32, fp16 or bf16.
  static void check_float(const TensorRef& tensor);
  /// A small constant of our own, rounded to f32, f16 or bf16; `name` must be new.
  Value constant(const std::string& name, std::vector<int64_t> shape, const std::vector<float>& values, DType dtype = DType::f32);
  Value integer_tensor(const std::string& name, std::vector<int64_t> shape, const std::vector<int64_t>& values);
  /// A zero of a type without floats; `name` must be new.
  Value zero(const std::string& name, DType dtype, PackedType packed = PackedType::none);
  /// A 1-D tensor of numbers; equal contents share one.
  Value integers(const std::vector<int64_t>& values);
  void declare_output(const std::string& name, DType dtype, std::vector<Dim> shape);
  void import(const std::string& domain, int64_t version);

 private:
  Graph graph_;
  DType compute_;
  std::string scope_;
  std::map<std::string, int64_t> used_;  ///< stem to the count of values named after it
  std::map<std::string, Value> stored_;  ///< by tensor name
  std::map<std::vector<int64_t>, Value> integers_;
};

}  // namespace vila::graph
