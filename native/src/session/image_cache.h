// SPDX-License-Identifier: Apache-2.0
// Image tokens by content hash, bounded in bytes, least recently used out first.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "common/hash.h"
#include "plan/stop_source.h"

namespace vila {

/// The projected tokens of an image, float32 [tokens, hidden], shared and immutable.
using ImageTokens = std::shared_ptr<const std::vector<float>>;

/// Thread-safe. An entry larger than the bound is not kept. Dropping an entry does not touch tokens that are in use.
class ImageCache {
 public:
  explicit ImageCache(int64_t bound_bytes) : bound_(bound_bytes) {}
  /// The tokens of `key`: those that are here, or what `make` returns. Of several threads that ask for a key at once one makes them
  /// and the others wait for it; where it throws, that thread's call throws, and one of the others makes them. A waiting call
  /// throws cancelled when `stop` (may be null) is raised.
  ImageTokens get(const Hash128& key, plan::StopSource* stop, const std::function<std::vector<float>()>& make);

  struct Stats {
    int64_t bytes = 0, entries = 0;
    int64_t hits = 0, misses = 0;  ///< misses: tokens that were made
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

  /// Tokens that a thread is making. Null in the end: it has failed.
  struct Making {
    bool done = false;
    ImageTokens tokens;
  };
  ImageTokens find(const Hash128& key);
  void put(const Hash128& key, ImageTokens tokens);
  void finish(const Hash128& key, ImageTokens tokens);

  mutable std::mutex mutex_;  ///< guards the rest; hooks of a StopSource, which hold that one's, take it: they are not made under it
  const int64_t bound_;
  Stats stats_;
  std::list<Entry> entries_;  ///< most recently used first
  std::map<Hash128, std::list<Entry>::iterator, Less> index_;
  std::map<Hash128, std::shared_ptr<Making>, Less> making_;
  std::condition_variable made_;
};

}  // namespace vila
