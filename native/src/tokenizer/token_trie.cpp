// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/token_trie.h"

namespace vila {
namespace {

uint64_t key(int32_t node, char byte) { return static_cast<uint64_t>(node) * 256 + static_cast<uint8_t>(byte); }

}  // namespace

void TokenTrie::add(std::string_view content, int32_t value) {
  if (content.empty()) return;
  starts_[static_cast<uint8_t>(content[0])] = true;
  int32_t node = 0;
  for (const char byte : content) {
    const auto [it, added] = children_.try_emplace(key(node, byte), static_cast<int32_t>(nodes_.size()));
    if (added) nodes_.emplace_back();
    node = it->second;
  }
  nodes_[node] = {true, value};
}

int32_t TokenTrie::child(int32_t node, char byte) const {
  const auto it = children_.find(key(node, byte));
  return it == children_.end() ? kNone : it->second;
}

std::optional<TokenTrie::Match> TokenTrie::find(std::string_view text, size_t from) const {
  for (size_t begin = from; begin < text.size(); ++begin) {
    if (!starts_[static_cast<uint8_t>(text[begin])]) continue;
    std::optional<Match> match;
    int32_t node = 0;
    for (size_t at = begin; at < text.size(); ++at) {
      node = child(node, text[at]);
      if (node == kNone) break;
      if (nodes_[node].terminal) match = Match{begin, at + 1, nodes_[node].value};
    }
    if (match) return match;
  }
  return std::nullopt;
}

}  // namespace vila
