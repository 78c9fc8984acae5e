// SPDX-License-Identifier: Apache-2.0
// The components that the three given tokenizers do not use: what transformers makes of variants of them (variants.json).
#include <doctest/doctest.h>

#include <filesystem>

#include "common/utf8.h"
#include "native/tokenizer/cases.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

TokenizerSpec write_variant(const Json& variants, const Json& variant, const std::filesystem::path& folder) {
  using Kind = TokenizerSpec::Kind;
  const auto base = variant.at("base").get<std::string>();
  const auto kind = variant.at("kind").get<std::string>();
  const auto tokenizer_json = [&] {
    return base == "llama" ? variants.at(base) : read_json(data("cases/" + base + "/tokenizer.json"));
  };
  std::filesystem::create_directory(folder);
  for (const auto& [name, content] : variant.at("files").items()) write_file(folder / name, content.dump());
  if (kind == "sentencepiece") {
    std::filesystem::copy(data("cases/" + base + "/tokenizer.model"), folder);
    return {Kind::sentencepiece, folder.string()};
  }
  Json json = tokenizer_json();
  if (kind == "bpe_json") {
    json.merge_patch(variant.at("patch"));
    write_file(folder / "tokenizer.json", json.dump());
    return {Kind::bpe_json, folder.string()};
  }
  std::string merges = "#version: 0.2\n";
  for (const Json& merge : json.at("model").at("merges")) merges += merge.get<std::string>() + "\n";
  write_file(folder / "merges.txt", merges);
  write_file(folder / "vocab.json", json.at("model").at("vocab").dump());
  return {Kind::bpe_files, folder.string()};
}

}  // namespace

TEST_CASE("variants of the tokenizers: ids and text as the reference gives them") {
  const Json variants = read_json(VILA_TOKENIZER_VARIANTS);
  const TempDir folder;
  CHECK(variants.at("variants").size() == 44);
  for (const Json& variant : variants.at("variants")) {
    const auto name = variant.at("name").get<std::string>();
    CAPTURE(name);
    const auto tokenizer = open_tokenizer(write_variant(variants, variant, folder / name));
    CHECK(tokenizer->bos_id() == variant.at("bos_id").get<int32_t>());
    CHECK(tokenizer->eos_id() == variant.at("eos_id").get<int32_t>());
    for (const Json& vector : variant.at("encode")) {
      const auto text = vector.at("text").get<std::string>();
      CAPTURE(text);
      CHECK(tokenizer->encode(text, true) == vector.at("ids").get<std::vector<int32_t>>());
      CHECK(tokenizer->encode(text, false) == vector.at("plain").get<std::vector<int32_t>>());
    }
    for (const Json& vector : variant.at("decode")) {
      const auto ids = vector.at("ids").get<std::vector<int32_t>>();
      CAPTURE(vector.at("ids").dump());
      CHECK(tokenizer->decode(ids, true) == vector.at("skipped").get<std::string>());
      CHECK(tokenizer->decode(ids, false) == vector.at("kept").get<std::string>());
    }
  }
}
