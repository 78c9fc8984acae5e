// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/build_progress.h"

#include <algorithm>
#include <utility>

namespace vila::plan::tensorrt {

BuildProgress::BuildProgress(std::function<bool(double)> listener, StopSource* stop) : listener_(std::move(listener)), stop_(stop) {}

double BuildProgress::share(const std::string& phase) const {
  double share = 0;
  std::string name = phase;
  // A phase lies in others as deep as the map is large at most: what names itself as its own parent ends there.
  for (size_t depth = 0; depth <= phases_.size(); ++depth) {
    const auto found = phases_.find(name);
    if (found == phases_.end()) break;
    const Phase& at = found->second;
    share = std::min(1.0, (at.done + share) / std::max(1, at.steps));
    name = at.parent;
  }
  return share;
}

void BuildProgress::phaseStart(const char* phase, const char* parent, int32_t steps) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    phases_[phase] = {parent != nullptr ? parent : "", steps, 0};
  } catch (...) {  // Out of memory: the share stays where it is; nothing may be thrown through TensorRT.
  }
}

bool BuildProgress::stepComplete(const char* phase, int32_t step) noexcept {
  try {
    std::unique_lock lock(mutex_);
    if (stop_ != nullptr && stop_->raised()) cancelled_ = true;
    const auto found = phases_.find(phase);
    if (found != phases_.end()) found->second.done = std::max(found->second.done, step + 1);
    most_ = std::max(most_, share(phase));
    if (cancelled_ || !listener_ || std::this_thread::get_id() != thread_) return !cancelled_;
    const double most = most_;
    lock.unlock();  // The listener may take its time.
    const bool go_on = listener_(most);
    lock.lock();
    cancelled_ = cancelled_ || !go_on;
    return !cancelled_;
  } catch (...) {
    const std::lock_guard lock(mutex_);
    thrown_ = std::current_exception();
    cancelled_ = true;
    return false;
  }
}

void BuildProgress::phaseFinish(const char* phase) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    phases_.erase(phase);
  } catch (...) {  // As above.
  }
}

bool BuildProgress::cancelled() const {
  const std::lock_guard lock(mutex_);
  return cancelled_;
}

void BuildProgress::rethrow() const {
  const std::lock_guard lock(mutex_);
  if (thrown_ != nullptr) std::rethrow_exception(thrown_);
}

}  // namespace vila::plan::tensorrt
