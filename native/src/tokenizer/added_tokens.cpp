// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "tokenizer/unicode.h"

namespace vila {
namespace {

bool touches_word(std::string_view text, size_t begin, size_t end) {
  return (begin > 0 && is_word(code_point_at(text, character_before(text, begin)))) ||
         (end < text.size() && is_word(code_point_at(text, end)));
}

size_t skip_space_before(std::string_view text, size_t begin, size_t floor) {
  while (begin > floor) {
    const size_t at = character_before(text, begin);
    if (at < floor || !is_white_space(code_point_at(text, at))) break;
    begin = at;
  }
  return begin;
}

size_t skip_space_after(std::string_view text, size_t end) {
  while (end < text.size() && is_white_space(code_point_at(text, end))) end += character_length(text, end);
  return end;
}

}  // namespace

void AddedTokens::add(const AddedToken& token, const std::string& name) {
  if (token.content.empty()) return;
  const auto same_id = by_id_.find(token.id);
  if (same_id != by_id_.end() && same_id->second.content != token.content) {
    fail(ErrorCode::bad_file, name, ": added tokens ", in_quotes(same_id->second.content), " and ", in_quotes(token.content),
         " share id ", token.id);
  }
  const auto same_content = by_content_.find(token.content);
  if (same_content != by_content_.end() && same_content->second != token.id) {
    fail(ErrorCode::bad_file, name, ": added token ", in_quotes(token.content), " has ids ", same_content->second, " and ", token.id);
  }
  AddedToken merged = token;
  if (same_id != by_id_.end()) merged.special = merged.special || same_id->second.special;
  by_id_[token.id] = merged;
  by_content_[token.content] = token.id;
}

void AddedTokens::seal(const std::function<std::string(std::string_view)>& normalize) {
  for (const auto& [id, token] : by_id_) {
    if (token.normalized) {
      normalized_.add(normalize(token.content), id);
    } else {
      raw_.add(token.content, id);
    }
  }
}

const AddedToken* AddedTokens::by_id(int32_t id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : &it->second;
}

const AddedToken* AddedTokens::by_content(std::string_view content) const {
  const auto it = by_content_.find(std::string(content));
  return it == by_content_.end() ? nullptr : by_id(it->second);
}

void AddedTokens::split(const TextPiece& piece, bool normalized, std::vector<TextPiece>& parts) const {
  const std::string_view text = piece.text;
  const auto append_text = [&](size_t begin, size_t end) {
    if (begin < end) parts.push_back({std::string(text.substr(begin, end - begin)), -1, piece.begins_text && begin == 0});
  };
  const TokenTrie& trie = normalized ? normalized_ : raw_;
  size_t done = 0, from = 0;
  while (const auto match = trie.find(text, from)) {
    from = match->end;
    const AddedToken& token = by_id_.at(match->value);
    if (token.single_word && touches_word(text, match->begin, match->end)) continue;
    const size_t begin = token.lstrip ? skip_space_before(text, match->begin, std::min(done, match->begin)) : match->begin;
    append_text(done, begin);
    parts.push_back({{}, token.id, false});
    done = token.rstrip ? skip_space_after(text, match->end) : match->end;
  }
  append_text(done, text.size());
}

}  // namespace vila
