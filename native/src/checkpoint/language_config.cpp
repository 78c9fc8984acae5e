// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "checkpoint/config_readers.h"
#include "common/problems.h"

namespace vila {
namespace {

/// A decoder family.
struct Family {
  const char* model_type;
  bool qkv_bias;
};
constexpr Family kFamilies[] = {{"llama", false}, {"qwen2", true}};

const Family& family_of(const JsonObject& config, const std::string& model_type) {
  std::string known;
  for (const Family& family : kFamilies) {
    if (model_type == family.model_type) return family;
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  fail(ErrorCode::unsupported, config.name(), ": model_type of the language model is \"", model_type, "\", supported are ", known);
}

/// Refuses what would change the computation.
void check_features(const JsonObject& config, const std::string& model_type) {
  const std::string activation = config.string("hidden_act", "silu");
  if (activation != "silu") object(ErrorCode::unsupported, config.name(), ": hidden_act is \"", activation, "\", supported is silu");
  for (const char* flag : {"attention_bias", "mlp_bias", "use_sliding_window"}) {
    if (config.boolean(flag, false)) object(ErrorCode::unsupported, config.name(), ": ", flag, " is true, supported is false");
  }
  if (model_type == "llama" && config.has("sliding_window")) {
    object(ErrorCode::unsupported, config.name(), ": sliding_window is ", config.value().at("sliding_window").dump(),
         ", supported is null");
  }
  if (config.number("partial_rotary_factor", 0, 1, 1) != 1) {
    object(ErrorCode::unsupported, config.name(), ": partial_rotary_factor is ", config.value().at("partial_rotary_factor").dump(),
         ", supported is 1");
  }
}

/// What positions are divided by, as `rope_scaling` says it, or `rope_parameters` of transformers 5; none where that says nothing.
std::optional<double> configured_rope_scale(const JsonObject& config) {
  const char* key = config.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
  if (!config.has(key)) return std::nullopt;
  const JsonObject rope = config.object(key);
  const std::string type = rope.has("rope_type") ? rope.string("rope_type") : rope.string("type", "default");
  if (type == "linear") return rope.number("factor", 1, 1024);
  if (type != "default") {
    object(ErrorCode::unsupported, rope.name(), ": type is \"", type, "\", supported are linear and default");
  }
  return std::nullopt;
}

/// The configured scale. Else ceil(model_max_length / max_position_embeddings), what VILA's loader sets when it is asked for more
/// positions than were trained; its trainer asks, and saves the scale too.
double read_rope_scale(const JsonObject& config, int64_t max_positions) {
  if (const auto scale = configured_rope_scale(config)) return *scale;
  const int64_t wanted = config.integer("model_max_length", 1, kMaxPositions, max_positions);
  return wanted > max_positions ? std::ceil(static_cast<double>(wanted) / static_cast<double>(max_positions)) : 1;
}

double read_rope_theta(const JsonObject& config) {
  const bool inside = config.has("rope_parameters") && config.object("rope_parameters").has("rope_theta");
  return (inside ? config.object("rope_parameters") : config).number("rope_theta", 1, 1e12, 10000);
}

/// Adds the ids of a key that holds an id or a list of ids.
void add_ids(std::vector<int32_t>& ids, const JsonObject& config, const char* key) {
  if (!config.has(key)) return;
  const Json& value = config.value().at(key);
  const Json list = value.is_array() ? value : Json::array({value});
  for (const Json& item : list) {
    if (!item.is_number_integer() || item < 0 || item > kMaxVocab) {
      fail(ErrorCode::bad_file, config.name(), ": ", key, " is ", value.dump(), ", expected a token id or a list of them");
    }
    const auto id = item.get<int32_t>();
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  }
}

}  // namespace

std::string in_folder(const std::string& folder, const std::string& name) {
  return (std::filesystem::path(folder) / name).string();
}

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

bool is_file(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

std::optional<JsonObject> read_if_there(const std::string& path) {
  if (!is_file(path)) return std::nullopt;
  return JsonObject::read(path);
}

LanguageSpec read_language(const JsonObject& config, const std::string& model_type, const std::string& generation_config) {
  const Family& family = family_of(config, model_type);
  check_features(config, model_type);
  LanguageSpec s;
  s.model_type = model_type;
  s.qkv_bias = family.qkv_bias;
  s.hidden = config.integer("hidden_size", 1, kMaxWidth);
  s.layers = config.integer("num_hidden_layers", 1, kMaxLayers);
  s.heads = config.integer("num_attention_heads", 1, kMaxWidth);
  s.kv_heads = config.integer("num_key_value_heads", 1, kMaxWidth, s.heads);
  if (s.heads % s.kv_heads != 0) {
    fail(ErrorCode::bad_file, config.name(), ": num_attention_heads ", s.heads, " is not a multiple of num_key_value_heads ",
         s.kv_heads);
  }
  if (!config.has("head_dim") && s.hidden % s.heads != 0) {
    fail(ErrorCode::bad_file, config.name(), ": hidden_size ", s.hidden, " is not a multiple of num_attention_heads ", s.heads);
  }
  s.head_dim = config.integer("head_dim", 2, kMaxWidth, s.hidden / s.heads);
  if (s.head_dim % 2 != 0)
    fail(ErrorCode::bad_file, config.name(), ": the head size ", s.head_dim, " is odd, expected an even one");
  s.intermediate = config.integer("intermediate_size", 1, kMaxWidth);
  s.vocab = config.integer("vocab_size", 1, kMaxVocab);
  s.rope_theta = read_rope_theta(config);
  s.rms_eps = config.number("rms_norm_eps", 1e-12, 1, 1e-6);
  const int64_t positions = config.integer("max_position_embeddings", 1, kMaxPositions);
  s.rope_scale = read_rope_scale(config, positions);
  s.max_positions = static_cast<int64_t>(static_cast<double>(positions) * s.rope_scale);
  s.tied_head = config.boolean("tie_word_embeddings", false);
  s.bos_id = config.integer("bos_token_id", -1, kMaxVocab, -1);
  s.pad_id = config.integer("pad_token_id", -1, kMaxVocab, -1);
  add_ids(s.eos_ids, config, "eos_token_id");
  attempt([&] { read_quantization(s, config); });
  if (const auto generation = read_if_there(generation_config)) add_ids(s.eos_ids, *generation, "eos_token_id");
  return s;
}

DType read_weight_dtype(const JsonObject& config) {
  for (const char* key : {"torch_dtype", "dtype", "model_dtype"}) {
    if (!config.has(key)) continue;
    std::string name = config.string(key);
    if (name.starts_with("torch.")) name = name.substr(6);
    if (name == "bfloat16") return DType::bf16;
    if (name == "float16") return DType::f16;
    if (name == "float32") return DType::f32;
    object(ErrorCode::unsupported, config.name(), ": ", key, " is \"", name, "\", supported are bfloat16, float16, float32");
  }
  return DType::bf16;
}

}  // namespace vila
