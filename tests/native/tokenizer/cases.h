// SPDX-License-Identifier: Apache-2.0
// The three tokenizers of the test data, and random input for them.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "common/json.h"
#include "support/npy.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode.h"

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

/// Up to `most` random characters, from ASCII to the last plane, with runs of spaces and line ends.
inline std::string random_text(std::mt19937_64& random, size_t most) {
  const auto below = [&random](uint64_t bound) { return static_cast<char32_t>(random() % bound); };
  std::string text;
  for (size_t left = random() % (most + 1); left > 0; --left) {
    constexpr char32_t kBounds[] = {0x80, 0x80, 0x800, 0x10000, 0x110000};
    const char32_t kind = below(6);
    const char32_t c = kind == 5 ? U" \n\t\r'"[below(5)] : below(kBounds[kind]);
    append_utf8(text, c >= 0xD800 && c < 0xE000 ? U'a' : c);
  }
  return text;
}

}  // namespace vila::testing
