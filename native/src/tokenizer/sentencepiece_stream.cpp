// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/sentencepiece_stream.h"

#include <charconv>

#include "common/utf8.h"
#include "tokenizer/sentencepiece_tokenizer.h"
#include "tokenizer/unicode.h"

namespace vila {
namespace {

std::string sentencepiece_decode(const sentencepiece::SentencePieceProcessor& processor, const std::vector<std::string>& pieces) {
  std::string text;
  const sentencepiece::util::Status status = processor.Decode(pieces, &text);
  if (!status.ok()) fail(ErrorCode::internal, "SentencePiece cannot decode: ", status.message());
  return replace_invalid_utf8(text);
}

// "<0xE2>" to its byte. SentencePiece checks at load that byte pieces have this form.
char byte_of(const std::string& piece) {
  unsigned value = 0;
  std::from_chars(piece.data() + 3, piece.data() + piece.size() - 1, value, 16);
  return static_cast<char>(value);
}

}  // namespace

std::string PieceDecoder::take_characters() {
  std::string text;
  while (!bytes_.empty()) {
    if (Utf8Stream().push(bytes_).empty()) break;  // may still become a character
    const bool invalid = invalid_utf8_offset(bytes_) == 0;
    const size_t length = invalid ? 1 : character_length(bytes_, 0);
    text += invalid ? kReplacement : std::string_view(bytes_).substr(0, length);
    bytes_.erase(0, length);
  }
  return text;
}

std::string PieceDecoder::take_bytes() {
  std::string text;
  for (size_t i = 0; i < bytes_.size(); ++i) text += kReplacement;
  bytes_.clear();
  return text;
}

std::string PieceDecoder::surface(const std::string& piece) {
  const auto& processor = tokenizer_.processor();
  if (at_start_) {
    silent_.push_back(piece);
    return sentencepiece_decode(processor, silent_);
  }
  const int id = processor.PieceToId(piece);
  if (processor.IsControl(id)) return "";
  if (processor.IsUnknown(id) && processor.IdToPiece(id) == piece) return sentencepiece_decode(processor, {piece});
  return replace_invalid_utf8(processor.IsUnknown(id) ? piece : replace_all(piece, kMetaspace, " "));
}

std::string PieceDecoder::push(const std::string& piece) {
  const auto& processor = tokenizer_.processor();
  std::string text;
  if (processor.IsByte(processor.PieceToId(piece))) {
    bytes_ += byte_of(piece);
    text = take_characters();
    // Whatever these bytes turn out to be, there is text before the next piece.
    at_start_ = false;
  } else {
    text = take_bytes();
    text += surface(piece);
    if (!text.empty()) at_start_ = false;
  }
  if (!at_start_) silent_.clear();
  return text;
}

std::string PieceDecoder::finish() {
  std::string text = take_bytes();
  at_start_ = true;
  silent_.clear();
  return text;
}

SentencePieceStream::SentencePieceStream(const SentencePieceTokenizer& tokenizer, bool skip_special)
    : tokenizer_(tokenizer), skip_special_(skip_special), hold_(tokenizer.legacy() && !skip_special), decoder_(tokenizer) {}

std::string SentencePieceStream::end_run() {
  std::string text = held_ + decoder_.finish();
  held_.clear();
  return text;
}

std::string SentencePieceStream::push(int32_t id) {
  std::string token = tokenizer_.id_to_token(id);
  if (skip_special_ && tokenizer_.is_special(token)) return "";
  if (tokenizer_.stands_apart(token)) {
    position_ = 0;
    after_special_ = false;
    return end_run() + token;
  }
  const bool metaspace = token.compare(0, kMetaspace.size(), kMetaspace) == 0;
  const size_t position = position_++;
  if (position == 0 && metaspace && tokenizer_.add_prefix_space()) token.erase(0, kMetaspace.size());
  std::string text;
  if (tokenizer_.is_special(token)) {
    if (!after_special_ && position != 0 && tokenizer_.legacy()) text = " ";
    text += end_run() + token;
    after_special_ = true;
    return text;
  }
  if (after_special_ && position == 1 && tokenizer_.add_prefix_space() && !metaspace) text = " ";
  after_special_ = false;
  const std::string piece = decoder_.push(token);
  if (!hold_) return text + piece;
  held_ += piece;
  return text;
}

std::string SentencePieceStream::finish() {
  position_ = 0;
  after_special_ = false;
  return end_run();
}

}  // namespace vila
