// SPDX-License-Identifier: Apache-2.0
#include "graph/cpu_dialect.h"

#include <cmath>
#include <limits>
#include <optional>

#include "common/error.h"
#include "graph/names.h"
#include "graph/onnx_schema.h"
#include "graph/rope_table.h"
#include "kernels/attention_tiles.h"
#include "kernels/full_attention.h"

namespace vila::graph {
namespace {

constexpr const char* kMicrosoft = "com.microsoft";
constexpr int64_t kOpset = 20;  // the first with Gelu
constexpr const char* kCosCache = "rope_cos";
constexpr const char* kSinCache = "rope_sin";

Attribute epsilon(double eps) { return {"epsilon", static_cast<float>(eps)}; }

/// Those of the operators over packed matrices, which have one k.
std::vector<Attribute> packed_attributes(const std::vector<const QuantizedLinear*>& matrices) {
  std::vector<int64_t> n, group, bits, zero;
  for (const QuantizedLinear* matrix : matrices) {
    n.push_back(matrix->shape.n);
    group.push_back(matrix->shape.group);
    bits.push_back(matrix->shape.bits);
    zero.push_back(static_cast<int64_t>(matrix->shape.zero));
  }
  return {{"k", matrices.at(0)->shape.k}, {"n", n}, {"group", group}, {"bits", bits}, {"zero", zero}};
}

/// The matrices in `layers` of one x if one operator takes them all, else none: they must be quantised, and their groups must end
/// at the same input behind the last.
std::vector<const QuantizedLinear*> together(const std::vector<Linear>& layers) {
  std::vector<const QuantizedLinear*> matrices;
  for (const Linear& layer : layers) {
    const auto* matrix = std::get_if<QuantizedLinear>(&layer.matrix);
    if (matrix == nullptr) return {};
    matrices.push_back(matrix);
    if (matrix->shape.padded_k() != matrices[0]->shape.padded_k()) return {};
  }
  return matrices;
}

/// None: an operator of its own.
std::optional<kernels::Curve> curve_of(Activation activation) {
  switch (activation) {
    case Activation::silu: return kernels::kSilu;
    case Activation::quick_gelu: return kernels::kQuickGelu;
    case Activation::gelu_tanh: return kernels::kTanhGelu;
    case Activation::gelu_erf: return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

CpuDialect::CpuDialect(const std::string& graph_name, bool bf16_matrices)
    : Dialect(graph_name, DType::f32), bf16_matrices_(bf16_matrices) {
  import("", kOpset);
  import(kMicrosoft, 1);
  import(names::kVila, 1);
}

Value CpuDialect::activate(const Value& x, Activation activation) {
  switch (activation) {
    case Activation::silu: return node("QuickGelu", {x}, {{"alpha", 1.0F}}, kMicrosoft);
    case Activation::quick_gelu: return node("QuickGelu", {x}, {{"alpha", 1.702F}}, kMicrosoft);
    case Activation::gelu_erf: return node("Gelu", {x}, {{"approximate", std::string("none")}});
    case Activation::gelu_tanh: return node("Gelu", {x}, {{"approximate", std::string("tanh")}});
  }
  fail(ErrorCode::internal, "graph: unknown activation ", static_cast<int>(activation));
}

Value CpuDialect::weight(const TensorRef& tensor) {
  if (tensor.dtype == DType::f32) return stored(tensor);
  check_float(tensor);
  const auto [found, added] = widened_.try_emplace(tensor.name, tensor.name + ".fp32");
  if (added) {
    const auto to = static_cast<int64_t>(onnx::DataType::float32);
    node("Cast", {stored(tensor)}, std::vector<Value>{found->second}, {{"to", to}}, "");
  }
  return found->second;
}

Value CpuDialect::linear(const Value& x, const TensorRef& matrix, const TensorRef* bias) {
  std::vector<Value> inputs{x, bf16_matrices_ ? stored(matrix) : weight(matrix)};
  if (bias != nullptr) inputs.push_back(weight(*bias));
  if (bf16_matrices_) {
    if (matrix.dtype != DType::bf16) {
      fail(ErrorCode::internal, "graph: ", matrix.name, " is ", name_of(matrix.dtype), ", expected bf16");
    }
    return node(names::kBf16Linear, inputs, {}, names::kVila);
  }
  return node("Gemm", inputs, {{"transB", int64_t{1}}});
}

Value CpuDialect::linear(const Value& x, const PackedLinear& matrix, const TensorRef* bias) {
  constexpr int64_t kFloat32 = 1;  // accuracy_level: how x and sums are kept
  std::vector<Value> inputs{x, stored(*matrix.codes), stored(*matrix.scales), stored(*matrix.zero_points)};
  if (bias != nullptr) inputs.insert(inputs.end(), {"", weight(*bias)});  // "": no order of columns
  const Value product =
      node("MatMulNBits", inputs,
           {{"K", matrix.in}, {"N", matrix.out}, {"bits", int64_t{4}}, {"block_size", matrix.block}, {"accuracy_level", kFloat32}},
           kMicrosoft);
  if (matrix.corrections == nullptr) return product;
  return node("Gemm", {block_sums(x, matrix.in, matrix.block), stored(*matrix.corrections), product}, {{"transB", int64_t{1}}});
}

Value CpuDialect::linear(const Value& x, const QuantizedLinear& matrix, const TensorRef* bias) {
  return packed_linear(x, matrix, bias, {}, "");
}

Value CpuDialect::packed_linear(const Value& x, const QuantizedLinear& matrix, const TensorRef* bias, const kernels::Curve& curve,
                                const Value& addend) {
  std::vector<Value> inputs{x, stored(*matrix.data)};
  if (bias != nullptr || !addend.empty()) inputs.push_back(bias == nullptr ? "" : weight(*bias));
  if (!addend.empty()) inputs.push_back(addend);
  std::vector<Attribute> attributes = packed_attributes({&matrix});
  attributes.insert(attributes.end(), {{"linear", curve.linear}, {"cubic", curve.cubic}});
  return node(names::kPackedLinear, inputs, attributes, names::kVila);
}

std::vector<Value> CpuDialect::linears(const Value& x, const std::vector<Linear>& layers) {
  const std::vector<const QuantizedLinear*> matrices = together(layers);
  if (matrices.size() != names::kPackedLinearsCount) return Dialect::linears(x, layers);
  std::vector<Value> inputs{x}, results;
  for (const QuantizedLinear* matrix : matrices) inputs.push_back(stored(*matrix->data));
  for (const Linear& layer : layers) {
    inputs.push_back(layer.bias == nullptr ? "" : weight(*layer.bias));
    results.push_back(fresh(names::kPackedLinears));
  }
  node(names::kPackedLinears, inputs, results, packed_attributes(matrices), names::kVila);
  return results;
}

Value CpuDialect::activated_linear(const Value& x, const Linear& layer, Activation activation) {
  const auto* matrix = std::get_if<QuantizedLinear>(&layer.matrix);
  const std::optional<kernels::Curve> curve = curve_of(activation);
  if (matrix == nullptr || !curve) return Dialect::activated_linear(x, layer, activation);
  return packed_linear(x, *matrix, layer.bias, *curve, "");
}

Value CpuDialect::added_linear(const Value& sum, const Value& x, const Linear& layer) {
  const auto* matrix = std::get_if<QuantizedLinear>(&layer.matrix);
  if (matrix == nullptr) return Dialect::added_linear(sum, x, layer);
  return packed_linear(x, *matrix, layer.bias, {}, sum);
}

Value CpuDialect::gated_linear(const Value& x, const Linear& gate, const Linear& up) {
  const std::vector<Linear> layers{gate, up};
  const std::vector<const QuantizedLinear*> matrices = together(layers);
  if (matrices.empty() || gate.bias != nullptr || up.bias != nullptr) return Dialect::gated_linear(x, gate, up);
  return node(names::kPackedGated, {x, stored(*matrices[0]->data), stored(*matrices[1]->data)}, packed_attributes(matrices),
              names::kVila);
}

Value CpuDialect::linear(const Value& /*x*/, const QdqLinear& matrix, const TensorRef* /*bias*/) {
  fail(ErrorCode::internal, "graph: ", matrix.codes->name, " is quantised for TensorRT, the CPU dialect does not read that");
}

Value CpuDialect::block_sums(const Value& x, int64_t columns, int64_t block) {
  const auto [found, added] = block_sums_.try_emplace({x, block});
  if (added) {
    const Value blocks = reshape(x, {-1, columns / block, block});
    found->second = node("ReduceSum", {blocks, integers({2})}, {{"keepdims", int64_t{0}}});
  }
  return found->second;
}

Value CpuDialect::rms_norm(const Value& x, const TensorRef& gain, double eps) {
  // ONNX Runtime keeps this operator of its own in the default domain.
  return node("SimplifiedLayerNormalization", {x, weight(gain)}, {{"axis", int64_t{-1}}, epsilon(eps), {"stash_type", int64_t{1}}});
}

Dialect::Residual CpuDialect::add_rms_norm(const Value& x, const Value& delta, const TensorRef& gain, double eps) {
  const Residual result{fresh("residual"), fresh("normed")};
  // Outputs: normed, mean and inverse deviation (not computed), sum.
  node("SkipSimplifiedLayerNormalization", {x, delta, weight(gain)}, {result.normed, "", "", result.sum}, {epsilon(eps)},
       kMicrosoft);
  return result;
}

Value CpuDialect::layer_norm(const Value& x, const TensorRef& gain, const TensorRef& bias, double eps) {
  return node("RowNorm", {x, weight(gain), weight(bias)}, {epsilon(eps)}, names::kVila);
}

Value CpuDialect::patch_convolution(const Value& pixels, const TensorRef& kernel, const TensorRef* bias) {
  const int64_t channels = kernel.shape.at(0);
  const std::vector<int64_t> patch{kernel.shape.at(2), kernel.shape.at(3)};
  std::vector<Value> inputs{pixels, weight(kernel)};
  if (bias != nullptr) inputs.push_back(weight(*bias));
  const Value map = node("Conv", inputs, {{"kernel_shape", patch}, {"strides", patch}});
  return transpose(reshape(map, {0, channels, -1}), {0, 2, 1});
}

Value CpuDialect::attention(const Value& q, const Value& k, const Value& v, const VisionAttention& shape) {
  const int64_t channels = shape.heads * shape.head_dim;
  std::vector<Value> inputs;
  for (const Value& x : {q, k, v}) inputs.push_back(reshape(x, {-1, shape.tokens, channels}));
  const Attribute scale{"scale", static_cast<float>(1.0 / std::sqrt(static_cast<double>(shape.head_dim)))};
  const bool ours = shape.rounded && shape.head_dim <= kernels::kMostFullHeadDim;
  const Value attended = ours ? node("FullAttention", inputs, {{"num_heads", shape.heads}, scale}, names::kVila)
                              : node("MultiHeadAttention", inputs, {{"num_heads", shape.heads}, scale}, kMicrosoft);
  return reshape(attended, {-1, channels});
}

Value CpuDialect::begin_decoder(const DecoderShape& shape) {
  if (shape.head_dim % 8 != 0) {
    fail(ErrorCode::unsupported, "language model: head_dim ", shape.head_dim, ", expected a multiple of 8");
  }
  decoder_ = shape;
  const Value embeds = input(names::kInputsEmbeds, DType::f32, {"batch", "length", shape.hidden});
  input(names::kSeqlensK, DType::i32, {"batch"});
  input(names::kTotalSequenceLength, DType::i32, {});
  if (shape.cache != DType::f32 && shape.cache != DType::f16) {
    fail(ErrorCode::unsupported, "language model: a cache of ", name_of(shape.cache), ", expected fp32 or fp16");
  }
  if (shape.cache == DType::f16 && shape.head_dim > kernels::kMostHeadDim) {
    fail(ErrorCode::unsupported, "language model: head_dim ", shape.head_dim, ", expected at most ", kernels::kMostHeadDim);
  }
  if (shape.cache == DType::f16) {
    input(names::kKvMemory, DType::i64, {"batch", "layers", 2});
    input(names::kKvCapacity, DType::i64, {"batch"});
  }
  const RopeTable table = make_rope_table(shape.max_positions, shape.head_dim, shape.rope_theta, shape.rope_scale);
  constant(kCosCache, {shape.max_positions, shape.head_dim / 2}, table.cos);
  constant(kSinCache, {shape.max_positions, shape.head_dim / 2}, table.sin);
  sequence_shape_ = concat({node("Shape", {embeds}, {{"start", int64_t{0}}, {"end", int64_t{2}}}), integers({-1})}, 0);
  if (shape.cache == DType::f32 && !attention_rotates()) {  // The positions of this step: seqlens_k + 1 - length + (0 .. length-1), int64 [batch, length].
    const Value length = node("Shape", {embeds}, {{"start", int64_t{1}}, {"end", int64_t{2}}});
    const Value range = node("Range", {node("Squeeze", {integers({0})}), node("Squeeze", {length}), node("Squeeze", {integers({1})})});
    const Value total = add(cast(names::kSeqlensK, DType::i64), integers({1}));
    positions_ = add(node("Unsqueeze", {node("Sub", {total, length}), integers({1})}), range);
  }
  return reshape(embeds, {-1, shape.hidden});
}

Value CpuDialect::rotated(const Value& rows) {
  const Value x = sequences(rows);
  if (attention_rotates()) return x;
  return node("RotaryEmbedding", {x, positions_, kCosCache, kSinCache}, {{"interleaved", int64_t{0}}}, kMicrosoft);
}

Value CpuDialect::sequences(const Value& rows) { return node("Reshape", {rows, sequence_shape_}); }

Value CpuDialect::half_cache_attention(int64_t layer, const Value& q, const Value& k, const Value& v) {
  const Value attended =
      node("CachedAttention",
           {sequences(q), sequences(k), sequences(v), names::kKvMemory, names::kKvCapacity, names::kSeqlensK, kCosCache, kSinCache},
           {{"num_heads", decoder_.heads},
            {"kv_num_heads", decoder_.kv_heads},
            {"layer", layer},
            {"scale", static_cast<float>(1.0 / std::sqrt(static_cast<double>(decoder_.head_dim)))}},
           names::kVila);
  return reshape(attended, {-1, decoder_.heads * decoder_.head_dim});
}

Value CpuDialect::cached_attention(int64_t layer, const Value& q, const Value& k, const Value& v) {
  if (decoder_.cache == DType::f16) return half_cache_attention(layer, q, k, v);
  const std::vector<Dim> cache{"batch", decoder_.kv_heads, "capacity", decoder_.head_dim};
  const Value past_key = input(names::past_key(layer), DType::f32, cache);
  const Value past_value = input(names::past_value(layer), DType::f32, cache);
  const Value attended = fresh("GroupQueryAttention");
  std::vector<Value> inputs{rotated(q), rotated(k),       sequences(v),
                            past_key,   past_value,       names::kSeqlensK,
                            names::kTotalSequenceLength};
  if (attention_rotates()) inputs.insert(inputs.end(), {kCosCache, kSinCache});
  node("GroupQueryAttention", inputs, {attended, names::present_key(layer), names::present_value(layer)},
       {{"num_heads", decoder_.heads},
        {"kv_num_heads", decoder_.kv_heads},
        {"do_rotary", int64_t{attention_rotates()}},
        {"rotary_interleaved", int64_t{0}},
        {"scale", static_cast<float>(1.0 / std::sqrt(static_cast<double>(decoder_.head_dim)))}},
       kMicrosoft);
  declare_output(names::present_key(layer), DType::f32, cache);
  declare_output(names::present_value(layer), DType::f32, cache);
  return reshape(attended, {-1, decoder_.heads * decoder_.head_dim});
}

Value CpuDialect::last_rows(const Value& x, int64_t channels) {
  return reshape(slice(sequences(x), 1, -1, std::numeric_limits<int64_t>::max()), {-1, channels});
}

}  // namespace vila::graph
