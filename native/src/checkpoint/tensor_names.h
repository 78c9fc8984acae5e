// SPDX-License-Identifier: Apache-2.0
// The names of a model's tensors in its checkpoint, as its spec says. Linear weights are [out,in]; append ".weight" or ".bias"
// where a name here is that of a layer.
#pragma once

#include <cstdint>
#include <string>

#include "checkpoint/model_spec.h"

namespace vila::tensor_names {

// Language model.
inline std::string embed_tokens(const LanguageSpec& s) { return s.prefix + "model.embed_tokens.weight"; }
inline std::string final_norm(const LanguageSpec& s) { return s.prefix + "model.norm.weight"; }
/// embed_tokens where the head is tied to it.
inline std::string lm_head(const LanguageSpec& s) { return s.tied_head ? embed_tokens(s) : s.head_prefix + "lm_head.weight"; }
/// Before "input_layernorm.weight", "self_attn.q_proj", "mlp.gate_proj", ...
inline std::string language_layer(const LanguageSpec& s, int64_t i) { return s.prefix + "model.layers." + std::to_string(i) + "."; }

// Vision tower. CLIP and SigLIP: "<prefix>vision_model.", InternViT: "<prefix>".
inline std::string vision_root(const VisionSpec& s) {
  return s.kind == VisionSpec::Kind::internvit ? s.prefix : s.prefix + "vision_model.";
}
/// Before "class_embedding", "patch_embedding.weight", "position_embedding.weight" (InternViT: "position_embedding").
inline std::string vision_embeddings(const VisionSpec& s) { return vision_root(s) + "embeddings."; }
/// Before "layer_norm1.weight", "self_attn.q_proj", "mlp.fc1", ... (InternViT: "norm1.weight", "attn.qkv", "mlp.fc1", "ls1").
inline std::string vision_layer(const VisionSpec& s, int64_t i) {
  return vision_root(s) + "encoder.layers." + std::to_string(i) + ".";
}
/// CLIP's norm between embeddings and first layer; the spelling is the checkpoints' own.
inline std::string clip_pre_norm(const VisionSpec& s) { return vision_root(s) + "pre_layrnorm"; }

}  // namespace vila::tensor_names
