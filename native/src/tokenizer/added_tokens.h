// SPDX-License-Identifier: Apache-2.0
// The added tokens of a Hugging Face "fast" tokenizer and how they cut up a text.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/token_trie.h"
#include "tokenizer/tokenizer_config.h"

namespace vila {

/// A part of a text: a token that is already known, or text for the next step.
struct TextPiece {
  std::string text;
  int32_t token = -1;        ///< >= 0: this token; `text` is then of no further use
  bool begins_text = false;  ///< it starts where the whole text starts
};

/// The set of added tokens; immutable after seal(). Any thread.
class AddedTokens {
 public:
  /// Adds a token, or changes the flags of one with the same id (which stays special if it was). Throws bad_file, with `name`,
  /// where content and id contradict what is there.
  void add(const AddedToken& token, const std::string& name);
  /// Builds the search; `normalize` is the tokenizer's normaliser.
  void seal(const std::function<std::string(std::string_view)>& normalize);

  const AddedToken* by_id(int32_t id) const;
  const AddedToken* by_content(std::string_view content) const;
  /// All of them by id.
  const std::unordered_map<int32_t, AddedToken>& all() const { return by_id_; }

  /// Cuts `piece` at the tokens that are looked for before (`normalized` false) or after normalisation, and appends the parts.
  void split(const TextPiece& piece, bool normalized, std::vector<TextPiece>& parts) const;

 private:
  std::unordered_map<int32_t, AddedToken> by_id_;
  std::unordered_map<std::string, int32_t> by_content_;
  TokenTrie raw_, normalized_;
};

}  // namespace vila
