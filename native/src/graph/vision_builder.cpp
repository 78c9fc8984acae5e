// SPDX-License-Identifier: Apache-2.0
// CLIP, SigLIP and InternViT: patches, learned positions, run_layers pre-norm blocks, no norm at the end.
#include "checkpoint/tensor_names.h"
#include "graph/layers.h"
#include "graph/names.h"

namespace vila::graph {
namespace {

class VisionBuilder {
 public:
  VisionBuilder(const VisionSpec& spec, const TensorStore& tensors, const BuildOptions& options, Dialect& dialect)
      : spec_(spec),
        dialect_(dialect),
        layers_(dialect, tensors, options),
        rounded_(options.quantized != nullptr || options.bf16_matrices),
        tokens_(spec.grid() * spec.grid() + (spec.has_class_token() ? 1 : 0)) {}

  void build() {
    Value x = dialect_.reshape(embeddings(), {-1, spec_.hidden});
    if (spec_.kind == VisionSpec::Kind::clip) x = norm(x, tensor_names::clip_pre_norm(spec_));
    for (int64_t i = 0; i < spec_.run_layers; ++i) {
      dialect_.scope("layers." + std::to_string(i));
      const std::string layer = tensor_names::vision_layer(spec_, i);
      x = spec_.kind == VisionSpec::Kind::internvit ? internvit_block(x, layer) : block(x, layer);
    }
    dialect_.scope("features");
    Value features = dialect_.reshape(x, {-1, tokens_, spec_.hidden});
    if (spec_.has_class_token() && spec_.drop_class_token) features = dialect_.slice(features, 1, 1, tokens_);
    dialect_.output(features, names::kVisionFeatures, dialect_.compute(), {"crops", spec_.tokens(), spec_.hidden});
  }

 private:
  /// [crops, tokens, hidden] before the first block.
  Value embeddings() {
    dialect_.scope("embeddings");
    const bool internvit = spec_.kind == VisionSpec::Kind::internvit;
    const std::string prefix = tensor_names::vision_embeddings(spec_);
    const Value pixels = dialect_.input(names::kPixelValues, DType::f32, {"crops", 3, spec_.image, spec_.image});
    const TensorRef& kernel = layers_.tensor(prefix + "patch_embedding.weight", {spec_.hidden, 3, spec_.patch, spec_.patch});
    const bool bias = spec_.kind != VisionSpec::Kind::clip;
    Value x = dialect_.patch_convolution(pixels, kernel,
                                         bias ? &layers_.tensor(prefix + "patch_embedding.bias", {spec_.hidden}) : nullptr);
    if (spec_.has_class_token()) {
      const std::vector<int64_t> shape = internvit ? std::vector<int64_t>{1, 1, spec_.hidden} : std::vector<int64_t>{spec_.hidden};
      x = dialect_.prepend_token(x, layers_.weight(prefix + "class_embedding", shape), spec_.hidden);
    }
    const Value positions = internvit ? layers_.weight(prefix + "position_embedding", {1, tokens_, spec_.hidden})
                                      : layers_.weight(prefix + "position_embedding.weight", {tokens_, spec_.hidden});
    return dialect_.add(x, positions);
  }

  /// CLIP and SigLIP: LayerNorm, and a bias everywhere.
  Value block(const Value& x, const std::string& layer) {
    const Value normed = norm(x, layer + "layer_norm1");
    const std::vector<Value> qkv = dialect_.linears(
        normed, {square(layer + "self_attn.q_proj"), square(layer + "self_attn.k_proj"), square(layer + "self_attn.v_proj")});
    const Value middle = dialect_.added_linear(x, attention(qkv[0], qkv[1], qkv[2]), square(layer + "self_attn.out_proj"));
    const Value wide = widen(norm(middle, layer + "layer_norm2"), layer);
    return dialect_.added_linear(middle, wide, second(layer));
  }

  /// InternViT: RMSNorm, one matrix for q, k and v without bias, q and k normalised over the whole width, scaled branches.
  Value internvit_block(const Value& x, const std::string& layer) {
    const Value normed = rms_norm(x, layer + "norm1");
    const Value qkv = layers_.linear(normed, layer + "attn.qkv", spec_.hidden, 3 * spec_.hidden, false);
    const std::vector<Value> parts = dialect_.split(qkv, 3, 1);
    const Value q = rms_norm(parts[0], layer + "attn.q_norm");
    const Value k = rms_norm(parts[1], layer + "attn.k_norm");
    const Value attended = dialect_.linear(attention(q, k, parts[2]), square(layer + "attn.proj"));
    const Value middle = dialect_.add(x, dialect_.multiply(attended, layers_.weight(layer + "ls1", {spec_.hidden})));
    const Value fed = dialect_.linear(widen(rms_norm(middle, layer + "norm2"), layer), second(layer));
    return dialect_.add(middle, dialect_.multiply(fed, layers_.weight(layer + "ls2", {spec_.hidden})));
  }

  // The two layers of the feed-forward part.
  Value widen(const Value& x, const std::string& layer) {
    return dialect_.activated_linear(x, layers_.linear(layer + "mlp.fc1", spec_.hidden, spec_.intermediate, true), spec_.activation);
  }
  Linear second(const std::string& layer) { return layers_.linear(layer + "mlp.fc2", spec_.intermediate, spec_.hidden, true); }

  Value attention(const Value& q, const Value& k, const Value& v) {
    return dialect_.attention(q, k, v, {tokens_, spec_.heads, spec_.head_dim, rounded_});
  }
  Linear square(const std::string& layer) { return layers_.linear(layer, spec_.hidden, spec_.hidden, true); }
  Value norm(const Value& x, const std::string& layer) { return layers_.layer_norm(x, layer, spec_.hidden, spec_.norm_eps); }
  Value rms_norm(const Value& x, const std::string& layer) { return layers_.rms_norm(x, layer, spec_.hidden, spec_.norm_eps); }

  const VisionSpec& spec_;
  Dialect& dialect_;
  Layers layers_;
  bool rounded_;
  int64_t tokens_;  ///< of one crop inside the tower, class token included
};

}  // namespace

Graph build_vision(const VisionSpec& spec, const TensorStore& tensors, const BuildOptions& options) {
  const auto dialect = make_dialect("vision", options);
  VisionBuilder(spec, tensors, options, *dialect).build();
  return dialect->finish();
}

}  // namespace vila::graph
