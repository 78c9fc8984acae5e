// SPDX-License-Identifier: Apache-2.0
// Pieces of a SentencePiece vocabulary back to text, one at a time.
#pragma once

#include <string>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace vila {

class SentencePieceTokenizer;

/// What SentencePieceProcessor::Decode gives for a list of pieces, but piece by piece: "▁" becomes a space, byte pieces become
/// characters, each byte that belongs to none becomes U+FFFD.
class PieceDecoder {
 public:
  explicit PieceDecoder(const SentencePieceTokenizer& tokenizer) : tokenizer_(tokenizer) {}
  /// Adds a piece; returns the text that is now certain.
  std::string push(const std::string& piece);
  /// The rest; the decoder is as new afterwards.
  std::string finish();

 private:
  std::string take_characters();
  std::string take_bytes();
  std::string surface(const std::string& piece);

  const SentencePieceTokenizer& tokenizer_;
  std::string bytes_;                ///< of an incomplete character
  bool at_start_ = true;             ///< no text yet: SentencePiece may still drop a leading space
  std::vector<std::string> silent_;  ///< the pieces so far, none of which gave text
};

/// Decoding as LlamaTokenizer does: special tokens as they stand, the first piece of a run without its "▁".
class SentencePieceStream final : public TextStream {
 public:
  SentencePieceStream(const SentencePieceTokenizer& tokenizer, bool skip_special);
  std::string push(int32_t id) override;
  std::string finish() override;

 private:
  std::string end_run();

  const SentencePieceTokenizer& tokenizer_;
  const bool skip_special_;
  const bool hold_;  ///< legacy writes a space before the text that precedes a special token: known only then
  PieceDecoder decoder_;
  std::string held_;
  size_t position_ = 0;  ///< tokens of this run so far
  bool after_special_ = false;
};

}  // namespace vila
