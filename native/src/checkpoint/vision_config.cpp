// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/config_readers.h"

#include "common/problems.h"

namespace vila {
namespace {

/// What a configuration file of this kind of tower leaves out.
struct TowerKind {
  const char* model_type;
  VisionSpec::Kind kind;
  const char* activation;
  double norm_eps;
};
constexpr TowerKind kTowerKinds[] = {
    {"clip_vision_model", VisionSpec::Kind::clip, "quick_gelu", 1e-5},
    {"siglip_vision_model", VisionSpec::Kind::siglip, "gelu_pytorch_tanh", 1e-6},
    {"intern_vit_6b", VisionSpec::Kind::internvit, "gelu", 1e-6},
};

const TowerKind& tower_kind(const JsonObject& config) {
  const std::string model_type = config.string("model_type");
  std::string known;
  for (const TowerKind& kind : kTowerKinds) {
    if (model_type == kind.model_type) return kind;
    known += (known.empty() ? "" : ", ") + std::string(kind.model_type);
  }
  fail(ErrorCode::unsupported, config.name(), ": model_type of the vision tower is \"", model_type, "\", supported are ", known);
}

Activation read_activation(const JsonObject& config, const char* usual) {
  const std::string name = config.string("hidden_act", usual);
  if (name == "quick_gelu") return Activation::quick_gelu;
  if (name == "gelu_pytorch_tanh" || name == "gelu_new") return Activation::gelu_tanh;
  if (name == "gelu") return Activation::gelu_erf;
  object(ErrorCode::unsupported, config.name(), ": hidden_act is \"", name,
         "\", supported are quick_gelu, gelu, gelu_pytorch_tanh");
  return Activation::gelu_erf;
}

/// InternViT comes in variants; the one VILA uses has these.
void check_internvit(const JsonObject& config) {
  if (config.boolean("qkv_bias", false)) object(ErrorCode::unsupported, config.name(), ": qkv_bias is true, supported is false");
  if (!config.boolean("qk_normalization", true)) {
    object(ErrorCode::unsupported, config.name(), ": qk_normalization is false, supported is true");
  }
  const std::string norm = config.string("norm_type", "rms_norm");
  if (norm != "rms_norm") object(ErrorCode::unsupported, config.name(), ": norm_type is \"", norm, "\", supported is rms_norm");
}

/// A tower that checkpoints name without carrying its configuration.
struct TowerTableRow {
  const char* name;
  const char* config;
  const char* processor;
};
constexpr const char* kClipProcessor336 = R"({"crop_size":336,"do_center_crop":true,"do_normalize":true,"do_resize":true,
  "image_mean":[0.48145466,0.4578275,0.40821073],"image_std":[0.26862954,0.26130258,0.27577711],"resample":3,"size":336})";
constexpr const char* kClipProcessor224 = R"({"crop_size":224,"do_center_crop":true,"do_normalize":true,"do_resize":true,
  "image_mean":[0.48145466,0.4578275,0.40821073],"image_std":[0.26862954,0.26130258,0.27577711],"resample":3,"size":224})";
constexpr TowerTableRow kKnownTowers[] = {
    {"clip-vit-large-patch14-336",
     R"({"model_type":"clip_vision_model","hidden_size":1024,"num_hidden_layers":24,"num_attention_heads":16,
         "intermediate_size":4096,"patch_size":14,"image_size":336})",
     kClipProcessor336},
    {"clip-vit-large-patch14",
     R"({"model_type":"clip_vision_model","hidden_size":1024,"num_hidden_layers":24,"num_attention_heads":16,
         "intermediate_size":4096,"patch_size":14,"image_size":224})",
     kClipProcessor224},
};

}  // namespace

VisionSpec read_tower(const JsonObject& config) {
  const std::string model_type = config.string("model_type");
  if ((model_type == "clip" || model_type == "siglip") && config.has("vision_config"))
    return read_tower(config.object("vision_config"));
  const TowerKind& kind = tower_kind(config);
  VisionSpec s;
  s.kind = kind.kind;
  s.hidden = config.integer("hidden_size", 1, kMaxWidth);
  s.layers = config.integer("num_hidden_layers", 1, kMaxLayers);
  s.heads = config.integer("num_attention_heads", 1, kMaxWidth);
  if (s.hidden % s.heads != 0) {
    fail(ErrorCode::bad_file, config.name(), ": hidden_size ", s.hidden, " is not a multiple of num_attention_heads ", s.heads);
  }
  s.head_dim = s.hidden / s.heads;
  s.intermediate = config.integer("intermediate_size", 1, kMaxWidth);
  s.patch = config.integer("patch_size", 1, kMaxSide);
  s.image = config.integer("image_size", s.patch, kMaxSide);
  if (config.integer("num_channels", 1, 1024, 3) != 3) {
    object(ErrorCode::unsupported, config.name(), ": num_channels is ", config.value().at("num_channels").dump(), ", supported is 3");
  }
  s.activation = read_activation(config, kind.activation);
  s.norm_eps = config.number("layer_norm_eps", 1e-12, 1, kind.norm_eps);
  s.run_layers = s.layers;
  if (s.kind == VisionSpec::Kind::internvit) check_internvit(config);
  return s;
}

void select_features(VisionSpec& vision, int64_t layer, const std::string& feature, const std::string& where) {
  const int64_t run = layer < 0 ? vision.layers + 1 + layer : layer;
  if (run < 1 || run > vision.layers) {
    object(ErrorCode::unsupported, where, ": select layer ", layer, " of a tower of ", vision.layers, " layers, expected ",
           -vision.layers, " to -1 or 1 to ", vision.layers);
  } else {
    vision.run_layers = run;
  }
  if (feature == "patch") {
    if (!vision.has_class_token()) {
      object(ErrorCode::unsupported, where, ": select feature \"patch\" with a tower that has no class token, expected cls_patch");
    }
    vision.drop_class_token = vision.has_class_token();
  } else if (feature == "cls_patch") {
    vision.drop_class_token = false;
  } else {
    object(ErrorCode::unsupported, where, ": select feature is \"", feature, "\", supported are patch and cls_patch");
  }
}

std::optional<KnownTower> known_tower(const std::string& name) {
  const std::string last = name.substr(name.find_last_of('/') + 1);
  for (const TowerTableRow& row : kKnownTowers) {
    if (last == row.name) {
      return KnownTower{JsonObject(parse_json(row.config, last), last), JsonObject(parse_json(row.processor, last), last)};
    }
  }
  return std::nullopt;
}

}  // namespace vila
