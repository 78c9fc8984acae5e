// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/pre_tokenizer.h"

#include "tokenizer/byte_level.h"
#include "tokenizer/unicode.h"

namespace vila {
namespace {

constexpr const char* kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace

void SplitPreTokenizer::split(const TextPiece& piece, std::vector<TextPiece>& parts) const {
  const std::string_view text = piece.text;
  const auto append = [&](size_t begin, size_t end, bool matched) {
    if (begin < end && !(removed_ && matched != invert_)) {
      parts.push_back({std::string(text.substr(begin, end - begin)), -1, piece.begins_text && begin == 0});
    }
  };
  size_t done = 0;
  pattern_.for_each(text, [&](size_t begin, size_t end) {
    append(done, begin, false);
    append(begin, end, true);
    done = end;
  });
  append(done, text.size(), false);
}

ByteLevelPreTokenizer::ByteLevelPreTokenizer(bool add_prefix_space, bool use_regex) : add_prefix_space_(add_prefix_space) {
  if (use_regex) words_.emplace(Regex(kGpt2Pattern, "ByteLevel"), false, false);
}

void ByteLevelPreTokenizer::split(const TextPiece& piece, std::vector<TextPiece>& parts) const {
  TextPiece prefixed = piece;
  if (add_prefix_space_ && piece.text.compare(0, 1, " ") != 0) prefixed.text.insert(0, 1, ' ');
  const size_t first = parts.size();
  if (words_) {
    words_->split(prefixed, parts);
  } else {
    parts.push_back(std::move(prefixed));
  }
  for (size_t i = first; i < parts.size(); ++i) parts[i].text = bytes_to_letters(parts[i].text);
}

void MetaspacePreTokenizer::split(const TextPiece& piece, std::vector<TextPiece>& parts) const {
  std::string text = replace_all(piece.text, " ", replacement_);
  const bool wanted = prepend_ == Prepend::always || (prepend_ == Prepend::first && piece.begins_text);
  if (wanted && text.compare(0, replacement_.size(), replacement_) != 0) text.insert(0, replacement_);
  size_t begin = 0;
  while (begin < text.size()) {
    size_t end = split_ ? text.find(replacement_, begin + 1) : std::string::npos;
    if (end == std::string::npos) end = text.size();
    parts.push_back({text.substr(begin, end - begin), -1, piece.begins_text && begin == 0});
    begin = end;
  }
}

void PreTokenizerSequence::split(const TextPiece& piece, std::vector<TextPiece>& parts) const {
  std::vector<TextPiece> current = {piece};
  for (const auto& step : steps_) {
    std::vector<TextPiece> next;
    for (const TextPiece& part : current) step->split(part, next);
    current = std::move(next);
  }
  parts.insert(parts.end(), std::make_move_iterator(current.begin()), std::make_move_iterator(current.end()));
}

}  // namespace vila
