// SPDX-License-Identifier: Apache-2.0
// How a normalised text is cut into the words that the model encodes one by one.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/regex.h"

namespace vila {

/// Cuts one piece of text (never a token) into several. Immutable; any thread.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  /// Appends the parts of `piece`; empty ones are left out.
  virtual void split(const TextPiece& piece, std::vector<TextPiece>& parts) const = 0;
};

/// At the matches of a pattern, which are parts of their own or, `removed`, disappear; `invert` swaps matches and the rest.
class SplitPreTokenizer final : public PreTokenizer {
 public:
  SplitPreTokenizer(Regex pattern, bool removed, bool invert) : pattern_(std::move(pattern)), removed_(removed), invert_(invert) {}
  void split(const TextPiece& piece, std::vector<TextPiece>& parts) const override;

 private:
  Regex pattern_;
  bool removed_, invert_;
};

/// To the byte-level alphabet, after GPT-2's pattern (where wanted) and with a space in front (where wanted and not there).
class ByteLevelPreTokenizer final : public PreTokenizer {
 public:
  ByteLevelPreTokenizer(bool add_prefix_space, bool use_regex);
  void split(const TextPiece& piece, std::vector<TextPiece>& parts) const override;

 private:
  bool add_prefix_space_;
  std::optional<SplitPreTokenizer> words_;
};

/// Spaces become `replacement`, one is put in front, and each (where `split`) begins a part.
class MetaspacePreTokenizer final : public PreTokenizer {
 public:
  enum class Prepend { never, first, always };  ///< first: only where the whole text begins
  MetaspacePreTokenizer(std::string replacement, Prepend prepend, bool split)
      : replacement_(std::move(replacement)), prepend_(prepend), split_(split) {}
  void split(const TextPiece& piece, std::vector<TextPiece>& parts) const override;

 private:
  std::string replacement_;
  Prepend prepend_;
  bool split_;
};

/// One after the other, each on every part.
class PreTokenizerSequence final : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<std::unique_ptr<const PreTokenizer>> steps) : steps_(std::move(steps)) {}
  void split(const TextPiece& piece, std::vector<TextPiece>& parts) const override;

 private:
  std::vector<std::unique_ptr<const PreTokenizer>> steps_;
};

}  // namespace vila
