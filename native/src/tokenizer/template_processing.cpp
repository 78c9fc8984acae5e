// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/template_processing.h"

#include "tokenizer/tokenizer_config.h"
#include "tokenizer/unicode.h"

namespace vila {
namespace {

const Json& require_list(const JsonObject& object, const char* key) {
  if (!object.has(key) || !object.value().at(key).is_array()) fail(ErrorCode::bad_file, object.name(), ": ", key, " is no list");
  return object.value().at(key);
}

std::vector<int32_t> ids_of(const JsonObject& special_tokens, const std::string& token) {
  const JsonObject entry = special_tokens.object(token.c_str());
  std::vector<int32_t> ids;
  for (const Json& id : require_list(entry, "ids")) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= static_cast<uint64_t>(kMaxTokenIds)) {
      fail(ErrorCode::bad_file, entry.name(), ": ids holds what is no token id");
    }
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

TextTemplate read_template(const JsonObject& processor) {
  TextTemplate result;
  bool after_text = false;
  for (const Json& item : require_list(processor, "single")) {
    const JsonObject piece(item, processor.name() + ": single");
    if (piece.has("Sequence")) {
      if (after_text) fail(ErrorCode::unsupported, piece.name(), ": holds the text twice, which this version does not support");
      after_text = true;
      continue;
    }
    const std::string token = piece.object("SpecialToken").string("id");
    const std::vector<int32_t> ids = ids_of(processor.object("special_tokens"), token);
    std::vector<int32_t>& target = after_text ? result.after : result.before;
    target.insert(target.end(), ids.begin(), ids.end());
  }
  if (!after_text) fail(ErrorCode::bad_file, processor.name(), ": single does not hold the text");
  return result;
}

}  // namespace

TextTemplate read_post_processor(const Json& value, const std::string& name) {
  if (value.is_null()) return {};
  const JsonObject processor(value, name);
  const std::string type = processor.string("type");
  if (type == "ByteLevel") return {};
  if (type == "TemplateProcessing") return read_template(processor);
  if (type == "Sequence") {
    TextTemplate all;
    for (const Json& item : require_list(processor, "processors")) {
      const TextTemplate next = read_post_processor(item, name + ": processors");
      all.before.insert(all.before.begin(), next.before.begin(), next.before.end());
      all.after.insert(all.after.end(), next.after.begin(), next.after.end());
    }
    return all;
  }
  fail(ErrorCode::unsupported, name, ": type ", in_quotes(type), " is not supported, only ByteLevel, Sequence, TemplateProcessing");
}

}  // namespace vila
