// SPDX-License-Identifier: Apache-2.0
// A tokenizer small enough to reckon by hand: each byte is its own id, some strings are tokens of their own.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/error.h"
#include "tokenizer/tokenizer.h"

namespace vila::testing {

class FakeTokenizer final : public TokenizerBase {
 public:
  /// Ids 0..255 are bytes, then `added` in their order. `bos` is put before every text with special tokens; -1: nothing is.
  explicit FakeTokenizer(std::vector<std::string> added, int32_t bos = -1) : added_(std::move(added)), bos_(bos) {}

  std::vector<int32_t> encode(std::string_view text, bool add_special) const override {
    std::vector<int32_t> ids;
    if (add_special && bos_ >= 0) ids.push_back(bos_);
    while (!text.empty()) {
      size_t length = 1;
      int32_t id = static_cast<uint8_t>(text[0]);
      for (size_t i = 0; i < added_.size(); ++i) {
        if (!text.starts_with(added_[i])) continue;
        length = added_[i].size();
        id = 256 + static_cast<int32_t>(i);
        break;
      }
      ids.push_back(id);
      text.remove_prefix(length);
    }
    return ids;
  }
  std::string decode(const std::vector<int32_t>& ids, bool) const override {
    std::string text;
    for (const int32_t id : ids) text += id_to_token(id);
    return text;
  }
  int32_t vocab_size() const override { return 256 + static_cast<int32_t>(added_.size()); }
  int32_t bos_id() const override { return bos_; }
  int32_t eos_id() const override { return -1; }
  int32_t token_to_id(std::string_view token) const override {
    for (size_t i = 0; i < added_.size(); ++i) {
      if (added_[i] == token) return 256 + static_cast<int32_t>(i);
    }
    return token.size() == 1 ? static_cast<uint8_t>(token[0]) : -1;
  }
  std::string id_to_token(int32_t id) const override {
    if (id < 0 || id >= vocab_size()) fail(ErrorCode::invalid_argument, "id is ", id);
    return id < 256 ? std::string(1, static_cast<char>(id)) : added_[static_cast<size_t>(id) - 256];
  }
  bool is_special(int32_t id) const override { return id >= 256; }

 private:
  std::vector<std::string> added_;
  int32_t bos_;
};

}  // namespace vila::testing
