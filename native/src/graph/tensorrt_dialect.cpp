// SPDX-License-Identifier: Apache-2.0
#include "graph/tensorrt_dialect.h"

#include <cmath>
#include <limits>
#include <numeric>

#include "common/error.h"
#include "cuda/decode_attention.h"
#include "graph/names.h"
#include "graph/rope_table.h"

namespace vila::graph {
namespace {

constexpr int64_t kOpset = 24;  // the first with TensorScatter
constexpr const char* kCosCache = "rope_cos";
constexpr const char* kSinCache = "rope_sin";
constexpr float kLeastRowScale = 6.103515625e-5F;  // fp16's smallest normal number

Attribute epsilon(double eps) { return {"epsilon", static_cast<float>(eps)}; }

/// Codes that stand for a magnitude of 1.
float most_steps(QdqFormat format) { return format == QdqFormat::fp8 ? 448.0F : 127.0F; }

float attention_scale(int64_t head_dim) { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim))); }

}  // namespace

TensorRtDialect::TensorRtDialect(const std::string& graph_name, DType compute, const TensorRtOptions& options)
    : Dialect(graph_name, compute), options_(options) {
  if (compute != DType::f16 && compute != DType::bf16 && compute != DType::f32) {
    fail(ErrorCode::unsupported, "graph ", graph_name, ": the TensorRT dialect computes in fp16, bf16 or fp32, found ", name_of(compute));
  }
  import("", kOpset);
}

Value TensorRtDialect::weight(const TensorRef& tensor) { return weight(tensor, compute()); }

Value TensorRtDialect::weight(const TensorRef& tensor, DType dtype) {
  check_float(tensor);
  if (tensor.dtype == dtype) return stored(tensor);
  const auto [found, added] = converted_.try_emplace({tensor.name, dtype});
  if (added) found->second = cast(stored(tensor), dtype);
  return found->second;
}

Value TensorRtDialect::widened(const Value& x) {
  return compute() == DType::f32 || wide_.contains(x) ? x : cast(x, DType::f32);
}

Value TensorRtDialect::narrowed(const Value& x) { return compute() == DType::f32 ? x : cast(x, compute()); }

Value TensorRtDialect::scalar(const std::string& name, float value, DType dtype) {
  const std::string typed = join(name, ".", name_of(dtype));
  return constants_.insert(typed).second ? constant(typed, {}, {value}, dtype) : typed;
}

Value TensorRtDialect::integer_range(const std::string& name, int64_t count, const std::vector<int64_t>& shape) {
  std::vector<int64_t> numbers(static_cast<size_t>(count));
  std::iota(numbers.begin(), numbers.end(), int64_t{0});
  return integer_tensor(name, shape, numbers);
}

Value TensorRtDialect::activate(const Value& x, Activation activation) {
  switch (activation) {
    case Activation::silu: return multiply(x, node("Sigmoid", {x}));
    case Activation::quick_gelu: return multiply(x, node("Sigmoid", {multiply(x, scalar("quick_gelu_factor", 1.702F, compute()))}));
    case Activation::gelu_erf: return node("Gelu", {x}, {{"approximate", std::string("none")}});
    case Activation::gelu_tanh: return node("Gelu", {x}, {{"approximate", std::string("tanh")}});
  }
  fail(ErrorCode::internal, "graph: unknown activation ", static_cast<int>(activation));
}

Value TensorRtDialect::linear(const Value& x, const TensorRef& matrix, const TensorRef* bias) {
  std::vector<Value> inputs{x, weight(matrix)};
  if (bias != nullptr) inputs.push_back(weight(*bias));
  return node("Gemm", inputs, {{"transB", int64_t{1}}});
}

Value TensorRtDialect::linear(const Value& /*x*/, const PackedLinear& matrix, const TensorRef* /*bias*/) {
  fail(ErrorCode::internal, "graph: ", matrix.codes->name, " is packed for the CPU, the TensorRT dialect does not read that");
}

Value TensorRtDialect::linear(const Value& /*x*/, const QuantizedLinear& matrix, const TensorRef* /*bias*/) {
  fail(ErrorCode::internal, "graph: ", matrix.data->name, " is quantised for the CPU, the TensorRT dialect does not read that");
}

Value TensorRtDialect::linear(const Value& x, const QdqLinear& matrix, const TensorRef* bias) {
  const auto dequantized = [&](PackedType type, std::vector<Attribute> attributes) {
    const Value codes = stored(*matrix.codes, type, {matrix.in, matrix.out});
    return node("DequantizeLinear", {codes, stored(*matrix.scales)}, std::move(attributes));
  };
  Value product;
  if (matrix.format == QdqFormat::int4) {
    product = node("MatMul", {x, dequantized(PackedType::int4, {{"axis", int64_t{0}}, {"block_size", matrix.block}})});
    if (matrix.corrections != nullptr) {
      const Value sums = block_sums(x, matrix.in, matrix.block);
      product = add(product, node("MatMul", {sums, stored(*matrix.corrections)}));
    }
  } else {
    const RoundedRows rows = rounded(x, matrix.format);
    const PackedType type = matrix.format == QdqFormat::fp8 ? PackedType::float8_e4m3 : PackedType::none;
    product = multiply(node("MatMul", {rows.rows, dequantized(type, {{"axis", int64_t{1}}})}), rows.scale);
  }
  return bias == nullptr ? product : add(product, weight(*bias));
}

const TensorRtDialect::RoundedRows& TensorRtDialect::rounded(const Value& x, QdqFormat format) {
  const auto [found, added] = rounded_.try_emplace({x, format});
  if (added) {
    const bool fp8 = format == QdqFormat::fp8;
    const std::string zero_name = fp8 ? "zero_fp8" : "zero_int8";
    if (constants_.insert(zero_name).second) zero(zero_name, fp8 ? DType::u8 : DType::i8, fp8 ? PackedType::float8_e4m3 : PackedType::none);
    const std::string name = fp8 ? "step_fp8" : "step_int8";
    const auto step = [&](DType dtype) { return scalar(name, 1 / most_steps(format), dtype); };
    const Value largest = node("ReduceMax", {node("Abs", {x}), integers({1})}, {{"keepdims", int64_t{1}}});
    const Value scale = node("Max", {largest, scalar("least_row_scale", kLeastRowScale, compute())});
    // Divided in fp32: bf16 has no more bits than the codes.
    const Value codes = node("QuantizeLinear", {node("Div", {widened(x), widened(scale)}), step(DType::f32), zero_name});
    found->second = {node("DequantizeLinear", {codes, step(compute()), zero_name}), scale};
  }
  return found->second;
}

Value TensorRtDialect::block_sums(const Value& x, int64_t columns, int64_t block) {
  const auto [found, added] = block_sums_.try_emplace({x, block});
  if (added) {
    const Value blocks = reshape(x, {-1, columns / block, block});
    found->second = node("ReduceSum", {blocks, integers({2})}, {{"keepdims", int64_t{0}}});
  }
  return found->second;
}

Value TensorRtDialect::rms_norm(const Value& x, const TensorRef& gain, double eps) {
  return narrowed(node("RMSNormalization", {widened(x), weight(gain, DType::f32)}, {{"axis", int64_t{-1}}, epsilon(eps)}));
}

Dialect::Residual TensorRtDialect::add_rms_norm(const Value& x, const Value& delta, const TensorRef& gain, double eps) {
  const Value sum = add(widened(x), widened(delta));
  wide_.insert(sum);
  return {sum, rms_norm(sum, gain, eps)};
}

Value TensorRtDialect::layer_norm(const Value& x, const TensorRef& gain, const TensorRef& bias, double eps) {
  return narrowed(node("LayerNormalization", {widened(x), weight(gain, DType::f32), weight(bias, DType::f32)},
                       {{"axis", int64_t{-1}}, epsilon(eps)}));
}

Value TensorRtDialect::patch_convolution(const Value& pixels, const TensorRef& kernel, const TensorRef* bias) {
  const int64_t channels = kernel.shape.at(0);
  const std::vector<int64_t> patch{kernel.shape.at(2), kernel.shape.at(3)};
  std::vector<Value> inputs{narrowed(pixels), weight(kernel)};
  if (bias != nullptr) inputs.push_back(weight(*bias));
  const Value map = node("Conv", inputs, {{"kernel_shape", patch}, {"strides", patch}});
  return transpose(reshape(map, {0, channels, -1}), {0, 2, 1});
}

Value TensorRtDialect::attend(const Value& q, const Value& k, const Value& v, const Value& mask, int64_t head_dim) {
  const bool wide = options_.wide_attention && compute() != DType::f32;
  const auto typed = [&](const Value& x) { return wide ? cast(x, DType::f32) : x; };
  std::vector<Value> inputs{typed(q), typed(k), typed(v)};
  if (!mask.empty()) inputs.push_back(mask);
  const Value attended = node("Attention", inputs, {{"scale", attention_scale(head_dim)}});
  return wide ? cast(attended, compute()) : attended;
}

Value TensorRtDialect::attend_by_plugin(const Value& q, const Value& keys, const Value& values) {
  return node(names::kDecodeAttention, {q, keys, values, lengths_},
              {{"scale", attention_scale(decoder_.head_dim)},
               {"plugin_namespace", std::string(names::kVila)},
               {"plugin_version", std::string(names::kPluginVersion)}},
              names::kVila);
}

Value TensorRtDialect::attention(const Value& q, const Value& k, const Value& v, const VisionAttention& shape) {
  const auto by_head = [&](const Value& rows) {
    return transpose(reshape(rows, {-1, shape.tokens, shape.heads, shape.head_dim}), {0, 2, 1, 3});
  };
  const Value attended = attend(by_head(q), by_head(k), by_head(v), "", shape.head_dim);
  return reshape(transpose(attended, {0, 2, 1, 3}), {-1, shape.heads * shape.head_dim});
}

Value TensorRtDialect::begin_decoder(const DecoderShape& shape) {
  if (shape.head_dim % 2 != 0) fail(ErrorCode::unsupported, "language model: head_dim ", shape.head_dim, ", expected an even number");
  const int64_t capacity = options_.capacity;
  if (capacity < 1 || capacity > shape.max_positions) {
    fail(ErrorCode::unsupported, "language model: a cache of ", capacity, " positions, expected 1 to ", shape.max_positions);
  }
  if (plugin() && !cuda::decode_attention_takes(shape.head_dim)) {
    fail(ErrorCode::unsupported, "language model: head_dim ", shape.head_dim,
         ", the attention plugin takes multiples of 8 from 8 to 128");
  }
  decoder_ = shape;
  const Dim length = decoding() ? Dim(1) : Dim("length");
  const Value embeds = input(names::kInputsEmbeds, compute(), {"batch", length, shape.hidden});
  const Value past = input(names::kPastLengths, DType::i64, {"batch"});
  const RopeTable table = make_rope_table(capacity, shape.head_dim, shape.rope_theta, shape.rope_scale);
  constant(kCosCache, {capacity, shape.head_dim / 2}, table.cos, compute());
  constant(kSinCache, {capacity, shape.head_dim / 2}, table.sin, compute());
  positions_ = node("Unsqueeze", {past, integers({1})});
  if (!decoding()) {
    sequence_ = node("Shape", {embeds}, {{"start", int64_t{0}}, {"end", int64_t{2}}});
    const Value count = node("Shape", {embeds}, {{"start", int64_t{1}}, {"end", int64_t{2}}});
    const Value steps = node("Slice", {integer_range("rows", capacity, {capacity}), integers({0}), count, integers({0})});
    positions_ = add(positions_, steps);
  }
  if (plugin()) {
    import(names::kVila, 1);
    lengths_ = cast(add(past, integers({1})), DType::i32);
  } else {
    const Value rows = integer_range("cache_rows", capacity, {1, 1, 1, capacity});
    mask_ = node("LessOrEqual", {rows, node("Unsqueeze", {positions_, integers({1, 3})})});
  }
  const Value flat = reshape(embeds, {-1, shape.hidden});
  if (compute() == DType::f32) return flat;
  const Value wide = cast(flat, DType::f32);
  wide_.insert(wide);
  return wide;
}

Value TensorRtDialect::heads_first(const Value& rows, int64_t heads) {
  if (decoding()) return reshape(rows, {-1, heads, 1, decoder_.head_dim});
  const Value shape = concat({sequence_, integers({heads, decoder_.head_dim})}, 0);
  return transpose(node("Reshape", {rows, shape}), {0, 2, 1, 3});
}

Value TensorRtDialect::rotated(const Value& x) { return node("RotaryEmbedding", {x, kCosCache, kSinCache, positions_}); }

Value TensorRtDialect::cached_attention(int64_t layer, const Value& q, const Value& k, const Value& v) {
  const std::vector<Dim> shape{"batch", decoder_.kv_heads, options_.capacity, decoder_.head_dim};
  const auto updated = [&](const std::string& past, const std::string& present, const Value& rows) {
    input(past, compute(), shape);
    node("TensorScatter", {past, rows, names::kPastLengths}, {present}, {{"axis", int64_t{-2}}}, "");
    declare_output(present, compute(), shape);
    return present;
  };
  const Value keys = updated(names::past_key(layer), names::present_key(layer), rotated(heads_first(k, decoder_.kv_heads)));
  const Value values = updated(names::past_value(layer), names::present_value(layer), heads_first(v, decoder_.kv_heads));
  const Value queries = rotated(heads_first(q, decoder_.heads));
  const Value attended =
      plugin() ? attend_by_plugin(queries, keys, values) : attend(queries, keys, values, mask_, decoder_.head_dim);
  const Value in_order = decoding() ? attended : transpose(attended, {0, 2, 1, 3});
  return reshape(in_order, {-1, decoder_.heads * decoder_.head_dim});
}

Value TensorRtDialect::last_rows(const Value& x, int64_t channels) {
  if (decoding()) return x;
  const Value sequences = node("Reshape", {x, concat({sequence_, integers({channels})}, 0)});
  const Value last = reshape(slice(sequences, 1, -1, std::numeric_limits<int64_t>::max()), {-1, channels});
  if (wide_.contains(x)) wide_.insert(last);
  return last;
}

}  // namespace vila::graph
