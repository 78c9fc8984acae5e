// SPDX-License-Identifier: Apache-2.0
// Keys and values of positions that several requests begin with: computed once, copied from there.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "plan/decoder.h"
#include "session/element.h"

namespace vila {

/// A sequence's keys and values with what they stand for.
struct CachedSequence {
  explicit CachedSequence(std::unique_ptr<plan::SequenceCache> made) : cache(std::move(made)) {}

  const std::unique_ptr<plan::SequenceCache> cache;
  std::vector<Element> elements;  ///< invariant: what the cache's first elements.size() rows hold
  std::shared_mutex mutex;        ///< held by whoever changes it; shared by those who copy from it
};

/// Sequences whose rows a request may copy instead of computing them: those of open sessions while no call runs in them, and of
/// sessions that have ended, up to a bound of bytes and of kMost sequences, the least recently used out first. Of sequences that have most in common only the last
/// is kept. Thread-safe. Must not outlive the decoder of the caches.
class PrefixCache {
 public:
  /// Copying fewer positions than this is not worth it.
  static constexpr size_t kFewest = 32;
  static constexpr int64_t kMost = 256;

  /// `bound_bytes`: of what ended sessions leave behind; 0 turns all of it off.
  explicit PrefixCache(int64_t bound_bytes) : bound_(bound_bytes) {}

  /// A session has begun. It calls end() with the same sequence.
  void begin(const std::shared_ptr<CachedSequence>& sequence);
  /// A session has ended: its sequence is kept or freed. Nobody else changes it any more.
  void end(std::shared_ptr<CachedSequence> sequence) noexcept;

  /// Makes `to`, which the caller holds locked and whose cache has room for `wanted`, begin with as many elements of `wanted` as some
  /// sequence here has, if these are kFewest more than the `held` that it begins with already; never all of `wanted`. Returns how
  /// many it then begins with. Throws what copying throws; `to` is then empty.
  size_t extend(const std::vector<Element>& wanted, size_t held, CachedSequence& to);

  /// Frees what ended sessions left behind; returns whether there was anything.
  bool clear();

  struct Stats {
    int64_t bytes = 0, entries = 0;   ///< of what ended sessions left behind
    int64_t hits = 0, positions = 0;  ///< prompts that copied rows so far, and how many of them
  };
  Stats stats() const;

 private:
  using Held = std::shared_ptr<CachedSequence>;
  void keep(Held sequence);
  void evict(std::list<Held>::iterator entry, std::vector<Held>& freed);

  const int64_t bound_;
  mutable std::mutex mutex_;  ///< guards the rest; before a sequence's, which is only tried while this is held
  Stats stats_;
  std::vector<std::weak_ptr<CachedSequence>> open_;
  std::list<Held> ended_;     ///< most recently used first
};

}  // namespace vila
