// SPDX-License-Identifier: Apache-2.0
// The families: which folder layout and configuration keys make which ModelSpec. A new family is one row of kFamilies.
#include "checkpoint/model_spec.h"

#include <algorithm>
#include <filesystem>
#include <limits>

#include "checkpoint/checkpoint.h"
#include "checkpoint/config_readers.h"
#include "checkpoint/description.h"
#include "checkpoint/tower_files.h"
#include "common/problems.h"

namespace vila {
namespace {

namespace fs = std::filesystem;

/// The root of a checkpoint.
struct Root {
  std::string folder;
  JsonObject config;
  std::string model_type;
};

std::string sequential_name(const std::string& prefix, int64_t place) {
  return place < 0 ? prefix : prefix + "." + std::to_string(place);
}

/// mm_hidden_size, where given, must be what tower and scales give.
void check_feature_channels(const Root& root, int64_t channels) {
  const int64_t said = root.config.integer("mm_hidden_size", 1, kMaxWidth, channels);
  if (said != channels) {
    object(ErrorCode::bad_file, root.config.name(), ": mm_hidden_size is ", said, ", expected ", channels, " from the vision tower");
  }
}

void check_downsample(const ModelSpec& spec, const Root& root) {
  if (spec.projector.kind == ProjectorSpec::Kind::downsample && spec.vision.has_class_token() && !spec.vision.drop_class_token) {
    object(ErrorCode::unsupported, root.config.name(), ": ", spec.projector.type,
           " with a class token, expected mm_vision_select_feature patch");
  }
}

/// The keys that VILA and LLaVA share: selected features, preprocessing, flags.
void read_multimodal_keys(ModelSpec& spec, const Root& root, const std::optional<JsonObject>& processor,
                          const char* usual_feature) {
  select_features(spec.vision, root.config.integer("mm_vision_select_layer", -kMaxLayers, kMaxLayers, -2),
                  root.config.string("mm_vision_select_feature", usual_feature), root.config.name());
  const int64_t resolution = root.config.integer("vision_resolution", -1, kMaxSide, -1);
  if (resolution != -1 && resolution != spec.vision.image) {
    object(ErrorCode::unsupported, root.config.name(), ": vision_resolution is ", resolution, ", supported are -1 and the tower's ",
           spec.vision.image);
  }
  spec.preprocess = read_preprocess(processor, spec.vision, root.config);
}

/// Reads the decoder and the type of the weights.
void add_language(CheckpointDescription& d, const JsonObject& config, const std::string& model_type,
                  const std::string& generation_config) {
  d.has_language = attempt([&] {
    d.spec.language = read_language(config, model_type, generation_config);
    d.spec.weight_dtype = read_weight_dtype(config);
  });
}

/// The projector between what was read of tower and language model. Where either is not known the type is still checked.
void add_projector(CheckpointDescription& d, const Root& root, const std::string& type, bool column_major,
                   const std::function<std::string(int64_t)>& layer_name, const std::string& where) {
  ModelSpec& spec = d.spec;
  const int64_t channels = d.has_vision ? feature_channels(spec.vision, spec.preprocess) : 1;
  const int64_t output = d.has_language ? spec.language.hidden : 1;
  if (d.has_vision) attempt([&] { check_feature_channels(root, channels); });
  const bool known = attempt([&] { spec.projector = make_projector(type, channels, output, column_major, layer_name, where); });
  d.has_projector = known && d.has_vision && d.has_language;
  if (known && d.has_vision) check_downsample(spec, root);
}

/// Finds the tokenizer, then lets `choose` fill the rest of the prompt's spec, which needs tokenizer and language model.
template <typename Choose>
void add_prompt(CheckpointDescription& d, const Root& root, const Choose& choose) {
  const bool found = attempt([&] { d.spec.tokenizer = find_tokenizer(root.folder); });
  d.has_prompt = found && d.has_language && attempt(choose);
}

/// The id that stands for an image. Tokenizers saved before the media tokens were added get them at load: a sentinel, then
/// `<image>`, behind the last added token.
int64_t nvila_image_token(const std::string& tokenizer_folder) {
  const std::map<std::string, int64_t> added = read_added_tokens(tokenizer_folder);
  if (const auto it = added.find("<image>"); it != added.end()) return it->second;
  if (added.empty()) fail(ErrorCode::unsupported, tokenizer_folder, ": no added tokens, so no id for <image>");
  int64_t last = 0;
  for (const auto& [text, id] : added) last = std::max(last, id);
  return last + (added.contains("<vila/sentinel>") ? 1 : 2);
}

/// VILA1.5 and NVILA: llm/, vision_tower/, mm_projector/.
CheckpointDescription read_three_folders(const Root& root) {
  CheckpointDescription d;
  d.language_folder = in_folder(root.folder, "llm");
  d.vision_folder = in_folder(root.folder, "vision_tower");
  d.projector_folder = in_folder(root.folder, "mm_projector");
  for (const std::string* folder : {&d.language_folder, &d.vision_folder, &d.projector_folder}) {
    if (!is_folder(*folder)) {
      object(ErrorCode::not_found, *folder, ": no such folder, expected llm, vision_tower and mm_projector");
    }
  }
  std::optional<JsonObject> language, tower, projector;
  const auto read_config = [](std::optional<JsonObject>& config, const std::string& folder) {
    if (is_folder(folder)) attempt([&] { config = JsonObject::read(in_folder(folder, "config.json")); });
  };
  read_config(language, d.language_folder);
  read_config(tower, d.vision_folder);
  read_config(projector, d.projector_folder);

  ModelSpec& spec = d.spec;
  attempt([&] {
    if (language) {
      add_language(d, *language, language->string("model_type"), in_folder(d.language_folder, "generation_config.json"));
    }
  });
  const bool nvila = spec.language.model_type == "qwen2";
  spec.family = nvila ? "nvila" : "vila1.5";
  d.has_vision = tower && attempt([&] {
                   spec.vision = read_tower(*tower);
                   read_multimodal_keys(spec, root, read_if_there(in_folder(d.vision_folder, "preprocessor_config.json")),
                                        spec.vision.has_class_token() ? "patch" : "cls_patch");
                 });
  attempt([&] { check_prompt_flags(root.config); });
  attempt([&] { spec.video = read_video_sampling(root.config); });
  // The same type name changed its token order between the VILA1.5 and the NVILA code.
  attempt([&] {
    if (projector) {
      add_projector(
          d, root, projector->string("mm_projector_type"), !nvila, [](int64_t place) { return sequential_name("layers", place); },
          projector->name());
    }
  });
  add_prompt(d, root, [&] {
    choose_template(spec.prompt, {root.config, spec.language, root.folder, spec.tokenizer.folder});
    if (nvila) {
      spec.prompt.tokenization = PromptSpec::Tokenization::inline_token;
      spec.prompt.image_token_id = nvila_image_token(spec.tokenizer.folder);
      spec.prompt.newline_after_image = spec.prompt.strip_turns = true;
      spec.video.rule = FrameRule::rounded;
      spec.prompt.max_length = spec.language.max_positions;  // NVILA cuts to model_max_length only in training.
    } else {
      spec.tokenizer.legacy = false;
      read_prompt_limits(spec.prompt, {&root.config, &*language}, spec.language, spec.tokenizer.folder);
    }
  });
  return d;
}

/// VILA 1.0 and LLaVA-1.5: everything in one folder, the CLIP tower inside, below or beside it.
CheckpointDescription read_one_folder(const Root& root) {
  CheckpointDescription d;
  ModelSpec& spec = d.spec;
  d.language_folder = d.vision_folder = d.projector_folder = root.folder;
  add_language(d, root.config, "llama", in_folder(root.folder, "generation_config.json"));
  d.has_vision = attempt([&] {
    const TowerFiles tower = find_tower(root.folder, root.config);
    d.vision_folder = tower.weights_folder;
    spec.vision = read_tower(tower.config);
    spec.vision.prefix = tower.prefix;
    read_multimodal_keys(spec, root, tower.processor, "patch");
  });
  attempt([&] { check_prompt_flags(root.config); });
  attempt([&] { spec.video = read_video_sampling(root.config); });
  attempt([&] {
    add_projector(
        d, root, root.config.string("mm_projector_type", "linear"), true,
        [](int64_t place) { return sequential_name("model.mm_projector", place); }, root.config.name());
  });
  const std::string origin = root.config.string("_name_or_path", "") + " " + fs::path(root.folder).filename().string();
  spec.family = origin.find("llava-v1.5") != std::string::npos ? "llava1.5" : "vila1.0";
  add_prompt(d, root, [&] {
    if (spec.family == "vila1.0") spec.tokenizer.legacy = false;
    choose_template(spec.prompt, {root.config, spec.language, root.folder, spec.tokenizer.folder});
    read_prompt_limits(spec.prompt, {&root.config}, spec.language, spec.tokenizer.folder);
  });
  return d;
}

/// The object under `key`, with `defaults` for keys it leaves out (Hugging Face writes only what differs from its own defaults).
JsonObject with_defaults(const JsonObject& config, const char* key, Json defaults) {
  const JsonObject own = config.object(key);
  defaults.update(own.value());
  return JsonObject(std::move(defaults), own.name());
}

JsonObject llava_hf_language(const JsonObject& config) {
  return with_defaults(config, "text_config",
                       {{"model_type", "llama"},
                        {"hidden_size", 4096},
                        {"intermediate_size", 11008},
                        {"num_hidden_layers", 32},
                        {"num_attention_heads", 32},
                        {"vocab_size", 32000},
                        {"max_position_embeddings", 2048},
                        {"bos_token_id", 1},
                        {"eos_token_id", 2}});
}

/// What llava-hf says where VILA has mm_vision_select_feature.
std::string llava_hf_feature(const JsonObject& config) {
  const std::string strategy = config.string("vision_feature_select_strategy", "default");
  if (strategy == "default") return "patch";
  if (strategy == "full") return "cls_patch";
  fail(ErrorCode::unsupported, config.name(), ": vision_feature_select_strategy is \"", strategy,
       "\", supported are default and full");
}

/// llava-hf/llava-1.5-*: one folder, text_config and vision_config in one file, an image token in the vocabulary.
CheckpointDescription read_llava_hf(const Root& root) {
  CheckpointDescription d;
  d.language_folder = d.vision_folder = d.projector_folder = root.folder;
  ModelSpec& spec = d.spec;
  spec.family = "llava1.5";
  const JsonObject language = llava_hf_language(root.config);
  add_language(d, language, language.string("model_type"), in_folder(root.folder, "generation_config.json"));
  spec.language.prefix = spec.language.head_prefix = "language_model.";
  if (!language.has("torch_dtype")) attempt([&] { spec.weight_dtype = read_weight_dtype(root.config); });
  d.has_vision = attempt([&] {
    spec.vision = read_tower(root.config.object("vision_config"));
    spec.vision.prefix = "vision_tower.";
    select_features(spec.vision, root.config.integer("vision_feature_layer", -kMaxLayers, kMaxLayers, -2),
                    llava_hf_feature(root.config), root.config.name());
    spec.preprocess = read_preprocess(read_if_there(in_folder(root.folder, "preprocessor_config.json")), spec.vision, root.config);
  });
  attempt([&] {
    const std::string activation = root.config.string("projector_hidden_act", "gelu");
    if (activation != "gelu")
      object(ErrorCode::unsupported, root.config.name(), ": projector_hidden_act is \"", activation, "\", supported is gelu");
    if (!root.config.boolean("multimodal_projector_bias", true)) {
      object(ErrorCode::unsupported, root.config.name(), ": multimodal_projector_bias is false, supported is true");
    }
    add_projector(
        d, root, "mlp2x_gelu", false,
        [](int64_t place) { return "multi_modal_projector.linear_" + std::to_string(place / 2 + 1); }, root.config.name());
  });
  add_prompt(d, root, [&] {
    // transformers reads the fast tokenizer's file where there is one, and the two differ in the texts behind special tokens.
    if (is_file(in_folder(spec.tokenizer.folder, "tokenizer.json"))) spec.tokenizer.kind = TokenizerSpec::Kind::bpe_json;
    spec.prompt.template_id = "llava15";
    spec.prompt.template_reason = "a llava-hf checkpoint";
    spec.prompt.tokenization = PromptSpec::Tokenization::inline_token;
    const char* token_key = root.config.has("image_token_id") ? "image_token_id" : "image_token_index";
    spec.prompt.image_token_id = root.config.integer(token_key, 0, kMaxVocab, 32000);
    read_prompt_limits(spec.prompt, {&language}, spec.language, spec.tokenizer.folder);
  });
  return d;
}

/// A family: the model_types it goes by, what tells its layout apart, and its reader.
struct Family {
  std::vector<std::string> model_types;
  bool (*matches)(const Root&);
  CheckpointDescription (*read)(const Root&);
};

/// The first row that fits is taken.
const std::vector<Family>& families() {
  static const std::vector<Family> rows = {
      {{"llava"}, [](const Root& r) { return r.config.has("text_config"); }, read_llava_hf},
      {{"llava_llama", "llava", "vila"}, [](const Root& r) { return is_folder(in_folder(r.folder, "llm")); }, read_three_folders},
      {{"llava_llama", "llava"}, [](const Root&) { return true; }, read_one_folder},
      {{"vila"}, [](const Root&) { return true; }, read_three_folders},
  };
  return rows;
}

}  // namespace

CheckpointDescription describe_checkpoint(const std::string& folder) {
  if (!is_folder(folder)) fail(ErrorCode::not_found, folder, ": no such folder");
  const std::string file = in_folder(folder, "config.json");
  Root root{folder, JsonObject(Json::object(), file), ""};
  const bool known = attempt([&] {
    root.config = JsonObject::read(file);
    root.model_type = root.config.string("model_type");
  });
  const auto read = [&](const Family& family) {
    CheckpointDescription description = family.read(root);
    description.spec.path = folder;
    attempt([&] { read_quantization(description.spec.language, root.config); });
    attempt([&] { description.spec.synthetic = root.config.boolean("vila4j_synthetic", false); });
    return description;
  };
  for (const Family& family : families()) {
    const bool named = std::find(family.model_types.begin(), family.model_types.end(), root.model_type) != family.model_types.end();
    if (named && family.matches(root)) return read(family);
  }
  if (known) {
    object(ErrorCode::unsupported, root.config.name(), ": model_type is ", Json(root.model_type).dump(),
           ", supported are llava, llava_llama, vila");
  }
  CheckpointDescription description;
  if (is_folder(in_folder(folder, "llm"))) description = read_three_folders(root);
  description.spec.path = folder;
  return description;
}

ModelSpec read_model_spec(const std::string& folder) { return describe_checkpoint(folder).spec; }

int64_t ModelSpec::projector_tokens() const {
  if (preprocess.scales.empty() || preprocess.tiling != PreprocessSpec::Tiling::none) return vision.tokens();
  const size_t last = preprocess.scales.size() - 1;
  const size_t scale = preprocess.output_scale < 0 ? last : static_cast<size_t>(preprocess.output_scale);
  const int64_t side = vision.grid() * (preprocess.scales[scale] / vision.image);
  return side * side;
}

int64_t ModelSpec::tokens_per_image() const {
  if (projector.kind == ProjectorSpec::Kind::mlp) return projector_tokens();
  int64_t side = 0;
  while (side * side < projector_tokens()) ++side;
  const int64_t merged = (side + projector.window - 1) / projector.window;
  return merged * merged;
}

}  // namespace vila
