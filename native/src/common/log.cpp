// SPDX-License-Identifier: Apache-2.0
#include "common/log.h"

#include <atomic>
#include <mutex>
#include <shared_mutex>

namespace vila {
namespace {

constexpr int kOff = static_cast<int>(LogLevel::error) + 1;

// Callers hold the mutex shared while they are inside the listener, so set_log_listener() returns after the last of them.
std::shared_mutex mutex;
LogListener* listener = nullptr;
std::atomic<int> threshold{kOff};

}  // namespace

void set_log_listener(LogListener* next, LogLevel level) {
  const std::unique_lock lock(mutex);
  listener = next;
  threshold = next == nullptr ? kOff : static_cast<int>(level);
}

bool log_enabled(LogLevel level) noexcept { return static_cast<int>(level) >= threshold.load(std::memory_order_relaxed); }

void log_line(LogLevel level, const std::string& message) noexcept {
  try {
    const std::shared_lock lock(mutex);
    if (listener != nullptr && log_enabled(level)) listener->on_log(level, message);
  } catch (...) {  // A listener that throws loses its line, not the work it was told about.
  }
}

}  // namespace vila
