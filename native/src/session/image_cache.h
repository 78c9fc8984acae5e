// SPDX-License-Identifier: Apache-2.0
// Image tokens by content hash, bounded in bytes, least recently used out first.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "common/hash.h"

namespace vila {

/// The projected tokens of an image, float32 [tokens, hidden], shared and immutable.
using ImageTokens = std::shared_ptr<const std::vector<float>>;

/// Thread-safe. An entry larger than the bound is not kept. Dropping an entry does not touch tokens that are in use.
class ImageCache {
 public:
  explicit ImageCache(int64_t bound_bytes) : bound_(bound_bytes) {}
  /// Null when absent; counts a hit or a miss.
  ImageTokens find(const Hash128& key);
  void put(const Hash128& key, ImageTokens tokens);

  struct Stats {
    int64_t bytes = 0, entries = 0, hits = 0, misses = 0;
  };
  Stats stats() const;

 private:
  struct Entry {
    Hash128 key;
    ImageTokens tokens;
  };
  struct Less {
    bool operator()(const Hash128& a, const Hash128& b) const { return a.high != b.high ? a.high < b.high : a.low < b.low; }
  };

  mutable std::mutex mutex_;
  const int64_t bound_;
  Stats stats_;
  std::list<Entry> entries_;  ///< most recently used first
  std::map<Hash128, std::list<Entry>::iterator, Less> index_;
};

}  // namespace vila
