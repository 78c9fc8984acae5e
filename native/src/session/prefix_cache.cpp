// SPDX-License-Identifier: Apache-2.0
#include "session/prefix_cache.h"

#include <utility>

namespace vila {

void PrefixCache::begin(const std::shared_ptr<CachedSequence>& sequence) {
  if (bound_ == 0) return;
  const std::lock_guard lock(mutex_);
  open_.push_back(sequence);
}

void PrefixCache::end(std::shared_ptr<CachedSequence> sequence) noexcept {
  if (bound_ == 0) return;
  try {
    keep(std::move(sequence));
  } catch (...) {  // Out of memory: it is freed instead of kept.
  }
}

void PrefixCache::keep(Held sequence) {
  std::vector<Held> freed;  // without the lock: caches may take one of their own
  const std::lock_guard lock(mutex_);
  std::erase_if(open_, [&](const std::weak_ptr<CachedSequence>& open) {
    const Held other = open.lock();
    return other == nullptr || other == sequence;
  });
  const int64_t bytes = sequence->cache->bytes();
  const size_t size = sequence->elements.size();
  if (size < kFewest || bytes > bound_) return freed.push_back(std::move(sequence));
  for (auto entry = ended_.begin(); entry != ended_.end();) {
    const auto next = std::next(entry);
    const size_t common = common_prefix((*entry)->elements, sequence->elements);
    if (common == size) {  // All of it is there already.
      ended_.splice(ended_.begin(), ended_, entry);
      return freed.push_back(std::move(sequence));
    }
    if ((*entry)->elements.size() - common <= common) evict(entry, freed);
    entry = next;
  }
  ended_.push_front(std::move(sequence));
  stats_.bytes += bytes;
  ++stats_.entries;
  while (stats_.bytes > bound_ || stats_.entries > kMost) evict(std::prev(ended_.end()), freed);
}

void PrefixCache::evict(std::list<Held>::iterator entry, std::vector<Held>& freed) {
  stats_.bytes -= (*entry)->cache->bytes();
  --stats_.entries;
  freed.push_back(std::move(*entry));
  ended_.erase(entry);
}

size_t PrefixCache::extend(const std::vector<Element>& wanted, size_t held, CachedSequence& to) {
  if (bound_ == 0 || wanted.empty()) return held;
  const size_t most = wanted.size() - 1;
  size_t best = 0;
  Held from;
  std::shared_lock<std::shared_mutex> best_lock;
  {
    const std::lock_guard lock(mutex_);
    const auto consider = [&](const Held& candidate) {
      if (candidate == nullptr || candidate.get() == &to) return false;
      std::shared_lock<std::shared_mutex> candidate_lock(candidate->mutex, std::try_to_lock);
      if (!candidate_lock.owns_lock()) return false;
      const size_t common = std::min(common_prefix(candidate->elements, wanted), most);
      if (common <= best || common < held + kFewest) return false;
      best = common;
      from = candidate;
      best_lock = std::move(candidate_lock);
      return true;
    };
    for (const std::weak_ptr<CachedSequence>& open : open_) consider(open.lock());
    auto used = ended_.end();
    for (auto entry = ended_.begin(); entry != ended_.end(); ++entry) {
      if (consider(*entry)) used = entry;
    }
    if (from == nullptr) return held;
    if (used != ended_.end()) ended_.splice(ended_.begin(), ended_, used);
    ++stats_.hits;
    stats_.positions += static_cast<int64_t>(best - held);
  }
  to.elements.clear();
  to.cache->copy_rows(*from->cache, static_cast<int64_t>(best));
  to.elements.assign(wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(best));
  return best;
}

bool PrefixCache::clear() {
  std::vector<Held> freed;
  const std::lock_guard lock(mutex_);
  while (!ended_.empty()) evict(ended_.begin(), freed);
  return !freed.empty();
}

PrefixCache::Stats PrefixCache::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace vila
