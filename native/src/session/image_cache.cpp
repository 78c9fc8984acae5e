// SPDX-License-Identifier: Apache-2.0
#include "session/image_cache.h"

#include "common/error.h"

namespace vila {
namespace {

int64_t bytes_of(const ImageTokens& tokens) { return static_cast<int64_t>(tokens->size() * sizeof(float)); }

}  // namespace

ImageTokens ImageCache::get(const Hash128& key, plan::StopSource* stop, const std::function<std::vector<float>()>& make) {
  const plan::StopSource::Hook hook(stop, [this] {
    { const std::lock_guard lock(mutex_); }  // Nobody is between looking at the flag and waiting.
    made_.notify_all();
  });
  {
    std::unique_lock lock(mutex_);
    while (true) {
      if (ImageTokens tokens = find(key)) return tokens;
      const auto other = making_.find(key);
      if (other == making_.end()) break;
      const std::shared_ptr<Making> making = other->second;
      made_.wait(lock, [&] { return making->done || (stop != nullptr && stop->raised()); });
      if (making->tokens != nullptr) {
        ++stats_.hits;
        return making->tokens;
      }
      if (stop != nullptr && stop->raised()) fail(ErrorCode::cancelled, "image tokens: cancelled");
    }
    making_[key] = std::make_shared<Making>();
    ++stats_.misses;
  }
  ImageTokens tokens;
  try {
    tokens = std::make_shared<const std::vector<float>>(make());
  } catch (...) {
    finish(key, nullptr);
    throw;
  }
  finish(key, tokens);
  return tokens;
}

void ImageCache::finish(const Hash128& key, ImageTokens tokens) {
  {
    const std::lock_guard lock(mutex_);
    const auto making = making_.extract(key);
    making.mapped()->done = true;
    making.mapped()->tokens = tokens;
    if (tokens != nullptr) put(key, std::move(tokens));
  }
  made_.notify_all();
}

ImageTokens ImageCache::find(const Hash128& key) {
  const auto it = index_.find(key);
  if (it == index_.end()) return nullptr;
  ++stats_.hits;
  entries_.splice(entries_.begin(), entries_, it->second);
  return it->second->tokens;
}

void ImageCache::put(const Hash128& key, ImageTokens tokens) {
  const int64_t bytes = bytes_of(tokens);
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
