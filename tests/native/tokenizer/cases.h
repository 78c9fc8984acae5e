// SPDX-License-Identifier: Apache-2.0
// The three tokenizers of the test data.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/json.h"
#include "support/npy.h"
#include "tokenizer/tokenizer.h"

namespace vila::testing {

struct TokenizerCase {
  std::string name;
  TokenizerSpec spec;
  std::shared_ptr<const TokenizerBase> open() const { return open_tokenizer(spec); }
  Json vectors() const { return read_json(data("cases/" + name + "/tokenizer_vectors.json").string()).at("vectors"); }
};

inline std::vector<TokenizerCase> tokenizer_cases() {
  using Kind = TokenizerSpec::Kind;
  const auto make = [](const std::string& name, const std::string& folder, Kind kind) {
    return TokenizerCase{name, {kind, data("cases/" + name + "/" + folder).string()}};
  };
  return {make("vila10-clip-linear", "model", Kind::sentencepiece), make("vila15-llama2-siglip", "tokenizer", Kind::sentencepiece),
          make("vila15-llama3-siglip", "model/llm", Kind::bpe_json)};
}

}  // namespace vila::testing
