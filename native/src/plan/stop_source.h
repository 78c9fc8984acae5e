// SPDX-License-Identifier: Apache-2.0
// A request to stop work that is under way.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>

namespace vila::plan {

/// One flag that any thread may raise, and the hooks that pass it on to whoever is working. A raised source stays raised until
/// clear(). Must outlive its hooks.
class StopSource {
 public:
  StopSource() = default;
  StopSource(const StopSource&) = delete;
  StopSource& operator=(const StopSource&) = delete;

  /// Asks the work to stop: sets the flag and calls every hook. Any thread, also while no work is under way; raising twice is
  /// harmless.
  void raise() noexcept;
  /// Whether raise() was called since construction or the last clear().
  bool raised() const noexcept { return raised_.load(std::memory_order_acquire); }
  /// Makes the source usable for the next piece of work.
  void clear() noexcept { raised_.store(false, std::memory_order_release); }

  /// Calls `action` when the source is raised, once or several times, from the raising thread or, when it is raised already, from
  /// the constructor. `action` must be short and must neither throw nor touch the source. After the destructor has returned no
  /// call is running and none will come. Does nothing for a null source.
  class Hook {
   public:
    Hook(StopSource* source, std::function<void()> action);
    ~Hook();
    Hook(const Hook&) = delete;
    Hook& operator=(const Hook&) = delete;

   private:
    friend class StopSource;
    StopSource* source_;
    std::function<void()> action_;
    Hook* previous_ = nullptr;
    Hook* next_ = nullptr;
  };

 private:
  std::atomic<bool> raised_{false};
  std::mutex mutex_;              // guards the list of hooks, and is held while they are called
  Hook* first_ = nullptr;
};

}  // namespace vila::plan
