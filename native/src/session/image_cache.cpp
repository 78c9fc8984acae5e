// SPDX-License-Identifier: Apache-2.0
#include "session/image_cache.h"

namespace vila {
namespace {

int64_t bytes_of(const ImageTokens& tokens) { return static_cast<int64_t>(tokens->size() * sizeof(float)); }

}  // namespace

ImageTokens ImageCache::find(const Hash128& key) {
  const std::lock_guard lock(mutex_);
  const auto it = index_.find(key);
  if (it == index_.end()) {
    ++stats_.misses;
    return nullptr;
  }
  ++stats_.hits;
  entries_.splice(entries_.begin(), entries_, it->second);
  return it->second->tokens;
}

void ImageCache::put(const Hash128& key, ImageTokens tokens) {
  const int64_t bytes = bytes_of(tokens);
  const std::lock_guard lock(mutex_);
  if (bytes > bound_ || index_.contains(key)) return;
  entries_.push_front({key, std::move(tokens)});
  index_[key] = entries_.begin();
  stats_.bytes += bytes;
  ++stats_.entries;
  while (stats_.bytes > bound_) {
    const Entry& last = entries_.back();
    stats_.bytes -= bytes_of(last.tokens);
    --stats_.entries;
    index_.erase(last.key);
    entries_.pop_back();
  }
}

ImageCache::Stats ImageCache::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace vila
