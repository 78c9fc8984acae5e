// SPDX-License-Identifier: Apache-2.0
#include "plan/stop_source.h"

#include <utility>

namespace vila::plan {

void StopSource::raise() noexcept {
  raised_.store(true, std::memory_order_release);
  const std::lock_guard lock(mutex_);
  for (Hook* hook = first_; hook != nullptr; hook = hook->next_) hook->action_();
}

StopSource::Hook::Hook(StopSource* source, std::function<void()> action) : source_(source), action_(std::move(action)) {
  if (source_ == nullptr) return;
  const std::lock_guard lock(source_->mutex_);
  next_ = source_->first_;
  if (next_ != nullptr) next_->previous_ = this;
  source_->first_ = this;
  // raise() sets the flag before it takes the mutex: either it finds this hook in the list, or the flag is seen here.
  if (source_->raised()) action_();
}

StopSource::Hook::~Hook() {
  if (source_ == nullptr) return;
  const std::lock_guard lock(source_->mutex_);
  (previous_ != nullptr ? previous_->next_ : source_->first_) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
}

}  // namespace vila::plan
