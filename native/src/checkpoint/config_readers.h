// SPDX-License-Identifier: Apache-2.0
// From configuration files to the parts of a ModelSpec. Each reader takes what one kind of file says, whatever the family; the
// families (model_spec.cpp) put them together. All throw bad_file (damaged, contradictory), unsupported (names the key) or
// not_found.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/model_spec.h"
#include "common/json.h"

namespace vila {

/// Bounds of sizes in configuration files: far above any model, far below any overflow.
inline constexpr int64_t kMaxWidth = 1 << 20, kMaxLayers = 1024, kMaxVocab = 1 << 24, kMaxPositions = 1LL << 31, kMaxSide = 8192;

/// A file's object, or nothing when there is no such file.
std::optional<JsonObject> read_if_there(const std::string& path);
/// `folder`/`name`.
std::string in_folder(const std::string& folder, const std::string& name);
bool is_folder(const std::string& path);
bool is_file(const std::string& path);

/// The decoder that `config` describes; `model_type` is "llama" or "qwen2" (others are refused). End ids are those of `config` and
/// of `generation_config` (a path that need not exist). Prefixes stay empty.
LanguageSpec read_language(const JsonObject& config, const std::string& model_type, const std::string& generation_config);
/// quantization_config, where `config` has one: sets the packing and group that it names, if it names a version. Methods other than
/// AWQ with 4 bits and zero points are refused, as is another packing than one that was set before.
void read_quantization(LanguageSpec& language, const JsonObject& config);
/// torch_dtype (or dtype, or model_dtype) of `config`; bf16 when it names none.
DType read_weight_dtype(const JsonObject& config);

/// The tower that `config` describes (a full CLIP or SigLIP configuration gives its vision_config). All layers run, no token is
/// dropped.
VisionSpec read_tower(const JsonObject& config);
/// Applies select layer (hidden state index, -1 is the last) and select feature ("patch" or "cls_patch") as `where` (file and key)
/// says.
void select_features(VisionSpec& vision, int64_t layer, const std::string& feature, const std::string& where);
/// Configuration and preprocessing of towers that checkpoints name by hub id; nothing for an unknown name.
struct KnownTower {
  JsonObject config;
  JsonObject processor;
};
std::optional<KnownTower> known_tower(const std::string& name);

/// The projector `type` from `input` channels to `output`. `layer_name` gives the tensor name of the layer at a place of the
/// Sequential, or, for -1, of a projector that is one layer. `where` is for messages.
ProjectorSpec make_projector(const std::string& type, int64_t input, int64_t output, bool column_major,
                             const std::function<std::string(int64_t)>& layer_name, const std::string& where);

/// Image steps from preprocessor_config.json (absent: the tower's usual one) and the keys image_aspect_ratio, s2*, *tiles of
/// the root configuration.
PreprocessSpec read_preprocess(const std::optional<JsonObject>& processor, const VisionSpec& vision, const JsonObject& root);
/// Channels that enter the projector: the tower's width times the number of scales.
int64_t feature_channels(const VisionSpec& vision, const PreprocessSpec& preprocess);

/// Added tokens of a tokenizer folder by text (tokenizer_config.json, added_tokens.json, else tokenizer.json).
std::map<std::string, int64_t> read_added_tokens(const std::string& folder);
/// What the choice of a template looks at.
struct TemplateEvidence {
  const JsonObject& root;
  const LanguageSpec& language;
  const std::string& folder;  ///< of the checkpoint
  const std::string& tokenizer_folder;
};
/// Fills template_id, template_reason and system.
void choose_template(PromptSpec& prompt, const TemplateEvidence& evidence);
/// Fills max_length from the keys of `configs` (first that has one), else the tokenizer's, else the model's limit.
void read_prompt_limits(PromptSpec& prompt, const std::vector<const JsonObject*>& configs, const LanguageSpec& language,
                        const std::string& tokenizer_folder);
/// Refuses mm_use_im_start_end.
void check_prompt_flags(const JsonObject& root);
/// num_video_frames and fps; the rule stays that of VILA 1.0 and 1.5. (video_max_tiles has a part in NVILA's training only.)
VideoSampling read_video_sampling(const JsonObject& root);

}  // namespace vila
