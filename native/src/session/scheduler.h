// SPDX-License-Identifier: Apache-2.0
// Who computes next: requests that run at the same time share the language plan token by token.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <vector>

#include "plan/decoder.h"
#include "plan/stop_source.h"

namespace vila {

using plan::SequenceStep;

/// Turns of the language plan. One turn is either the next token of every request that waits for one (a joined step, where the plan
/// takes several sequences; else of one request), or one chunk of one prompt.
///
/// Fairness: after a chunk, every request that waited for a token when it ended gets it before the next chunk runs; chunks of
/// several prompts take turns. A joined step waits a moment for requests that had a token in the last one and are choosing the next, no
/// longer than a fraction of what a step takes, and only for those that were back in time before: so a request whose listener is
/// slow, or blocks, sits out, and the others go on.
///
/// Threads: there is none of its own. Each request runs in its caller's thread, which samples and calls the listener there; a
/// thread that wants something computed queues it and waits, and one of the waiting threads runs the plan for all that share the
/// turn. mutex_ guards everything but what is said to be otherwise, and is not held while the plan runs: decoder_ runs in the
/// thread that has set busy_, and only until it clears it, both under the mutex; a Work that is running belongs to that thread too,
/// and its owner waits until it is done. Order of locks: a StopSource's (which its hooks hold while they call in here) before
/// mutex_; so hooks are made and destroyed without mutex_.
class Scheduler {
 public:
  /// At most `max_requests` >= 1 requests at once. `decoder` must outlive this.
  Scheduler(plan::Decoder& decoder, int32_t max_requests);
  /// Threads that wait for a place or for their turn. Any thread.
  size_t waiting() const;

  /// A request's place among those that are computed at once, from its first step to its end. One thread: the one that made it.
  class Slot {
   public:
    /// Waits, in the order of arrival, until there are fewer than max_requests. Does not wait in a thread that holds a slot of the
    /// same scheduler (a listener that asks something itself): that request would wait for its own end. Throws cancelled when
    /// `stop` (which must outlive this) is raised before there is a place.
    Slot(Scheduler& scheduler, plan::StopSource& stop);
    ~Slot();
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;

    /// Positions of a prompt that one turn should compute at most: fewer when others wait for tokens in between.
    int64_t chunk() const;
    /// Computes a chunk of a prompt. Throws what the plan throws; cancelled also when the stop is raised while waiting.
    void prefill(const SequenceStep& step, int64_t count);
    /// Computes one token, together with those of others. Throws as prefill(); a failure of another request is not seen here. A
    /// joined step is not broken off: a cancelled request leaves at its end.
    void decode(const SequenceStep& step);

   private:
    friend class Scheduler;
    using Clock = std::chrono::steady_clock;
    Scheduler& scheduler_;
    plan::StopSource& stop_;
    const Slot* const outer_;     ///< of this thread, when this one was made
    bool decoding_ = false;       ///< its last step was a token
    bool punctual_ = true;          ///< it came back in time for its last step
    bool awaited_ = false;        ///< it had a token in the last joined step and is expected back in time
    Clock::time_point answered_;  ///< when it had its last token
  };

 private:
  using Clock = std::chrono::steady_clock;
  /// What a thread waits for.
  struct Work {
    enum class State { waiting, running, done };
    Slot& slot;
    SequenceStep step;
    int64_t count = 1;
    State state = State::waiting;
    std::exception_ptr error;
  };

  void compute(std::deque<Work*>& queue, Work& work);
  /// Whether the next turn is `work`'s, as it stands; `work` waits.
  bool is_next(const Work& work) const;
  /// Whether tokens (true) or a chunk (false) are next; something waits.
  bool tokens_next() const;
  /// Whether a joined step need not wait any longer.
  bool gathered() const;
  Clock::time_point deadline() const { return step_end_ + patience_; }
  /// Runs the turn that is `work`'s. The lock is held at the beginning and at the end.
  void lead(Work& work, std::unique_lock<std::mutex>& lock);
  void run_turn(const std::vector<Work*>& turn);
  void end_turn(const std::vector<Work*>& turn, Clock::duration took);

  plan::Decoder& decoder_;
  const int32_t max_requests_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool busy_ = false;  ///< a thread runs the plan
  std::deque<Work*> tokens_, chunks_;
  size_t owed_ = 0;  ///< tokens that go before the next chunk
  std::vector<Slot*> slots_;
  std::deque<const Slot*> waiting_;  ///< for a place
  Clock::time_point step_end_;       ///< of the last turn of tokens
  Clock::duration patience_;         ///< how long a joined step waits for those that took part in the last
};

}  // namespace vila
