// SPDX-License-Identifier: Apache-2.0
// Llama and Qwen2: pre-norm RMSNorm, rotary causal attention with grouped key/value heads, SwiGLU.
#include "checkpoint/tensor_names.h"
#include "common/error.h"
#include "graph/layers.h"
#include "graph/names.h"

namespace vila::graph {
namespace {

class LanguageBuilder {
 public:
  LanguageBuilder(const LanguageSpec& spec, const TensorStore& tensors, const BuildOptions& options, const PackedWeights* packed,
                  Dialect& dialect)
      : spec_(spec), options_(options), dialect_(dialect), layers_(dialect, tensors, options, packed) {}

  void build() {
    const bool hidden_states = options_.hidden_states;
    const std::string table = layer_of(tensor_names::embed_tokens(spec_));
    if (options_.uses != nullptr) options_.uses->push_back({table, spec_.vocab, spec_.hidden});
    DecoderShape shape;
    shape.hidden = spec_.hidden;
    shape.heads = spec_.heads;
    shape.kv_heads = spec_.kv_heads;
    shape.head_dim = spec_.head_dim;
    shape.max_positions = spec_.max_positions;
    shape.rope_theta = spec_.rope_theta;
    shape.rope_scale = spec_.rope_scale;
    shape.cache = options_.cache;
    Value x = dialect_.begin_decoder(shape);
    Value normed = layers_.rms_norm(x, layer_name(0) + "input_layernorm", spec_.hidden, spec_.rms_eps);
    std::vector<Value> states;
    for (int64_t i = 0; i < spec_.layers; ++i) {
      dialect_.scope("layers." + std::to_string(i));
      if (hidden_states) states.push_back(x);
      Value attended = attention(i, normed);
      if (i + 1 == spec_.layers && !hidden_states) {
        // Past the last attention only the last position counts.
        attended = dialect_.last_rows(attended, query_width());
        x = dialect_.last_rows(x, spec_.hidden);
      }
      const Value projected = layers_.linear(attended, layer_name(i) + "self_attn.o_proj", query_width(), spec_.hidden, false);
      const auto middle = add_norm(x, projected, layer_name(i) + "post_attention_layernorm");
      const auto end = add_norm(middle.sum, feed_forward(i, middle.normed), norm_after(i));
      x = end.sum;
      normed = end.normed;
    }
    dialect_.scope("head");
    if (hidden_states) {
      states.push_back(normed);
      output_states(states);
      normed = dialect_.last_rows(normed, spec_.hidden);
    }
    const std::string head = layer_of(tensor_names::lm_head(spec_));
    const Value logits = layers_.linear(normed, head, spec_.hidden, spec_.vocab, false);
    dialect_.output(logits, names::kLogits, DType::f32, {"batch", spec_.vocab});
  }

 private:
  /// Without ".weight".
  static std::string layer_of(const std::string& tensor) { return tensor.substr(0, tensor.size() - std::string(".weight").size()); }
  int64_t query_width() const { return spec_.heads * spec_.head_dim; }
  std::string layer_name(int64_t i) const { return tensor_names::language_layer(spec_, i); }

  /// The norm that follows layer i, without ".weight".
  std::string norm_after(int64_t i) const {
    return i + 1 < spec_.layers ? layer_name(i + 1) + "input_layernorm" : spec_.prefix + "model.norm";
  }

  Dialect::Residual add_norm(const Value& x, const Value& delta, const std::string& norm) {
    return layers_.add_rms_norm(x, delta, norm, spec_.hidden, spec_.rms_eps);
  }

  Value attention(int64_t i, const Value& x) {
    const int64_t key_width = spec_.kv_heads * spec_.head_dim;
    const auto project = [&](const char* name, int64_t width) {
      return layers_.linear(layer_name(i) + "self_attn." + name, spec_.hidden, width, spec_.qkv_bias);
    };
    const std::vector<Value> qkv =
        dialect_.linears(x, {project("q_proj", query_width()), project("k_proj", key_width), project("v_proj", key_width)});
    return dialect_.cached_attention(i, qkv[0], qkv[1], qkv[2]);
  }

  Value feed_forward(int64_t i, const Value& x) {
    const std::string mlp = layer_name(i) + "mlp.";
    const Linear gate = layers_.linear(mlp + "gate_proj", spec_.hidden, spec_.intermediate, false);
    const Linear up = layers_.linear(mlp + "up_proj", spec_.hidden, spec_.intermediate, false);
    const Value gated = dialect_.gated_linear(x, gate, up);
    return layers_.linear(gated, mlp + "down_proj", spec_.intermediate, spec_.hidden, false);
  }

  void output_states(const std::vector<Value>& states) {
    std::vector<Value> stacked;
    for (const Value& state : states) stacked.push_back(dialect_.reshape(state, {1, -1, spec_.hidden}));
    dialect_.output(dialect_.concat(stacked, 0), names::kHiddenStates, DType::f32, {spec_.layers + 1, "positions", spec_.hidden});
  }

  const LanguageSpec& spec_;
  const BuildOptions& options_;
  Dialect& dialect_;
  Layers layers_;
};

}  // namespace

Graph build_language(const LanguageSpec& spec, const TensorStore& tensors, const BuildOptions& options,
                     const PackedWeights* packed) {
  const bool quantized = options.quantized != nullptr || options.tensorrt.weights != nullptr;
  if (spec.packing != LanguageSpec::Packing::none && packed == nullptr && !quantized) {
    fail(ErrorCode::internal, "language model: packed 4-bit weights, expected them in the form of the plan");
  }
  const auto dialect = make_dialect("language", options);
  LanguageBuilder(spec, tensors, options, packed, *dialect).build();
  return dialect->finish();
}

}  // namespace vila::graph
