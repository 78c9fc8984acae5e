// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/bpe_model.h"

#include <algorithm>
#include <cstdio>
#include <queue>

#include "common/error.h"
#include "tokenizer/unicode.h"

namespace vila {
namespace {

uint64_t pair_key(int32_t left, int32_t right) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
}

// A piece of the word in a doubly linked list over an array; id -1: swallowed by its left neighbour.
struct Symbol {
  int32_t id;
  int32_t previous, next;  ///< -1: none
};

struct Candidate {
  uint32_t rank;
  int32_t position;  ///< of the left symbol
  int32_t merged_id;
  bool operator>(const Candidate& other) const { return rank != other.rank ? rank > other.rank : position > other.position; }
};

}  // namespace

BpeModel::BpeModel(std::vector<std::pair<std::string, int32_t>> vocabulary, Options options, const std::string& name)
    : options_(std::move(options)) {
  int32_t size = 0;
  for (const auto& [token, id] : vocabulary) size = std::max(size, id + 1);
  tokens_.resize(static_cast<size_t>(size), nullptr);
  ids_.reserve(vocabulary.size());
  for (auto& [token, id] : vocabulary) {
    const auto [it, added] = ids_.emplace(std::move(token), id);
    if (!added) fail(ErrorCode::bad_file, name, ": token ", in_quotes(it->first), " occurs twice");
    if (tokens_[id] != nullptr) {
      fail(ErrorCode::bad_file, name, ": tokens ", in_quotes(*tokens_[id]), " and ", in_quotes(it->first), " share id ", id);
    }
    tokens_[id] = &it->first;
  }
  if (!options_.unk_token.empty()) {
    unk_id_ = id_of(options_.unk_token);
    if (unk_id_ < 0) fail(ErrorCode::bad_file, name, ": unk_token ", in_quotes(options_.unk_token), " is not in the vocabulary");
  }
  byte_ids_.assign(256, -1);
  for (unsigned byte = 0; options_.byte_fallback && byte < 256; ++byte) {
    char token[8];
    std::snprintf(token, sizeof token, "<0x%02X>", byte);
    byte_ids_[byte] = id_of(token);
  }
}

void BpeModel::add_merge(const std::string& left, const std::string& right, const std::string& name) {
  const auto require = [&](const std::string& token) {
    const int32_t id = id_of(token);
    if (id < 0)
      fail(ErrorCode::bad_file, name, ": merge ", next_rank_, " needs ", in_quotes(token), ", which is not in the vocabulary");
    return id;
  };
  const int32_t left_id = require(left);
  const int32_t right_id = require(right);
  merges_[pair_key(left_id, right_id)] = {next_rank_, require(left + right)};
  ++next_rank_;
}

const BpeModel::Merge* BpeModel::merge_of(int32_t left, int32_t right) const {
  const auto it = merges_.find(pair_key(left, right));
  return it == merges_.end() ? nullptr : &it->second;
}

bool BpeModel::append_bytes(std::string_view character, std::vector<int32_t>& ids) const {
  const auto byte_id = [this](char byte) { return byte_ids_[static_cast<uint8_t>(byte)]; };
  if (std::any_of(character.begin(), character.end(), [&](char byte) { return byte_id(byte) < 0; })) return false;
  for (const char byte : character) ids.push_back(byte_id(byte));
  return true;
}

std::vector<int32_t> BpeModel::characters(std::string_view word) const {
  std::vector<int32_t> ids;
  ids.reserve(word.size());
  bool unknown = false;  // an unknown token is written when the next one is known, so that a row of them can become one
  for (size_t at = 0; at < word.size();) {
    const std::string_view character = word.substr(at, character_length(word, at));
    at += character.size();
    const int32_t id = id_of(character);
    if (id >= 0) {
      if (unknown) ids.push_back(unk_id_);
      unknown = false;
      ids.push_back(id);
    } else if (!(options_.byte_fallback && append_bytes(character, ids)) && unk_id_ >= 0) {
      if (unknown && !options_.fuse_unk) ids.push_back(unk_id_);
      unknown = true;
    }
  }
  if (unknown) ids.push_back(unk_id_);
  return ids;
}

void BpeModel::encode(std::string_view word, std::vector<int32_t>& ids) const {
  if (options_.ignore_merges) {
    const int32_t whole = id_of(word);
    if (whole >= 0) {
      ids.push_back(whole);
      return;
    }
  }
  const std::vector<int32_t> start = characters(word);
  const auto count = static_cast<int32_t>(start.size());
  std::vector<Symbol> symbols(start.size());
  for (int32_t i = 0; i < count; ++i) symbols[i] = {start[i], i - 1, i + 1 < count ? i + 1 : -1};

  // The lowest rank first, the leftmost of equal ranks. Candidates whose symbols have changed since are skipped.
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto consider = [&](int32_t left) {
    if (left < 0 || symbols[left].next < 0) return;
    if (const Merge* merge = merge_of(symbols[left].id, symbols[symbols[left].next].id)) queue.push({merge->rank, left, merge->id});
  };
  for (int32_t i = 0; i + 1 < count; ++i) consider(i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbols[best.position];
    if (left.id < 0 || left.next < 0) continue;
    Symbol& right = symbols[left.next];
    const Merge* merge = merge_of(left.id, right.id);
    if (merge == nullptr || merge->id != best.merged_id) continue;
    left.id = merge->id;
    right.id = -1;
    left.next = right.next;
    if (left.next >= 0) symbols[left.next].previous = best.position;
    consider(left.previous);
    consider(best.position);
  }
  for (int32_t i = 0; i >= 0 && i < count; i = symbols[i].next) ids.push_back(symbols[i].id);
}

int32_t BpeModel::id_of(std::string_view token) const {
  const auto it = ids_.find(token);
  return it == ids_.end() ? -1 : it->second;
}

const std::string* BpeModel::token_of(int32_t id) const { return id >= 0 && id < size() ? tokens_[id] : nullptr; }

}  // namespace vila
