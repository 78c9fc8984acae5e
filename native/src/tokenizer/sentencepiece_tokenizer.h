// SPDX-License-Identifier: Apache-2.0
// tokenizer.model with the semantics of Hugging Face's LlamaTokenizer.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <sentencepiece_processor.h>

#include "tokenizer/token_trie.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_config.h"

namespace vila {

/// SentencePiece itself and what LlamaTokenizer (the Python one, "slow") puts around it: special and added tokens cut the text;
/// with `legacy` false the leading space ("▁") is put before the whole text only and not before each part. Immutable; any thread.
class SentencePieceTokenizer final : public TokenizerBase {
 public:
  /// Opens `folder`/tokenizer.model and the small files beside it. `legacy` stands over that of tokenizer_config.json; false where
  /// neither says it.
  explicit SentencePieceTokenizer(const std::string& folder, std::optional<bool> legacy = std::nullopt);

  std::vector<int32_t> encode(std::string_view text, bool add_special) const override;
  std::string decode(const std::vector<int32_t>& ids, bool skip_special) const override;
  std::unique_ptr<TextStream> stream(bool skip_special) const override;
  int32_t vocab_size() const override { return vocab_size_; }
  int32_t bos_id() const override { return bos_id_; }
  int32_t eos_id() const override { return eos_id_; }
  int32_t token_to_id(std::string_view token) const override;
  std::string id_to_token(int32_t id) const override;
  bool is_special(int32_t id) const override;

  const sentencepiece::SentencePieceProcessor& processor() const { return processor_; }
  bool legacy() const { return legacy_; }
  bool add_prefix_space() const { return add_prefix_space_; }
  /// Whether the token is one of the special tokens (bos, eos, unk, pad, additional).
  bool is_special(const std::string& token) const { return special_.count(token) > 0; }
  /// Whether decoding copies the token as it stands, apart from its neighbours.
  bool stands_apart(const std::string& token) const;

 private:
  void add_tokens(const TokenizerConfig& config, const std::map<std::string, std::string>& defaults);
  std::vector<std::string> split_text(const std::string& text) const;
  std::vector<std::string> encode_pieces(std::string_view text) const;
  void append_pieces(const std::string& text, std::vector<std::string>& tokens) const;

  std::string path_;
  sentencepiece::SentencePieceProcessor processor_;
  bool legacy_ = false, add_prefix_space_ = true, add_bos_ = true, add_eos_ = false;
  std::unordered_map<std::string, AddedToken> added_;
  std::unordered_map<int32_t, std::string> added_by_id_;
  std::vector<std::string> trie_tokens_;
  TokenTrie trie_;  ///< values are indices of trie_tokens_
  std::set<std::string> special_, additional_special_;
  std::string unk_token_;
  size_t unk_pieces_ = 0;  ///< number of pieces of unk_token_ as plain text
  int32_t bos_id_ = -1, eos_id_ = -1, vocab_size_ = 0;
};

}  // namespace vila
