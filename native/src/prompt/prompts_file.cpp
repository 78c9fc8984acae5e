// SPDX-License-Identifier: Apache-2.0
#include "prompt/prompts_file.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/json.h"
#include "common/mapped_file.h"

namespace vila {
namespace {

constexpr uint64_t kMaxBytes = 64ULL << 20;
constexpr size_t kMaxNameBytes = 200;  // With an ending added it is still a file name everywhere.

/// The strings of a list; absent or null gives none.
std::vector<std::string> strings(const JsonObject& object, const char* key) {
  if (!object.has(key)) return {};
  const Json& list = object.value().at(key);
  if (!list.is_array()) fail(ErrorCode::bad_file, object.name(), ": ", key, " is of type ", list.type_name(), ", expected a list");
  std::vector<std::string> values;
  for (const Json& item : list) {
    if (!item.is_string()) {
      fail(ErrorCode::bad_file, object.name(), ": ", key, "[", values.size(), "] is of type ", item.type_name(), ", expected a string");
    }
    values.push_back(item.get<std::string>());
  }
  return values;
}

/// Throws unless `value` can be a file's name inside a folder, and nothing but that.
void check_file_name(const JsonObject& object, const std::string& key, const std::string& value) {
  const auto refuse = [&](const char* why) {
    fail(ErrorCode::bad_file, object.name(), ": ", key, " ", why, ", expected a plain file name of 1 to ", kMaxNameBytes, " bytes");
  };
  if (value.empty()) refuse("is empty");
  if (value.size() > kMaxNameBytes) refuse(join("has ", value.size(), " bytes").c_str());
  const auto control = [](char c) { return static_cast<uint8_t>(c) < 0x20 || c == 0x7F; };
  if (std::any_of(value.begin(), value.end(), control)) refuse("holds a control character");
  if (value.find_first_of("/\\") != std::string::npos) refuse(join("is \"", value, "\", which holds a slash").c_str());
  if (value == "." || value.find("..") != std::string::npos) refuse(join("is \"", value, "\"").c_str());
}

PromptCase parse_prompt(const JsonObject& object) {
  PromptCase prompt;
  prompt.name = object.string("name");
  check_file_name(object, "name", prompt.name);
  prompt.prompt_template = object.string("template", "");
  prompt.turns = strings(object, "turns");
  if (prompt.turns.size() % 2 == 0) {
    fail(ErrorCode::bad_file, object.name(), ": turns has ", prompt.turns.size(),
         " entries, expected an odd number (user, assistant, ..., user)");
  }
  prompt.images = strings(object, "images");
  for (size_t i = 0; i < prompt.images.size(); ++i) check_file_name(object, join("images[", i, "]"), prompt.images[i]);
  return prompt;
}

}  // namespace

std::vector<PromptCase> parse_prompts(const std::string& text, const std::string& name) {
  const JsonObject file(parse_json(text, name), name);
  if (!file.has("prompts")) fail(ErrorCode::bad_file, name, ": prompts is missing, expected a list of objects");
  const Json& list = file.value().at("prompts");
  if (!list.is_array()) fail(ErrorCode::bad_file, name, ": prompts is of type ", list.type_name(), ", expected a list of objects");
  std::vector<PromptCase> prompts;
  std::set<std::string> names;
  for (const Json& item : list) {
    const JsonObject object(item, join(name, ": prompts[", prompts.size(), "]"));
    prompts.push_back(parse_prompt(object));
    if (!names.insert(prompts.back().name).second) {
      fail(ErrorCode::bad_file, object.name(), ": name is \"", prompts.back().name, "\", which an earlier prompt has already");
    }
  }
  return prompts;
}

std::vector<PromptCase> read_prompts(const std::string& path) { return parse_prompts(read_file(path, kMaxBytes), path); }

}  // namespace vila
