// SPDX-License-Identifier: Apache-2.0
// Damaged and unsupported tokenizer files: the exact messages.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "native/tokenizer/cases.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
using Kind = TokenizerSpec::Kind;

namespace {

/// A folder of tokenizer files; messages are compared without its path.
class Folder {
 public:
  std::string error(Kind kind) const {
    std::string message = error_of([&] { open_tokenizer({kind, folder_.path().string()}); });
    const std::string path = folder_.path().string() + "/";
    for (size_t at = message.find(path); at != std::string::npos; at = message.find(path)) message.erase(at, path.size());
    return message;
  }
  std::string json_error(const Json& json) const {
    write("tokenizer.json", json.dump());
    return error(Kind::bpe_json);
  }
  void write(const std::string& name, const std::string& content) const { write_file(folder_ / name, content); }

 private:
  TempDir folder_;
};

Json good_json() { return Json::parse(R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})"); }

Json with(const char* pointer, const char* value) {
  Json json = good_json();
  json[Json::json_pointer(pointer)] = Json::parse(value);
  return json;
}

std::string sentencepiece_model() {
  std::ifstream in(tokenizer_cases()[1].spec.folder + "/tokenizer.model", std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string number(uint32_t value) { return {reinterpret_cast<const char*>(&value), sizeof value}; }

// normalizer_spec (3) or denormalizer_spec (5) with a precompiled_charsmap (2).
std::string charsmap_field(char field, const std::string& map) {
  const auto varint = [](size_t size) {
    return std::string{static_cast<char>(0x80 | (size & 0x7F)), static_cast<char>(size >> 7)};
  };
  const std::string inner = "\x12" + varint(map.size()) + map;
  return std::string(1, static_cast<char>(field << 3 | 2)) + varint(inner.size()) + inner;
}

}  // namespace

TEST_CASE("the good files are good") {
  const Folder folder;
  CHECK(folder.json_error(good_json()) == "no error");
  folder.write("tokenizer.model", sentencepiece_model());
  CHECK(folder.error(Kind::sentencepiece) == "no error");
  folder.write("vocab.json", R"({"a": 0, "b": 1, "ab": 2})");
  folder.write("merges.txt", "#version: 0.2\r\na b\r\n\n");
  CHECK(folder.error(Kind::bpe_files) == "no error");
}

TEST_CASE("missing files") {
  const Folder folder;
  CHECK(error_of([] { open_tokenizer({Kind::bpe_json, "/no/such/folder"}); }) == "2:/no/such/folder: no such folder");
  CHECK(folder.error(Kind::bpe_json) == "2:tokenizer.json: No such file or directory");
  CHECK(folder.error(Kind::sentencepiece) == "2:tokenizer.model: No such file or directory");
  CHECK(folder.error(Kind::bpe_files) == "2:vocab.json: No such file or directory");
  folder.write("vocab.json", "{}");
  CHECK(folder.error(Kind::bpe_files) == "2:merges.txt: No such file or directory");
}

TEST_CASE("tokenizer.json: vocabulary and merges") {
  const Folder folder;
  folder.write("tokenizer.json", "{\"model\": ");
  CHECK(folder.error(Kind::bpe_json) == "4:tokenizer.json: not valid JSON at byte 11");
  CHECK(folder.json_error(Json::array()) == "4:tokenizer.json: is [], expected an object");
  CHECK(folder.json_error(Json::object()) == "4:tokenizer.json: model is no object");
  CHECK(folder.json_error(with("/model/type", "\"Unigram\"")) ==
        "5:tokenizer.json: model: type \"Unigram\" is not supported, only BPE");
  CHECK(folder.json_error(with("/model/vocab", "[]")) == "4:tokenizer.json: model: vocab: the vocabulary is no object");
  CHECK(folder.json_error(with("/model/vocab/b", "-1")) ==
        "4:tokenizer.json: model: vocab: token \"b\" has id -1, expected 0 to 1999999");
  CHECK(folder.json_error(with("/model/vocab/b", "2000000")) ==
        "4:tokenizer.json: model: vocab: token \"b\" has id 2000000, expected 0 to 1999999");
  CHECK(folder.json_error(with("/model/vocab/b", "1.5")) ==
        "4:tokenizer.json: model: vocab: token \"b\" has id 1.5, expected 0 to 1999999");
  CHECK(folder.json_error(with("/model/vocab/b", "2")) == "4:tokenizer.json: model: vocab: tokens \"ab\" and \"b\" share id 2");
  CHECK(folder.json_error(with("/model/merges", "null")) == "4:tokenizer.json: model: merges is no list");
  CHECK(folder.json_error(with("/model/merges", "[\"a c\"]")) ==
        "4:tokenizer.json: model: merges: merge 0 needs \"c\", which is not in the vocabulary");
  CHECK(folder.json_error(with("/model/merges", "[\"a b\", [\"b\", \"a\"]]")) ==
        "4:tokenizer.json: model: merges: merge 1 needs \"ba\", which is not in the vocabulary");
  CHECK(folder.json_error(with("/model/merges", "[\"ab\"]")) ==
        "4:tokenizer.json: model: merges: merge \"ab\" is not two tokens with a space between them");
  CHECK(folder.json_error(with("/model/merges", "[[\"a\"]]")) ==
        "4:tokenizer.json: model: merges: an entry is neither \"left right\" nor [\"left\", \"right\"]");
  CHECK(folder.json_error(with("/model/unk_token", "\"?\"")) ==
        "4:tokenizer.json: model: vocab: unk_token \"?\" is not in the vocabulary");
  CHECK(folder.json_error(with("/model/dropout", "0.1")) == "5:tokenizer.json: model: dropout is not supported");
  CHECK(folder.json_error(with("/model/end_of_word_suffix", "\"</w>\"")) ==
        "5:tokenizer.json: model: end_of_word_suffix \"</w>\" is not supported, only an empty one");
}

TEST_CASE("tokenizer.json: added tokens") {
  const Folder folder;
  CHECK(folder.json_error(with("/added_tokens", R"([{"id": 3, "content": "<x>"}, {"id": 3, "content": "<y>"}])")) ==
        "4:tokenizer.json: added tokens \"<x>\" and \"<y>\" share id 3");
  CHECK(folder.json_error(with("/added_tokens", R"([{"id": 3, "content": "<x>"}, {"id": 4, "content": "<x>"}])")) ==
        "4:tokenizer.json: added token \"<x>\" has ids 3 and 4");
  CHECK(folder.json_error(with("/added_tokens", R"([{"id": 3, "content": "ab"}])")) ==
        "4:tokenizer.json: added token \"ab\" has id 3, the vocabulary gives it 2");
  CHECK(folder.json_error(with("/added_tokens", R"([{"id": 1, "content": "<x>"}])")) ==
        "4:tokenizer.json: added token \"<x>\" has id 1 of token \"b\"");
  CHECK(folder.json_error(with("/added_tokens", R"([{"id": -3, "content": "<x>"}])")) ==
        "4:tokenizer.json: added_tokens: id is -3, expected an integer from 0 to 1999999");
  CHECK(folder.json_error(with("/added_tokens", R"([{"id": 3}])")) ==
        "4:tokenizer.json: added_tokens: content is missing, expected a string");
  CHECK(folder.json_error(with("/added_tokens", R"([{"id": 3, "content": "<x>", "lstrip": 1}])")) ==
        "4:tokenizer.json: added_tokens: lstrip is 1, expected true or false");
  Json json = good_json();
  json["added_tokens"] = Json::array({Json{{"id", 3}, {"content", std::string(4097, 'x')}}});
  CHECK(folder.json_error(json) == "4:tokenizer.json: added_tokens: added token 3 has 4097 bytes, expected at most 4096");
}

TEST_CASE("tokenizer.json: components") {
  const Folder folder;
  CHECK(folder.json_error(with("/normalizer", R"({"type": "Lowercase"})")) ==
        "5:tokenizer.json: normalizer: type \"Lowercase\" is not supported, only NFC, NFD, NFKC, NFKD, Prepend, Replace, Sequence");
  CHECK(folder.json_error(with("/pre_tokenizer", R"({"type": "Sequence", "pretokenizers": [{"type": "Whitespace"}]})")) ==
        "5:tokenizer.json: pre_tokenizer: pretokenizers: type \"Whitespace\" is not supported, only ByteLevel, Digits, Metaspace, "
        "Sequence, Split");
  CHECK(folder.json_error(with("/pre_tokenizer", R"({"type": "Split", "behavior": "Isolated", "pattern": {"Regex": "a(b"}})")) ==
        "4:tokenizer.json: pre_tokenizer: pattern: pattern \"a(b\" does not compile: missing closing parenthesis");
  CHECK(folder.json_error(with("/pre_tokenizer", R"({"type": "Split", "behavior": "Isolated", "pattern": {"Regex": "a\\hb"}})")) ==
        "5:tokenizer.json: pre_tokenizer: pattern: pattern uses \\h at byte 1, which this version does not support");
  CHECK(folder.json_error(with("/pre_tokenizer", R"({"type": "Split", "behavior": "Isolated", "pattern": {"Regex": "[a[b]]"}})")) ==
        "5:tokenizer.json: pre_tokenizer: pattern: pattern uses a class inside a class at byte 2, which this version does not "
        "support");
  CHECK(folder.json_error(with("/pre_tokenizer", R"({"type": "Split", "behavior": "Isolated", "pattern": {"Regex": "[a&&b]"}})")) ==
        "5:tokenizer.json: pre_tokenizer: pattern: pattern uses an intersection of classes at byte 2, which this version does not "
        "support");
  CHECK(
      folder.json_error(with("/pre_tokenizer", R"({"type": "Split", "behavior": "Isolated", "pattern": {"Regex": "a{1,3}+"}})")) ==
      "5:tokenizer.json: pre_tokenizer: pattern: pattern uses an interval followed by + at byte 1, which this version does not "
      "support");
  CHECK(folder.json_error(with("/pre_tokenizer", R"({"type": "Split", "behavior": "Contiguous", "pattern": {"String": "a"}})")) ==
        "5:tokenizer.json: pre_tokenizer: behavior \"Contiguous\" is not supported, only Isolated, Removed");
  CHECK(folder.json_error(with("/pre_tokenizer", R"({"type": "Metaspace", "prepend_scheme": "last"})")) ==
        "5:tokenizer.json: pre_tokenizer: prepend_scheme \"last\" is not supported, only always, first, never");
  CHECK(folder.json_error(with("/pre_tokenizer", R"({"type": "Metaspace", "replacement": "ab"})")) ==
        "4:tokenizer.json: pre_tokenizer: replacement is \"ab\", expected one character");
  CHECK(folder.json_error(with("/post_processor", R"({"type": "BertProcessing"})")) ==
        "5:tokenizer.json: post_processor: type \"BertProcessing\" is not supported, only ByteLevel, Sequence, TemplateProcessing");
  CHECK(folder.json_error(with("/post_processor", R"({"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}},
      {"SpecialToken": {"id": "<x>"}}], "special_tokens": {"<x>": {"ids": [7]}}})")) ==
        "4:tokenizer.json: post_processor adds id 7, which no token has");
  CHECK(folder.json_error(with("/post_processor", R"({"type": "TemplateProcessing", "single": []})")) ==
        "4:tokenizer.json: post_processor: single does not hold the text");
  CHECK(folder.json_error(with("/decoder", R"({"type": "WordPiece"})")) ==
        "5:tokenizer.json: decoder: type \"WordPiece\" is not supported, only ByteFallback, ByteLevel, Fuse, Metaspace, Replace, "
        "Sequence, Strip");
  CHECK(folder.json_error(with("/decoder", R"({"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "ByteFallback"}]})")) ==
        "5:tokenizer.json: decoder: decoders: ByteFallback after Fuse is not supported");
  CHECK(folder.json_error(with("/decoder", R"({"type": "Strip", "content": " ", "start": 0, "stop": 1})")) ==
        "5:tokenizer.json: decoder: Strip with a stop is not supported");
}

TEST_CASE("a pattern that takes too long is given up") {
  const TempDir folder;
  write_file(folder / "tokenizer.json",
             with("/pre_tokenizer", R"({"type": "Split", "behavior": "Isolated", "pattern": {"Regex": "(?:a|a)*[bc]"}})").dump());
  const auto tokenizer = open_tokenizer({Kind::bpe_json, folder.path().string()});
  CHECK(tokenizer->encode("aab", true) == std::vector<int32_t>{0, 2});
  CHECK(error_of([&] { tokenizer->encode(std::string(60, 'a'), true); }) ==
        "6:" + (folder / "tokenizer.json").string() +
            ": pre_tokenizer: pattern: pattern gives up on a text of 60 bytes: match limit exceeded");
}

TEST_CASE("vocab.json and merges.txt") {
  const Folder folder;
  folder.write("vocab.json", R"({"a": 0, "b": 0})");
  folder.write("merges.txt", "a b\n");
  CHECK(folder.error(Kind::bpe_files) == "4:vocab.json: tokens \"a\" and \"b\" share id 0");
  folder.write("vocab.json", R"({"a": 0, "b": 1, "ab": 2})");
  folder.write("merges.txt", "#version: 0.2\na b\nab\n");
  CHECK(folder.error(Kind::bpe_files) == "4:merges.txt: line 3: merge \"ab\" is not two tokens with a space between them");
  folder.write("merges.txt", "#version: 0.2\na b\nab b\n");
  CHECK(folder.error(Kind::bpe_files) == "4:merges.txt: merge 1 needs \"abb\", which is not in the vocabulary");
}

TEST_CASE("the small files") {
  const Folder folder;
  folder.write("tokenizer.json", good_json().dump());
  const auto config_error = [&](const char* config) {
    folder.write("tokenizer_config.json", config);
    return folder.error(Kind::bpe_json);
  };
  CHECK(config_error("[]") == "4:tokenizer_config.json: is [], expected an object");
  CHECK(config_error(R"({"bos_token": 3})") == "4:tokenizer_config.json: bos_token: is 3, expected an object");
  CHECK(config_error(R"({"legacy": "no"})") == "4:tokenizer_config.json: legacy is \"no\", expected true or false");
  CHECK(config_error(R"({"added_tokens_decoder": {"x": {"content": "<x>"}}})") ==
        "4:tokenizer_config.json: added_tokens_decoder: key \"x\" is no token id");
  CHECK(config_error(R"({"added_tokens_decoder": {"-1": {"content": "<x>"}}})") ==
        "4:tokenizer_config.json: added_tokens_decoder: added token \"<x>\" has id -1, expected 0 to 1999999");
  CHECK(config_error(R"({"added_tokens_decoder": {"3": {"content": "<x>"}, "03": {"content": "<y>"}}})") ==
        "4:tokenizer_config.json: added tokens \"<y>\" and \"<x>\" share id 3");
  CHECK(config_error(R"({"additional_special_tokens": "<x>"})") ==
        "4:tokenizer_config.json: additional_special_tokens is neither a list nor an object");
  CHECK(config_error("{}") == "no error");
  folder.write("added_tokens.json", R"({"<x>": "3"})");
  CHECK(folder.error(Kind::bpe_json) == "4:added_tokens.json: the id of \"<x>\" is no integer");
}

TEST_CASE("tokenizer.model") {
  const Folder folder;
  const std::string good = sentencepiece_model();
  const auto model_error = [&](const std::string& model) {
    folder.write("tokenizer.model", model);
    return folder.error(Kind::sentencepiece);
  };
  CHECK(model_error("") == "4:tokenizer.model: is empty, expected a SentencePiece model");
  CHECK(model_error("no model at all") == "4:tokenizer.model: no SentencePiece model: a field at byte 1 of 15 is damaged");
  CHECK(model_error(good.substr(0, good.size() - 1)).substr(0, 48) == "4:tokenizer.model: no SentencePiece model: a fie");
  CHECK(model_error("\x08\x01") == "4:tokenizer.model: no SentencePiece model: unk is not defined.");
  CHECK(model_error(good + good.substr(0, 64 * 20)).substr(0, 43) == "4:tokenizer.model: no SentencePiece model: ");
}

TEST_CASE("tokenizer.model: the character map, which SentencePiece would follow anywhere") {
  const Folder folder;
  const std::string good = sentencepiece_model();
  const auto map_error = [&](char field, const std::string& map) {
    folder.write("tokenizer.model", good + charsmap_field(field, map));
    return folder.error(Kind::sentencepiece);
  };
  const std::string trie(1024, '\0'), end(1, '\0');
  const std::string damaged = "4:tokenizer.model: the character map is damaged: ";
  CHECK(map_error(3, number(1024) + trie + end) == "no error");
  CHECK(map_error(3, "abc") == damaged + "it is too short");
  CHECK(map_error(3, number(1024) + trie) == damaged + "its trie has an impossible size");
  CHECK(map_error(3, number(1000) + trie + end) == damaged + "its trie has an impossible size");
  CHECK(map_error(3, number(1024) + trie + "x") == damaged + "its last string does not end");
  CHECK(map_error(3, number(1024) + number(256U << 10) + trie.substr(4) + end) == damaged + "its trie leads outside");
  CHECK(map_error(3, number(1024) + number(0xFFFFFC00U) + trie.substr(4) + end) == damaged + "its trie leads outside");
  CHECK(map_error(3, number(1024) + number((1U << 10) | 0x100U) + number(0x80000001U) + trie.substr(8) + end) ==
        damaged + "its trie names no string");
  CHECK(map_error(5, number(1024) + trie + end) == "5:tokenizer.model: a denormalizer is not supported");
}

TEST_CASE("ids of special tokens must agree") {
  const Folder folder;
  folder.write("tokenizer.model", sentencepiece_model());
  folder.write("tokenizer_config.json", R"({"added_tokens_decoder": {"1": {"content": "<x>"}, "900": {"content": "<x>"}}})");
  CHECK(folder.error(Kind::sentencepiece) == "4:tokenizer_config.json: added token \"<x>\" has ids 1 and 900");
}
