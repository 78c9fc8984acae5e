// SPDX-License-Identifier: Apache-2.0
// Byte-pair encoding of one word.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace vila {

/// Hash of strings that takes a view without copying it.
struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

/// A vocabulary and its merges, as the model "BPE" of Hugging Face tokenizers. Immutable once filled; any thread.
class BpeModel {
 public:
  struct Options {
    bool ignore_merges = false;  ///< a word that is itself in the vocabulary is not split
    bool byte_fallback = false;  ///< an unknown character becomes its bytes "<0xE2>", where the vocabulary has all of them
    bool fuse_unk = false;       ///< unknown characters in a row become one unknown token
    std::string unk_token;       ///< empty: unknown characters are dropped
  };

  /// `name` is for messages. Throws bad_file where two tokens share an id or the unknown token is not in the vocabulary.
  BpeModel(std::vector<std::pair<std::string, int32_t>> vocabulary, Options options, const std::string& name);
  BpeModel(BpeModel&&) = default;
  BpeModel(const BpeModel&) = delete;  // tokens_ points into ids_
  /// Adds the next merge (ranks count up). Throws bad_file where left, right or their concatenation is not in the vocabulary.
  void add_merge(const std::string& left, const std::string& right, const std::string& name);

  /// Appends the ids of a word. Time n log n in its length.
  void encode(std::string_view word, std::vector<int32_t>& ids) const;

  /// -1: none.
  int32_t id_of(std::string_view token) const;
  /// Null where no token has the id.
  const std::string* token_of(int32_t id) const;
  /// One more than the largest id.
  int32_t size() const { return static_cast<int32_t>(tokens_.size()); }

 private:
  struct Merge {
    uint32_t rank = 0;
    int32_t id = 0;
  };
  const Merge* merge_of(int32_t left, int32_t right) const;
  std::vector<int32_t> characters(std::string_view word) const;
  bool append_bytes(std::string_view character, std::vector<int32_t>& ids) const;

  Options options_;
  std::unordered_map<std::string, int32_t, TextHash, std::equal_to<>> ids_;
  std::vector<const std::string*> tokens_;      ///< by id, into ids_
  std::unordered_map<uint64_t, Merge> merges_;  ///< left id, right id
  uint32_t next_rank_ = 0;
  int32_t unk_id_ = -1;
  std::vector<int32_t> byte_ids_;  ///< of "<0x00>" to "<0xFF>"; -1: none
};

}  // namespace vila
