// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/tokenizer_config.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "tokenizer/unicode.h"

namespace vila {
namespace {

constexpr const char* kSpecialKeys[] = {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

// A token is a string or {"content": string, ...}.
std::string content_of(const Json& value, const std::string& name) {
  if (value.is_string()) return value.get<std::string>();
  return JsonObject(value, name).string("content");
}

void read_additional(const JsonObject& object, const char* key, std::vector<std::string>& tokens) {
  if (!object.has(key)) return;
  const Json& value = object.value().at(key);
  const std::string name = object.name() + ": " + key;
  if (!value.is_array() && !value.is_object()) fail(ErrorCode::bad_file, name, " is neither a list nor an object");
  for (const Json& item : value) {
    const std::string content = content_of(item, name);
    if (std::find(tokens.begin(), tokens.end(), content) == tokens.end()) tokens.push_back(content);
  }
}

void read_special(const JsonObject& object, TokenizerConfig& config) {
  for (const char* key : kSpecialKeys) {
    const auto it = object.value().find(key);
    if (it == object.value().end()) continue;
    config.special[key] = it->is_null() ? "" : content_of(*it, object.name() + ": " + key);
  }
  read_additional(object, "additional_special_tokens", config.additional_special);
  read_additional(object, "extra_special_tokens", config.additional_special);
}

int64_t parse_id(const std::string& text, const std::string& name) {
  int64_t id = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail(ErrorCode::bad_file, name, ": key ", in_quotes(text), " is no token id");
  }
  return id;
}

std::optional<bool> read_flag(const JsonObject& object, const char* key) {
  if (!object.has(key)) return std::nullopt;
  return object.boolean(key);
}

// {"<image>": 32000, ...}
void read_added_tokens_file(const std::string& path, TokenizerConfig& config) {
  const JsonObject file = JsonObject::read(path);
  std::set<std::string> special(config.additional_special.begin(), config.additional_special.end());
  for (const auto& [key, content] : config.special) special.insert(content);
  for (const auto& [content, id] : file.value().items()) {
    if (!id.is_number_integer()) fail(ErrorCode::bad_file, path, ": the id of ", in_quotes(content), " is no integer");
    const bool is_special = special.count(content) > 0;
    const Json token = {{"content", content}, {"special", is_special}, {"normalized", !is_special}};
    config.added.push_back(read_added_token(token, id.get<int64_t>(), path));
  }
}

}  // namespace

AddedToken read_added_token(const Json& value, int64_t id, const std::string& name) {
  const JsonObject object(value, name);
  AddedToken token;
  token.content = object.string("content");
  if (id < 0 || id >= kMaxTokenIds) {
    fail(ErrorCode::bad_file, name, ": added token ", in_quotes(token.content), " has id ", id, ", expected 0 to ", kMaxTokenIds - 1);
  }
  if (token.content.size() > kMaxAddedTokenBytes) {
    fail(ErrorCode::bad_file, name, ": added token ", id, " has ", token.content.size(), " bytes, expected at most ",
         kMaxAddedTokenBytes);
  }
  token.id = static_cast<int32_t>(id);
  token.special = object.boolean("special", false);
  token.single_word = object.boolean("single_word", false);
  token.lstrip = object.boolean("lstrip", false);
  token.rstrip = object.boolean("rstrip", false);
  token.normalized = object.boolean("normalized", false);
  return token;
}

std::string TokenizerConfig::token(const std::string& key, const std::string& fallback) const {
  const auto it = special.find(key);
  return it == special.end() ? fallback : it->second;
}

std::set<std::string> TokenizerConfig::all_special(const std::map<std::string, std::string>& defaults) const {
  std::set<std::string> all(additional_special.begin(), additional_special.end());
  for (const auto& [key, content] : special) all.insert(content);
  for (const auto& [key, content] : defaults) all.insert(token(key, content));
  all.erase("");
  return all;
}

TokenizerConfig read_tokenizer_config(const std::string& folder) {
  namespace fs = std::filesystem;
  TokenizerConfig config;
  config.name = folder + "/tokenizer_config.json";
  std::error_code ignored;
  bool has_decoder = false;
  if (fs::exists(config.name, ignored)) {
    const JsonObject file = JsonObject::read(config.name);
    read_special(file, config);
    config.add_bos = read_flag(file, "add_bos_token");
    config.add_eos = read_flag(file, "add_eos_token");
    config.legacy = read_flag(file, "legacy");
    config.add_prefix_space = read_flag(file, "add_prefix_space");
    has_decoder = file.has("added_tokens_decoder");
    if (has_decoder) {
      const JsonObject decoder = file.object("added_tokens_decoder");
      for (const auto& [key, value] : decoder.value().items()) {
        config.added.push_back(read_added_token(value, parse_id(key, decoder.name()), decoder.name()));
      }
    }
  }
  if (!has_decoder) {
    const std::string map = folder + "/special_tokens_map.json";
    if (fs::exists(map, ignored)) read_special(JsonObject::read(map), config);
    const std::string added = folder + "/added_tokens.json";
    if (fs::exists(added, ignored)) read_added_tokens_file(added, config);
  }
  std::stable_sort(config.added.begin(), config.added.end(), [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  for (size_t i = 1; i < config.added.size(); ++i) {
    if (config.added[i].id == config.added[i - 1].id) {
      fail(ErrorCode::bad_file, config.name, ": added tokens ", in_quotes(config.added[i - 1].content), " and ",
           in_quotes(config.added[i].content), " share id ", config.added[i].id);
    }
  }
  return config;
}

}  // namespace vila
