// SPDX-License-Identifier: Apache-2.0
// Throwing vila::Error with a message put together from parts.
#pragma once

#include <sstream>
#include <string>

#include "vila/vila.h"

namespace vila {

/// Joins its arguments with operator<<.
template <typename... Parts>
std::string join(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// Throws Error{code} with the parts as its message.
template <typename... Parts>
[[noreturn]] void fail(ErrorCode code, const Parts&... parts) {
  throw Error(code, join(parts...));
}

}  // namespace vila
