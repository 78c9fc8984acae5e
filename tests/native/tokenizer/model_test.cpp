// SPDX-License-Identifier: Apache-2.0
// Byte-pair encoding against the plain definition.
#include <doctest/doctest.h>

#include <map>

#include "native/tokenizer/cases.h"
#include "tokenizer/bpe_model.h"
#include "tokenizer/bpe_tokenizer.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

// Again and again: join the leftmost pair of the lowest rank.
std::vector<std::string> plain_bpe(const std::string& word, const std::map<std::pair<std::string, std::string>, int>& ranks) {
  std::vector<std::string> parts;
  for (const char c : word) parts.emplace_back(1, c);
  while (true) {
    int best = -1;
    size_t at = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto it = ranks.find({parts[i], parts[i + 1]});
      if (it != ranks.end() && (best < 0 || it->second < best)) {
        best = it->second;
        at = i;
      }
    }
    if (best < 0) return parts;
    parts[at] += parts[at + 1];
    parts.erase(parts.begin() + static_cast<ptrdiff_t>(at) + 1);
  }
}

std::shared_ptr<const TokenizerBase> open_json(const TempDir& folder, const Json& json) {
  write_file(folder / "tokenizer.json", json.dump());
  return open_tokenizer({TokenizerSpec::Kind::bpe_json, folder.path().string()});
}

Json small_model() {
  return Json::parse(
      R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "<unk>": 3, "<0xC3>": 4, "<0xA9>": 5, "<0xA8>": 6,
                                                           "aab": 7},
                                   "merges": ["a b", "a ab"]}})");
}

}  // namespace

TEST_CASE("merges in the order of the plain definition") {
  std::mt19937_64 random(4);
  for (int round = 0; round < 200; ++round) {
    // Every token has one merge, so that its rank says how it is made.
    std::vector<std::string> tokens = {"a", "b", "c", "d"};
    std::map<std::pair<std::string, std::string>, int> ranks;
    std::vector<std::pair<std::string, std::string>> merges;
    while (tokens.size() < 24) {
      const std::string left = tokens[random() % tokens.size()], right = tokens[random() % tokens.size()];
      if (std::find(tokens.begin(), tokens.end(), left + right) != tokens.end()) continue;
      tokens.push_back(left + right);
      merges.emplace_back(left, right);
    }
    std::shuffle(merges.begin(), merges.end(), random);
    std::vector<std::pair<std::string, int32_t>> vocabulary;
    for (size_t i = 0; i < tokens.size(); ++i) vocabulary.emplace_back(tokens[i], static_cast<int32_t>(i));
    BpeModel model(vocabulary, {}, "test");
    for (size_t i = 0; i < merges.size(); ++i) {
      model.add_merge(merges[i].first, merges[i].second, "test");
      ranks[merges[i]] = static_cast<int>(i);
    }
    for (int word_number = 0; word_number < 20; ++word_number) {
      std::string word;
      for (size_t left = 1 + random() % 40; left > 0; --left) word += "abcd"[random() % (1 + random() % 4)];
      std::vector<int32_t> ids;
      model.encode(word, ids);
      std::vector<std::string> parts;
      for (const int32_t id : ids) parts.push_back(*model.token_of(id));
      CAPTURE(word);
      CHECK(parts == plain_bpe(word, ranks));
    }
  }
}

TEST_CASE("characters that are not in the vocabulary: dropped, unknown, fused, or their bytes") {
  const std::string text =
      "ab\xC3\xA9\xC3\xAAx"
      "yb";  // é has both byte tokens, ê only one of them
  const TempDir folder;
  Json json = small_model();
  CHECK(open_json(folder, json)->encode(text, true) == std::vector<int32_t>{2, 1});
  json["model"]["unk_token"] = "<unk>";
  CHECK(open_json(folder, json)->encode(text, true) == std::vector<int32_t>{2, 3, 3, 3, 3, 1});
  json["model"]["fuse_unk"] = true;
  CHECK(open_json(folder, json)->encode(text, true) == std::vector<int32_t>{2, 3, 1});
  json["model"]["byte_fallback"] = true;
  CHECK(open_json(folder, json)->encode(text, true) == std::vector<int32_t>{2, 4, 5, 3, 1});
}

TEST_CASE("ignore_merges takes a whole word") {
  const TempDir folder;
  Json json = small_model();
  json["model"]["merges"] = Json::array({Json::array({"a", "b"})});
  CHECK(open_json(folder, json)->encode("aab", true) == std::vector<int32_t>{0, 2});
  json["model"]["ignore_merges"] = true;
  CHECK(open_json(folder, json)->encode("aab", true) == std::vector<int32_t>{7});
}

TEST_CASE("an added token is special when either file says so, and keeps its flags") {
  const TempDir folder;
  Json json = small_model();
  json["added_tokens"] =
      Json::parse(R"([{"id": 8, "content": "<x>", "rstrip": true}, {"id": 9, "content": "<y>", "special": true}])");
  json["post_processor"] = Json::parse(R"({"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<y>"}}, {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "<x>"}}],
      "special_tokens": {"<x>": {"ids": [8]}, "<y>": {"ids": [9, 9]}}})");
  auto tokenizer = open_json(folder, json);
  CHECK(tokenizer->encode("a<x> b", true) == std::vector<int32_t>{9, 9, 0, 8, 1, 8});
  CHECK(tokenizer->decode({9, 0, 8, 1}, true) == "a <x> b");
  CHECK(tokenizer->is_special(9));
  CHECK_FALSE(tokenizer->is_special(8));
  write_file(folder / "tokenizer_config.json",
             R"({"added_tokens_decoder": {"8": {"content": "<x>", "special": true}}, "bos_token": "<y>", "eos_token": "<z>"})");
  tokenizer = open_json(folder, json);
  CHECK(tokenizer->is_special(8));
  CHECK(tokenizer->decode({9, 0, 8, 1}, true) == "a b");
  CHECK(tokenizer->bos_id() == 9);
  CHECK(tokenizer->eos_id() == 10);  // in no file: the next id
  CHECK(tokenizer->vocab_size() == 11);
  CHECK(tokenizer->encode("a<x> b<z>", false) == std::vector<int32_t>{0, 8, 1, 10});  // rstrip is off again
}
