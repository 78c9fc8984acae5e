// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/needed_tensors.h"

#include "checkpoint/awq.h"
#include "checkpoint/tensor_names.h"
#include "common/error.h"

namespace vila {
namespace {

using Shape = std::vector<int64_t>;

/// Collects the tensors of one part.
class Collector {
 public:
  Collector(ModelPart part, std::vector<NeededTensor>& out) : part_(part), out_(out) {}
  void tensor(const std::string& name, const Shape& shape) {
    int64_t elements = 1;
    for (const int64_t dim : shape) elements *= dim;
    out_.push_back({part_, name, shape, std::nullopt, elements});
  }
  void linear(const std::string& layer, int64_t out, int64_t in, bool bias) {
    tensor(layer + ".weight", {out, in});
    if (bias) tensor(layer + ".bias", {out});
  }
  /// The codes stand for all weights; scales and zeros are none of the model's.
  void packed_linear(const LinearLayer& layer, const AwqLayout& layout) {
    if (const std::string misfit = awq_misfit(layout); !misfit.empty()) {
      fail(ErrorCode::unsupported, "linear layer ", layer.name, " as ", name_of(layout.packing), ": ", misfit);
    }
    int64_t parameters = layout.out * layout.in;
    for (const AwqTensor& part : awq_tensors(layout)) {
      out_.push_back({part_, layer.name + part.suffix, part.shape, part.dtype, parameters});
      parameters = 0;
    }
    if (layer.bias) tensor(layer.name + ".bias", {layer.out});
  }
  void layer_norm(const std::string& layer, int64_t size) {
    tensor(layer + ".weight", {size});
    tensor(layer + ".bias", {size});
  }

 private:
  ModelPart part_;
  std::vector<NeededTensor>& out_;
};

void add_language(const LanguageSpec& s, Collector c) {
  c.tensor(tensor_names::embed_tokens(s), {s.vocab, s.hidden});
  for (int64_t i = 0; i < s.layers; ++i) {
    const std::string layer = tensor_names::language_layer(s, i);
    c.tensor(layer + "input_layernorm.weight", {s.hidden});
    for (const LinearLayer& linear : block_linears(s, i)) {
      if (linear.name.ends_with("gate_proj")) c.tensor(layer + "post_attention_layernorm.weight", {s.hidden});
      if (is_packed(s, linear.name)) {
        c.packed_linear(linear, {s.packing, s.packing_group, linear.out, linear.in});
      } else {
        c.linear(linear.name, linear.out, linear.in, linear.bias);
      }
    }
  }
  c.tensor(tensor_names::final_norm(s), {s.hidden});
  if (!s.tied_head) c.tensor(tensor_names::lm_head(s), {s.vocab, s.hidden});
}

void add_clip_or_siglip(const VisionSpec& s, Collector c) {
  const bool clip = s.kind == VisionSpec::Kind::clip;
  const std::string embeddings = tensor_names::vision_embeddings(s);
  if (clip) c.tensor(embeddings + "class_embedding", {s.hidden});
  c.tensor(embeddings + "patch_embedding.weight", {s.hidden, 3, s.patch, s.patch});
  if (!clip) c.tensor(embeddings + "patch_embedding.bias", {s.hidden});
  c.tensor(embeddings + "position_embedding.weight", {s.grid() * s.grid() + (clip ? 1 : 0), s.hidden});
  if (clip) c.layer_norm(tensor_names::clip_pre_norm(s), s.hidden);
  for (int64_t i = 0; i < s.run_layers; ++i) {
    const std::string layer = tensor_names::vision_layer(s, i);
    c.layer_norm(layer + "layer_norm1", s.hidden);
    for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      c.linear(layer + "self_attn." + name, s.hidden, s.hidden, true);
    }
    c.layer_norm(layer + "layer_norm2", s.hidden);
    c.linear(layer + "mlp.fc1", s.intermediate, s.hidden, true);
    c.linear(layer + "mlp.fc2", s.hidden, s.intermediate, true);
  }
}

void add_internvit(const VisionSpec& s, Collector c) {
  const std::string embeddings = tensor_names::vision_embeddings(s);
  c.tensor(embeddings + "class_embedding", {1, 1, s.hidden});
  c.tensor(embeddings + "patch_embedding.weight", {s.hidden, 3, s.patch, s.patch});
  c.tensor(embeddings + "patch_embedding.bias", {s.hidden});
  c.tensor(embeddings + "position_embedding", {1, s.grid() * s.grid() + 1, s.hidden});
  for (int64_t i = 0; i < s.run_layers; ++i) {
    const std::string layer = tensor_names::vision_layer(s, i);
    c.tensor(layer + "norm1.weight", {s.hidden});
    c.linear(layer + "attn.qkv", 3 * s.hidden, s.hidden, false);
    c.tensor(layer + "attn.q_norm.weight", {s.hidden});
    c.tensor(layer + "attn.k_norm.weight", {s.hidden});
    c.linear(layer + "attn.proj", s.hidden, s.hidden, true);
    c.tensor(layer + "ls1", {s.hidden});
    c.tensor(layer + "norm2.weight", {s.hidden});
    c.linear(layer + "mlp.fc1", s.intermediate, s.hidden, true);
    c.linear(layer + "mlp.fc2", s.hidden, s.intermediate, true);
    c.tensor(layer + "ls2", {s.hidden});
  }
}

void add_projector(const ProjectorSpec& s, Collector c) {
  for (const ProjectorSpec::Layer& layer : s.layers) {
    switch (layer.kind) {
      case ProjectorSpec::Layer::Kind::linear: c.linear(layer.name, layer.out, layer.in, true); break;
      case ProjectorSpec::Layer::Kind::layer_norm: c.layer_norm(layer.name, layer.in); break;
      case ProjectorSpec::Layer::Kind::gelu: break;
    }
  }
}

}  // namespace

std::vector<LinearLayer> block_linears(const LanguageSpec& s, int64_t i) {
  const int64_t query = s.heads * s.head_dim, key_value = s.kv_heads * s.head_dim;
  const std::string attention = tensor_names::language_layer(s, i) + "self_attn.",
                    mlp = tensor_names::language_layer(s, i) + "mlp.";
  return {{attention + "q_proj", query, s.hidden, s.qkv_bias},     {attention + "k_proj", key_value, s.hidden, s.qkv_bias},
          {attention + "v_proj", key_value, s.hidden, s.qkv_bias}, {attention + "o_proj", s.hidden, query, false},
          {mlp + "gate_proj", s.intermediate, s.hidden, false},    {mlp + "up_proj", s.intermediate, s.hidden, false},
          {mlp + "down_proj", s.hidden, s.intermediate, false}};
}

std::vector<NeededTensor> needed_tensors(const ModelSpec& spec, ModelPart part) {
  std::vector<NeededTensor> tensors;
  const Collector collector(part, tensors);
  switch (part) {
    case ModelPart::language: add_language(spec.language, collector); break;
    case ModelPart::vision:
      spec.vision.kind == VisionSpec::Kind::internvit ? add_internvit(spec.vision, collector)
                                                      : add_clip_or_siglip(spec.vision, collector);
      break;
    case ModelPart::projector: add_projector(spec.projector, collector); break;
  }
  return tensors;
}

std::vector<NeededTensor> needed_tensors(const ModelSpec& spec) {
  std::vector<NeededTensor> all;
  for (const ModelPart part : {ModelPart::vision, ModelPart::projector, ModelPart::language}) {
    const std::vector<NeededTensor> tensors = needed_tensors(spec, part);
    all.insert(all.end(), tensors.begin(), tensors.end());
  }
  return all;
}

}  // namespace vila
