// SPDX-License-Identifier: Apache-2.0
// Finds whole strings in a text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace vila {

/// A set of strings, each with a value, and the search for the leftmost (then longest) of them. Reading is safe from any thread.
/// A search costs at most the length of the text times that of the longest string.
class TokenTrie {
 public:
  struct Match {
    size_t begin = 0, end = 0;
    int32_t value = 0;
  };

  /// Adds a string; an empty one is ignored, and the value of one that is there already is replaced.
  void add(std::string_view content, int32_t value);
  /// The first match that begins at `from` or later.
  std::optional<Match> find(std::string_view text, size_t from) const;
  bool empty() const { return nodes_.size() == 1; }

 private:
  static constexpr int32_t kNone = -1;
  struct Node {
    bool terminal = false;
    int32_t value = 0;
  };
  int32_t child(int32_t node, char byte) const;

  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::unordered_map<uint64_t, int32_t> children_;  ///< node * 256 + byte to node
  std::vector<bool> starts_ = std::vector<bool>(256);
};

}  // namespace vila
