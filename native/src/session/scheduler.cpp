// SPDX-License-Identifier: Apache-2.0
#include "session/scheduler.h"

#include <algorithm>

#include "common/error.h"

namespace vila {
namespace {

using std::chrono::milliseconds;

// A joined step waits at most this part of the last one's time for those that are choosing their next token, within bounds: waking
// threads takes a moment, and nobody should notice the wait.
constexpr int kPatienceShare = 8;
constexpr milliseconds kLeastPatience{1}, kMostPatience{20};

/// The innermost slot of this thread.
thread_local const Scheduler::Slot* innermost = nullptr;

template <typename Queue, typename Item>
void remove(Queue& queue, const Item& item) {
  queue.erase(std::remove(queue.begin(), queue.end(), item), queue.end());
}

}  // namespace

Scheduler::Scheduler(plan::Decoder& decoder, int32_t max_requests)
    : decoder_(decoder), max_requests_(max_requests), patience_(kLeastPatience) {}

size_t Scheduler::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size() + tokens_.size() + chunks_.size();
}

Scheduler::Slot::Slot(Scheduler& scheduler, plan::StopSource& stop) : scheduler_(scheduler), stop_(stop), outer_(innermost) {
  bool inside = false;
  for (const Slot* slot = outer_; slot != nullptr; slot = slot->outer_) inside = inside || &slot->scheduler_ == &scheduler_;
  const plan::StopSource::Hook wake(&stop_, [&scheduler] {
    const std::lock_guard lock(scheduler.mutex_);
    scheduler.changed_.notify_all();
  });
  std::unique_lock lock(scheduler_.mutex_);
  if (!inside) {
    std::deque<const Slot*>& waiting = scheduler_.waiting_;
    waiting.push_back(this);
    const auto free = [&] {
      return waiting.front() == this && scheduler_.slots_.size() < static_cast<size_t>(scheduler_.max_requests_);
    };
    scheduler_.changed_.wait(lock, [&] { return stop_.raised() || free(); });
    remove(waiting, this);
    scheduler_.changed_.notify_all();  // the next one is at the front now
  }
  if (stop_.raised()) fail(ErrorCode::cancelled, "request: cancelled while waiting for its turn");
  scheduler_.slots_.push_back(this);
  innermost = this;
}

Scheduler::Slot::~Slot() {
  innermost = outer_;
  const std::lock_guard lock(scheduler_.mutex_);
  remove(scheduler_.slots_, this);
  scheduler_.changed_.notify_all();
}

int64_t Scheduler::Slot::chunk() const {
  const std::lock_guard lock(scheduler_.mutex_);
  const auto& slots = scheduler_.slots_;
  const bool shared = std::any_of(slots.begin(), slots.end(), [this](const Slot* s) { return s != this && s->decoding_; });
  return shared ? scheduler_.decoder_.shared_chunk() : scheduler_.decoder_.chunk();
}

void Scheduler::Slot::prefill(const SequenceStep& step, int64_t count) {
  Work work{*this, step, count, Work::State::waiting, nullptr};
  scheduler_.compute(scheduler_.chunks_, work);
}

void Scheduler::Slot::decode(const SequenceStep& step) {
  Work work{*this, step, 1, Work::State::waiting, nullptr};
  scheduler_.compute(scheduler_.tokens_, work);
}

void Scheduler::compute(std::deque<Work*>& queue, Work& work) {
  Slot& slot = work.slot;
  const plan::StopSource::Hook wake(&slot.stop_, [this] {
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
  });
  std::unique_lock lock(mutex_);
  queue.push_back(&work);
  const bool token = &queue == &tokens_;
  slot.punctual_ = !slot.decoding_ || Clock::now() <= slot.answered_ + patience_;
  slot.decoding_ = token;
  slot.awaited_ = false;
  while (work.state != Work::State::done) {
    if (work.state == Work::State::waiting) {
      if (slot.stop_.raised()) {
        remove(queue, &work);
        changed_.notify_all();  // it may have been next
        fail(ErrorCode::cancelled, "request: cancelled while waiting for its turn");
      }
      if (!busy_ && is_next(work)) {
        lead(work, lock);
        continue;
      }
      if (!busy_ && token && tokens_next() && !gathered()) {
        changed_.wait_until(lock, deadline());
        continue;
      }
    }
    changed_.wait(lock);
  }
  if (work.error != nullptr) std::rethrow_exception(work.error);
  if (slot.stop_.raised()) fail(ErrorCode::cancelled, "request: cancelled");
}

bool Scheduler::tokens_next() const { return !tokens_.empty() && (chunks_.empty() || owed_ > 0); }

bool Scheduler::gathered() const {
  return !decoder_.joins() || std::none_of(slots_.begin(), slots_.end(), [](const Slot* slot) { return slot->awaited_; }) ||
         Clock::now() >= deadline();
}

bool Scheduler::is_next(const Work& work) const {
  if (!tokens_next()) return chunks_.front() == &work;
  if (!decoder_.joins()) return tokens_.front() == &work;
  return work.slot.decoding_ && gathered();
}

void Scheduler::lead(Work& work, std::unique_lock<std::mutex>& lock) {
  std::deque<Work*>& queue = work.slot.decoding_ ? tokens_ : chunks_;
  const bool joined = work.slot.decoding_ && decoder_.joins();
  const std::vector<Work*> turn = joined ? std::vector<Work*>(queue.begin(), queue.end()) : std::vector<Work*>{&work};
  for (Work* part : turn) part->state = Work::State::running;
  if (joined) {
    queue.clear();
  } else {
    queue.pop_front();
  }
  busy_ = true;
  lock.unlock();
  const Clock::time_point start = Clock::now();
  run_turn(turn);
  lock.lock();
  busy_ = false;
  end_turn(turn, Clock::now() - start);
  changed_.notify_all();
}

void Scheduler::run_turn(const std::vector<Work*>& turn) {
  const auto run = [&](const std::vector<Work*>& works, plan::StopSource* stop) {
    std::vector<SequenceStep> steps;
    for (Work* work : works) {
      steps.push_back(work->step);
      if (works.size() > 1) steps.back().error = &work->error;
    }
    decoder_.run(steps, works.front()->count, stop);
  };
  if (turn.size() > 1) {
    try {
      return run(turn, nullptr);
    } catch (...) {  // Steps change nothing that counts until they succeed: each again, so that everyone gets what is its own.
      for (Work* work : turn) work->error = nullptr;
    }
  }
  for (Work* work : turn) {
    try {
      run({work}, &work->slot.stop_);
    } catch (...) {
      work->error = std::current_exception();
    }
  }
}

void Scheduler::end_turn(const std::vector<Work*>& turn, Clock::duration took) {
  const Clock::time_point now = Clock::now();
  const bool tokens = turn.front()->slot.decoding_;
  if (tokens) {
    owed_ -= std::min(owed_, turn.size());
    step_end_ = now;
    patience_ = std::clamp<Clock::duration>(took / kPatienceShare, kLeastPatience, kMostPatience);
    for (Slot* slot : slots_) {  // Who was not back for this step was waited for in vain.
      if (slot->awaited_) slot->punctual_ = slot->awaited_ = false;
    }
  } else {
    owed_ = tokens_.size();
  }
  for (Work* work : turn) {
    work->state = Work::State::done;
    if (!tokens) continue;
    work->slot.answered_ = now;
    work->slot.awaited_ = work->slot.punctual_;
  }
}

}  // namespace vila
