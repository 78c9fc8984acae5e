// SPDX-License-Identifier: Apache-2.0
// Every given vector, exactly.
#include <doctest/doctest.h>

#include "native/tokenizer/cases.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

TEST_CASE("strings of many scripts, spaces and special tokens, as transformers' fast tokenizers take them apart") {
  using Kind = TokenizerSpec::Kind;
  const struct {
    const char *folder, *vectors;
    Kind kind;
  } files[] = {
      {"llava15-hf/model", "llava15-hf/tokenizer_vectors.json", Kind::bpe_json},
      {"llava15-hf/metaspace", "llava15-hf/metaspace_vectors.json", Kind::bpe_json},
      {"nvila-dynamic-s2/model/llm", "nvila-dynamic-s2/tokenizer_vectors.json", Kind::bpe_files},
  };
  for (const auto& file : files) {
    CAPTURE(file.folder);
    const auto tokenizer = open_tokenizer({file.kind, data(std::string("cases/") + file.folder).string()});
    const Json vectors = read_json(data(std::string("cases/") + file.vectors).string()).at("vectors");
    CHECK(vectors.size() > 300);
    for (const Json& vector : vectors) {
      const auto text = vector.at("text").get<std::string>();
      CAPTURE(text);
      const auto ids = vector.at("ids").get<std::vector<int32_t>>();
      CHECK(tokenizer->encode(text, true) == ids);
      CHECK(tokenizer->decode(ids, true) == vector.at("decoded").get<std::string>());
    }
  }
}

TEST_CASE("every given vector: ids, text without and with special tokens") {
  size_t with_special = 0;
  for (const TokenizerCase& c : tokenizer_cases()) {
    const auto tokenizer = c.open();
    const Json vectors = c.vectors();
    CHECK(vectors.size() == 232);
    for (const Json& vector : vectors) {
      const auto text = vector.at("text").get<std::string>();
      CAPTURE(c.name);
      CAPTURE(text);
      const auto ids = vector.at("ids").get<std::vector<int32_t>>();
      CHECK(tokenizer->encode(text, true) == ids);
      CHECK(tokenizer->decode(ids, true) == vector.at("decoded").get<std::string>());
      if (vector.contains("decoded_with_special")) {
        ++with_special;
        CHECK(tokenizer->decode(ids, false) == vector.at("decoded_with_special").get<std::string>());
      }
    }
  }
  CHECK(with_special == 232);
}
