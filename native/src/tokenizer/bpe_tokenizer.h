// SPDX-License-Identifier: Apache-2.0
// Byte-pair encoding tokenizers of the kind Hugging Face calls fast: added tokens, normaliser, pre-tokenizer, model, template.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe_model.h"
#include "tokenizer/decoder.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/template_processing.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_config.h"

namespace vila {

/// The parts of a BpeTokenizer.
struct BpeParts {
  BpeModel model;
  std::vector<AddedToken> added;
  std::unique_ptr<const Normalizer> normalizer;       ///< null: none
  std::unique_ptr<const PreTokenizer> pre_tokenizer;  ///< null: none
  DecoderChain decoder;
  TextTemplate text_template;
  std::string name;  ///< of the file, for messages
};

/// Immutable; any thread.
class BpeTokenizer final : public TokenizerBase {
 public:
  /// Adds the tokens of the small files to those of `parts`. `defaults` are the special tokens where the files name none.
  /// Throws bad_file where ids contradict each other.
  BpeTokenizer(BpeParts parts, const TokenizerConfig& config, const std::map<std::string, std::string>& defaults);

  std::vector<int32_t> encode(std::string_view text, bool add_special) const override;
  std::string decode(const std::vector<int32_t>& ids, bool skip_special) const override;
  std::unique_ptr<TextStream> stream(bool skip_special) const override;
  int32_t vocab_size() const override { return vocab_size_; }
  int32_t bos_id() const override { return bos_id_; }
  int32_t eos_id() const override { return eos_id_; }
  int32_t token_to_id(std::string_view token) const override;
  std::string id_to_token(int32_t id) const override;
  bool is_special(int32_t id) const override;

 private:
  void add_token(const AddedToken& token, const std::string& name);
  void add_special(const std::string& content, const std::string& name);

  BpeParts parts_;
  AddedTokens added_;
  int32_t bos_id_ = -1, eos_id_ = -1, vocab_size_ = 0;
};

/// Opens `folder`/tokenizer.json.
std::shared_ptr<const TokenizerBase> open_bpe_json(const std::string& folder);
/// Opens `folder`/vocab.json and merges.txt as transformers' Qwen2TokenizerFast does.
std::shared_ptr<const TokenizerBase> open_bpe_files(const std::string& folder);

}  // namespace vila
