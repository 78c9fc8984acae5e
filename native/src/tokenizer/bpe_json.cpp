// SPDX-License-Identifier: Apache-2.0
// tokenizer.json.
#include "tokenizer/bpe_tokenizer.h"
#include "tokenizer/bpe_vocabulary.h"
#include "tokenizer/unicode.h"

namespace vila {
namespace {

constexpr size_t kMaxSteps = 64;

const Json& member(const JsonObject& object, const char* key) {
  static const Json null;
  const auto it = object.value().find(key);
  return it == object.value().end() ? null : *it;
}

const Json& list(const JsonObject& object, const char* key) {
  const Json& value = member(object, key);
  if (!value.is_array()) fail(ErrorCode::bad_file, object.name(), ": ", key, " is no list");
  if (value.size() > kMaxSteps)
    fail(ErrorCode::bad_file, object.name(), ": ", key, " has ", value.size(), " entries, expected at most ", kMaxSteps);
  return value;
}

[[noreturn]] void unsupported(const JsonObject& object, const char* key, const std::string& value, const char* supported) {
  fail(ErrorCode::unsupported, object.name(), ": ", key, " ", in_quotes(value), " is not supported, only ", supported);
}

// {"String": text} or {"Regex": pattern}
Regex read_pattern(const JsonObject& object) {
  const JsonObject pattern = object.object("pattern");
  if (pattern.has("String")) return Regex(escape_regex(pattern.string("String")), pattern.name());
  return Regex(pattern.string("Regex"), pattern.name());
}

std::unique_ptr<const Normalizer> read_normalizer(const Json& value, const std::string& name) {
  if (value.is_null()) return nullptr;
  const JsonObject object(value, name);
  const std::string type = object.string("type");
  using Form = UnicodeNormalizer::Form;
  if (type == "NFC") return std::make_unique<UnicodeNormalizer>(Form::nfc);
  if (type == "NFD") return std::make_unique<UnicodeNormalizer>(Form::nfd);
  if (type == "NFKC") return std::make_unique<UnicodeNormalizer>(Form::nfkc);
  if (type == "NFKD") return std::make_unique<UnicodeNormalizer>(Form::nfkd);
  if (type == "Prepend") return std::make_unique<PrependNormalizer>(object.string("prepend"));
  if (type == "Replace") return std::make_unique<ReplaceNormalizer>(read_pattern(object), object.string("content"));
  if (type == "Sequence") {
    std::vector<std::unique_ptr<const Normalizer>> steps;
    for (const Json& item : list(object, "normalizers")) {
      if (auto step = read_normalizer(item, name + ": normalizers")) steps.push_back(std::move(step));
    }
    return std::make_unique<NormalizerSequence>(std::move(steps));
  }
  unsupported(object, "type", type, "NFC, NFD, NFKC, NFKD, Prepend, Replace, Sequence");
}

std::unique_ptr<const PreTokenizer> read_split(const JsonObject& object) {
  const std::string behavior = object.string("behavior");
  if (behavior != "Isolated" && behavior != "Removed") unsupported(object, "behavior", behavior, "Isolated, Removed");
  return std::make_unique<SplitPreTokenizer>(read_pattern(object), behavior == "Removed", object.boolean("invert", false));
}

std::string read_replacement(const JsonObject& object) {
  const std::string replacement = object.string("replacement", std::string(kMetaspace));
  if (replacement.empty() || character_length(replacement, 0) != replacement.size()) {
    fail(ErrorCode::bad_file, object.name(), ": replacement is ", in_quotes(replacement), ", expected one character");
  }
  return replacement;
}

MetaspacePreTokenizer::Prepend read_prepend_scheme(const JsonObject& object) {
  using Prepend = MetaspacePreTokenizer::Prepend;
  const std::string scheme = object.string("prepend_scheme", object.boolean("add_prefix_space", true) ? "always" : "never");
  if (scheme == "always") return Prepend::always;
  if (scheme == "first") return Prepend::first;
  if (scheme == "never") return Prepend::never;
  unsupported(object, "prepend_scheme", scheme, "always, first, never");
}

std::unique_ptr<const PreTokenizer> read_pre_tokenizer(const Json& value, const std::string& name) {
  if (value.is_null()) return nullptr;
  const JsonObject object(value, name);
  const std::string type = object.string("type");
  if (type == "Split") return read_split(object);
  if (type == "ByteLevel") {
    return std::make_unique<ByteLevelPreTokenizer>(object.boolean("add_prefix_space"), object.boolean("use_regex", true));
  }
  if (type == "Metaspace") {
    return std::make_unique<MetaspacePreTokenizer>(read_replacement(object), read_prepend_scheme(object),
                                                   object.boolean("split", true));
  }
  if (type == "Digits") {
    Regex digits(object.boolean("individual_digits", false) ? "\\p{N}" : "\\p{N}+", name);
    return std::make_unique<SplitPreTokenizer>(std::move(digits), false, false);
  }
  if (type == "Sequence") {
    std::vector<std::unique_ptr<const PreTokenizer>> steps;
    for (const Json& item : list(object, "pretokenizers")) {
      if (auto step = read_pre_tokenizer(item, name + ": pretokenizers")) steps.push_back(std::move(step));
    }
    return std::make_unique<PreTokenizerSequence>(std::move(steps));
  }
  unsupported(object, "type", type, "ByteLevel, Digits, Metaspace, Sequence, Split");
}

void read_decoder(const Json& value, const std::string& name, DecoderChain& chain) {
  using Kind = DecoderStep::Kind;
  const JsonObject object(value, name);
  const std::string type = object.string("type");
  DecoderStep step;
  if (type == "Sequence") {
    for (const Json& item : list(object, "decoders")) read_decoder(item, name + ": decoders", chain);
    return;
  }
  if (type == "ByteLevel") {
    step.kind = Kind::byte_level;
  } else if (type == "ByteFallback") {
    step.kind = Kind::byte_fallback;
  } else if (type == "Fuse") {
    step.kind = Kind::fuse;
  } else if (type == "Replace") {
    step.kind = Kind::replace;
    step.from = object.object("pattern").string("String");
    step.to = object.string("content");
    if (step.from.empty()) fail(ErrorCode::bad_file, name, ": pattern is empty");
  } else if (type == "Strip") {
    step.kind = Kind::strip;
    step.from = object.string("content");
    step.count = static_cast<size_t>(object.integer("start", 0, INT32_MAX));
    if (step.from.empty()) fail(ErrorCode::bad_file, name, ": content is empty");
    if (object.integer("stop", 0, INT32_MAX) != 0) fail(ErrorCode::unsupported, name, ": Strip with a stop is not supported");
  } else if (type == "Metaspace") {
    step.kind = Kind::metaspace;
    step.from = read_replacement(object);
    step.drop_first = read_prepend_scheme(object) != MetaspacePreTokenizer::Prepend::never;
  } else {
    unsupported(object, "type", type, "ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Sequence, Strip");
  }
  if (!chain.empty() && step.kind != Kind::strip && step.kind != Kind::fuse) {
    for (const DecoderStep& earlier : chain) {
      if (earlier.kind == Kind::fuse || earlier.kind == Kind::byte_level) {
        fail(ErrorCode::unsupported, name, ": ", type, " after ", earlier.kind == Kind::fuse ? "Fuse" : "ByteLevel",
             " is not supported");
      }
    }
  }
  chain.push_back(std::move(step));
}

BpeModel read_model(const JsonObject& file) {
  const std::string name = file.name() + ": model";
  const Json& value = member(file, "model");
  if (!value.is_object()) fail(ErrorCode::bad_file, name, " is no object");
  Json settings = Json::object();
  for (const auto& [key, item] : value.items()) {
    if (key != "vocab" && key != "merges") settings[key] = item;
  }
  const JsonObject object(std::move(settings), name);
  const std::string type = object.string("type", "BPE");  // early files leave it out
  if (type != "BPE") unsupported(object, "type", type, "BPE");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!object.string(key, "").empty()) unsupported(object, key, object.string(key), "an empty one");
  }
  if (object.number("dropout", 0, 1, 0) != 0) fail(ErrorCode::unsupported, name, ": dropout is not supported");
  BpeModel::Options options;
  options.ignore_merges = object.boolean("ignore_merges", false);
  options.byte_fallback = object.boolean("byte_fallback", false);
  options.fuse_unk = object.boolean("fuse_unk", false);
  options.unk_token = object.string("unk_token", "");

  const auto vocabulary = value.find("vocab");
  BpeModel model(read_vocabulary(vocabulary == value.end() ? Json() : *vocabulary, name + ": vocab"), options, name + ": vocab");
  const auto merges = value.find("merges");
  if (merges == value.end() || !merges->is_array()) fail(ErrorCode::bad_file, name, ": merges is no list");
  const std::string merges_name = name + ": merges";
  for (const Json& merge : *merges) {
    if (merge.is_string()) {
      const auto [left, right] = split_merge(merge.get_ref<const std::string&>(), merges_name);
      model.add_merge(left, right, merges_name);
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      model.add_merge(merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>(), merges_name);
    } else {
      fail(ErrorCode::bad_file, merges_name, ": an entry is neither \"left right\" nor [\"left\", \"right\"]");
    }
  }
  return model;
}

// transformers sets add_prefix_space of a ByteLevel that stands alone from tokenizer_config.json, whatever tokenizer.json says.
Json configured_pre_tokenizer(const JsonObject& file, const TokenizerConfig& config) {
  Json value = member(file, "pre_tokenizer");
  if (value.is_object() && value.value("type", Json()) == "ByteLevel")
    value["add_prefix_space"] = config.add_prefix_space.value_or(false);
  return value;
}

std::vector<AddedToken> read_added_tokens(const JsonObject& file) {
  const Json& value = member(file, "added_tokens");
  std::vector<AddedToken> tokens;
  if (value.is_null()) return tokens;
  const std::string name = file.name() + ": added_tokens";
  if (!value.is_array()) fail(ErrorCode::bad_file, name, " is no list");
  for (const Json& item : value) {
    const JsonObject object(item, name);
    tokens.push_back(read_added_token(item, object.integer("id", 0, kMaxTokenIds - 1), name));
  }
  return tokens;
}

}  // namespace

std::shared_ptr<const TokenizerBase> open_bpe_json(const std::string& folder) {
  const TokenizerConfig config = read_tokenizer_config(folder);
  const JsonObject file = JsonObject::read(folder + "/tokenizer.json");
  DecoderChain decoder;
  const Json& decoder_value = member(file, "decoder");
  if (decoder_value.is_null()) {
    decoder.push_back({DecoderStep::Kind::join_spaces, {}, {}, 0, false});
  } else {
    read_decoder(decoder_value, file.name() + ": decoder", decoder);
  }
  BpeParts parts{read_model(file),
                 read_added_tokens(file),
                 read_normalizer(member(file, "normalizer"), file.name() + ": normalizer"),
                 read_pre_tokenizer(configured_pre_tokenizer(file, config), file.name() + ": pre_tokenizer"),
                 std::move(decoder),
                 read_post_processor(member(file, "post_processor"), file.name() + ": post_processor"),
                 file.name()};
  return std::make_shared<BpeTokenizer>(std::move(parts), config, std::map<std::string, std::string>{});
}

}  // namespace vila
