// SPDX-License-Identifier: Apache-2.0
// Tokenizer folder, prompt template and limits.
#include <algorithm>
#include <array>
#include <filesystem>

#include "checkpoint/chat_template.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/config_readers.h"
#include "common/problems.h"

namespace vila {
namespace {

/// Templates that a checkpoint's chat_template may name.
constexpr std::array<const char*, 8> kNamedTemplates = {"vicuna_v1", "llama_3_fix", "llama_3", "hermes-2",
                                                        "mpt",       "llama_2",     "plain",   "qwen2"};

/// Folder name and training paths, where releases carry their name.
std::vector<std::string> names_of(const TemplateEvidence& e) {
  std::vector<std::string> names = {std::filesystem::absolute(e.folder).lexically_normal().string()};
  while (names[0].size() > 1 && names[0].ends_with('/')) names[0].pop_back();
  names[0] = names[0].substr(names[0].find_last_of('/') + 1);
  for (const char* key : {"_name_or_path", "resume_path"}) {
    const auto it = e.root.value().find(key);
    if (it != e.root.value().end() && it->is_string()) names.push_back(it->get<std::string>());
  }
  return names;
}

bool any_contains(const std::vector<std::string>& names, std::string_view part) {
  return std::any_of(names.begin(), names.end(), [part](const std::string& name) { return name.find(part) != std::string::npos; });
}

/// eos_token of tokenizer_config.json: a string or an added token; empty when absent.
std::string tokenizer_eos(const std::string& folder) {
  const auto config = read_if_there(in_folder(folder, "tokenizer_config.json"));
  if (!config || !config->has("eos_token")) return "";
  return config->value().at("eos_token").is_object() ? config->object("eos_token").string("content", "")
                                                     : config->string("eos_token");
}

void set(PromptSpec& prompt, const char* id, const std::string& reason) {
  prompt.template_id = id;
  prompt.template_reason = reason;
}

/// NVILA renders its prompts with the chat template of the tokenizer, or with one of its own that config.json names.
void choose_qwen2(PromptSpec& prompt, const TemplateEvidence& e) {
  set(prompt, "qwen2", "a Qwen2 language model");
  if (e.root.has("chat_template")) {
    object(ErrorCode::unsupported, e.root.name(), ": chat_template is ", e.root.value().at("chat_template").dump(),
           ", supported for a Qwen2 language model is \"qwen2\", or none for the tokenizer's own");
  }
  attempt([&] {
    const std::optional<ChatTemplate> own = find_chat_template(e.tokenizer_folder);
    if (!own) return;
    prompt.system = read_chat_ml(own->jinja, own->where).text;
    prompt.without_system = !prompt.system;
    prompt.template_reason = prompt.system ? "a Qwen2 language model, with the system text of its chat template"
                                           : "a Qwen2 language model, without a system turn as in its chat template";
  });
}

/// Llama-3 was trained first with <|end_of_text|> between turns (May 2024), later with <|eot_id|> ("Fix", LongVILA).
void choose_llama_3(PromptSpec& prompt, const TemplateEvidence& e, const std::map<std::string, int64_t>& added) {
  const auto eot = added.find("<|eot_id|>");
  const auto& eos = e.language.eos_ids;
  if (eot != added.end() && std::find(eos.begin(), eos.end(), eot->second) != eos.end()) {
    return set(prompt, "llama_3_fix", "<|eot_id|> is among the end ids of the configuration");
  }
  if (tokenizer_eos(e.tokenizer_folder) == "<|eot_id|>")
    return set(prompt, "llama_3_fix", "the tokenizer's eos_token is <|eot_id|>");
  for (const char* part : {"-Fix", "-fix", "LongVILA", "longvila"}) {
    if (any_contains(names_of(e), part)) return set(prompt, "llama_3_fix", join("the checkpoint's name contains ", part));
  }
  set(prompt, "llama_3", "Llama-3 chat tokens, and nothing says that <|eot_id|> ends a turn");
}

/// The added tokens that `array` lists as {"id", "content"}.
void collect_added(std::map<std::string, int64_t>& tokens, const JsonObject& file, const char* key) {
  const auto it = file.value().find(key);
  if (it == file.value().end() || !it->is_array()) return;
  for (const Json& item : *it) {
    const JsonObject token(item, file.name() + ": " + key);
    tokens[token.string("content")] = token.integer("id", 0, kMaxVocab);
  }
}

/// {"128009": {"content": "<|eot_id|>"}, ...}
void collect_decoder(std::map<std::string, int64_t>& tokens, const JsonObject& file) {
  if (!file.has("added_tokens_decoder")) return;
  const JsonObject decoder = file.object("added_tokens_decoder");
  for (const auto& [id, item] : decoder.value().items()) {
    const bool number =
        !id.empty() && id.size() <= 8 && std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!number) fail(ErrorCode::bad_file, decoder.name(), ": ", Json(id).dump(), " is not a token id");
    tokens[JsonObject(item, decoder.name() + ": " + id).string("content")] = std::stoll(id);
  }
}

bool sets_tokenizer(TokenizerSpec& spec, const std::string& folder) {
  spec.folder = folder;
  if (is_file(in_folder(folder, "tokenizer.model"))) {
    spec.kind = TokenizerSpec::Kind::sentencepiece;
  } else if (is_file(in_folder(folder, "tokenizer.json"))) {
    spec.kind = TokenizerSpec::Kind::bpe_json;
  } else if (is_file(in_folder(folder, "vocab.json")) && is_file(in_folder(folder, "merges.txt"))) {
    spec.kind = TokenizerSpec::Kind::bpe_files;
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::map<std::string, int64_t> read_added_tokens(const std::string& folder) {
  std::map<std::string, int64_t> tokens;
  if (const auto config = read_if_there(in_folder(folder, "tokenizer_config.json"))) collect_decoder(tokens, *config);
  if (const auto added = read_if_there(in_folder(folder, "added_tokens.json"))) {
    for (const auto& item : added->value().items()) tokens[item.key()] = added->integer(item.key().c_str(), 0, kMaxVocab);
  }
  if (tokens.empty()) {
    if (const auto tokenizer = read_if_there(in_folder(folder, "tokenizer.json")))
      collect_added(tokens, *tokenizer, "added_tokens");
  }
  return tokens;
}

void choose_template(PromptSpec& prompt, const TemplateEvidence& e) {
  const auto named = e.root.value().find("chat_template");
  if (named != e.root.value().end() && named->is_string()) {
    const auto it = std::find(kNamedTemplates.begin(), kNamedTemplates.end(), named->get<std::string>());
    if (it != kNamedTemplates.end()) return set(prompt, *it, "named by chat_template");
  }
  if (e.language.model_type == "qwen2") return choose_qwen2(prompt, e);
  const std::map<std::string, int64_t> added = read_added_tokens(e.tokenizer_folder);
  if (added.contains("<|start_header_id|>") || added.contains("<|eot_id|>")) return choose_llama_3(prompt, e, added);
  if (added.contains("<|im_start|>") || added.contains("<|im_end|>"))
    return set(prompt, "hermes-2", "the tokenizer has <|im_end|>");
  set(prompt, "vicuna_v1", "a Llama-2 tokenizer without chat tokens");
}

void read_prompt_limits(PromptSpec& prompt, const std::vector<const JsonObject*>& configs, const LanguageSpec& language,
                        const std::string& tokenizer_folder) {
  prompt.max_length = language.max_positions;
  const auto limit = [&prompt](int64_t length) { prompt.max_length = std::min(prompt.max_length, length); };
  for (const JsonObject* config : configs) {
    for (const char* key : {"tokenizer_model_max_length", "model_max_length"}) {
      if (config->has(key)) return limit(config->integer(key, 1, kMaxPositions));
    }
  }
  const auto tokenizer = read_if_there(in_folder(tokenizer_folder, "tokenizer_config.json"));
  if (!tokenizer || !tokenizer->has("model_max_length")) return;
  // Hugging Face writes 1e30 for "no limit".
  const double length = tokenizer->number("model_max_length", 1, 1e40);
  if (length < static_cast<double>(language.max_positions)) limit(static_cast<int64_t>(length));
}

void check_prompt_flags(const JsonObject& root) {
  if (root.boolean("mm_use_im_start_end", false)) {
    object(ErrorCode::unsupported, root.name(), ": mm_use_im_start_end is true, supported is false");
  }
}

VideoSampling read_video_sampling(const JsonObject& root) {
  VideoSampling video;
  video.frames = static_cast<int32_t>(root.integer("num_video_frames", 1, VideoSampling::kMaxFrames, video.frames));
  video.fps = root.number("fps", 0, VideoSampling::kMaxFps, video.fps);
  return video;
}

TokenizerSpec find_tokenizer(const std::string& folder) {
  if (!is_folder(folder)) fail(ErrorCode::not_found, folder, ": no such folder");
  TokenizerSpec spec;
  const std::string inner = in_folder(folder, "llm");
  if (sets_tokenizer(spec, inner) || sets_tokenizer(spec, folder)) return spec;
  fail(ErrorCode::not_found, folder,
       ": no tokenizer.model, tokenizer.json or vocab.json with merges.txt in it or in its llm folder");
}

}  // namespace vila
