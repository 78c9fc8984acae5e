// SPDX-License-Identifier: Apache-2.0
// Reading on after what is wrong, to name everything that is: readers throw at the first problem, unless their thread gathers.
#pragma once

#include <string>
#include <vector>

#include "common/error.h"

namespace vila {

/// While one lives, object() and attempt() of its thread keep what they would throw. Problems nest: the innermost gathers.
class Problems {
 public:
  Problems();
  ~Problems();
  Problems(const Problems&) = delete;
  Problems& operator=(const Problems&) = delete;

  /// The messages so far in order, each once.
  const std::vector<std::string>& found() const { return found_; }
  /// Keeps a message.
  void add(const std::string& message);
  /// What gathers in this thread, or null.
  static Problems* current() noexcept;

 private:
  Problems* outer_;
  std::vector<std::string> found_;
};

/// Throws Error{code} with the parts as its message; where problems are gathered it is kept, and the reader goes on with what it
/// has.
template <typename... Parts>
void object(ErrorCode code, const Parts&... parts) {
  if (Problems::current() == nullptr) fail(code, parts...);
  Problems::current()->add(join(parts...));
}

/// Runs `body`. Where problems are gathered an Error it throws is kept, and the result is false; otherwise the Error leaves.
template <typename Body>
bool attempt(Body&& body) {
  try {
    body();
    return true;
  } catch (const Error& error) {
    if (Problems::current() == nullptr || error.code() == ErrorCode::internal) throw;
    Problems::current()->add(error.what());
    return false;
  }
}

}  // namespace vila
