// SPDX-License-Identifier: Apache-2.0
// Text to ids and back. One interface, one implementation per tokenizer kind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/model_spec.h"

namespace vila {

/// The text of a sequence of ids, id by id. One thread; must not outlive its tokenizer.
class TextStream {
 public:
  virtual ~TextStream() = default;
  /// Adds an id; returns the text that is now certain, whole characters only. Throws invalid_argument outside the vocabulary.
  virtual std::string push(int32_t id) = 0;
  /// The rest; the stream is as new afterwards.
  virtual std::string finish() = 0;
};

/// Immutable; any thread. Ids and texts are those of the checkpoint's Hugging Face tokenizer.
class TokenizerBase {
 public:
  virtual ~TokenizerBase() = default;
  /// UTF-8 text (checked by the caller) of at most kMaxTextBytes to ids; special and added tokens inside the text become their ids.
  /// `add_special` adds what the tokenizer adds by itself (BOS).
  virtual std::vector<int32_t> encode(std::string_view text, bool add_special) const = 0;
  /// The text of ids, ill-formed bytes as U+FFFD, no clean-up of spaces. Throws invalid_argument outside the vocabulary.
  virtual std::string decode(const std::vector<int32_t>& ids, bool skip_special) const = 0;
  /// decode() piece by piece. This one is right for every tokenizer but gives all text at the end; tokenizers override it.
  virtual std::unique_ptr<TextStream> stream(bool skip_special) const;
  /// One more than the largest id; ids below it that no token has are outside the vocabulary all the same.
  virtual int32_t vocab_size() const = 0;
  virtual int32_t bos_id() const = 0;                             ///< -1: none
  virtual int32_t eos_id() const = 0;                             ///< -1: none
  virtual int32_t token_to_id(std::string_view token) const = 0;  ///< -1: none
  virtual std::string id_to_token(int32_t id) const = 0;
  virtual bool is_special(int32_t id) const = 0;
};

/// Longest text that encode() takes; a longer one throws capacity.
inline constexpr size_t kMaxTextBytes = size_t{256} << 20;

/// Opens the files `spec` points to. Throws not_found, bad_file, unsupported.
std::shared_ptr<const TokenizerBase> open_tokenizer(const TokenizerSpec& spec);

/// Decodes ids one at a time so that the concatenation of all pieces and the final rest equals decode(all ids): holds back what
/// may still change (an incomplete character, a leading space rule).
class StreamDecoder {
 public:
  StreamDecoder(std::shared_ptr<const TokenizerBase> tokenizer, bool skip_special);
  ~StreamDecoder();
  /// Adds an id; returns the text that is now certain: whole characters, possibly none. Throws invalid_argument outside the
  /// vocabulary.
  std::string push(int32_t id);
  /// The rest; the decoder is as new afterwards.
  std::string finish();

 private:
  std::shared_ptr<const TokenizerBase> tokenizer_;
  std::unique_ptr<TextStream> stream_;
};

}  // namespace vila
