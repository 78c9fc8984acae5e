// SPDX-License-Identifier: Apache-2.0
// Log lines to the listener of set_log_listener().
#pragma once

#include "common/error.h"

namespace vila {

/// Whether a line of this level would be heard; cheap.
bool log_enabled(LogLevel level) noexcept;
/// Hands one line to the listener; does nothing without one.
void log_line(LogLevel level, const std::string& message) noexcept;

template <typename... Parts>
void log(LogLevel level, const Parts&... parts) {
  if (log_enabled(level)) log_line(level, join(parts...));
}

}  // namespace vila
