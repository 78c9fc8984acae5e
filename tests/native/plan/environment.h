// SPDX-License-Identifier: Apache-2.0
// Environment variables and child processes of a test.
#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>

namespace vila::testing {

/// Sets or removes an environment variable until the end of scope.
class Variable {
 public:
  Variable(const char* name, const std::optional<std::string>& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    set(value);
  }
  ~Variable() { set(old_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  void set(const std::optional<std::string>& value) { value ? ::setenv(name_, value->c_str(), 1) : ::unsetenv(name_); }
  const char* name_;
  std::optional<std::string> old_;
};

/// Runs `work` in a child process; its exit status is 0 unless `work` throws. The child never returns into the test.
template <typename Work>
pid_t in_child(Work&& work) {
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid != 0) return pid;
  try {
    work();
    ::_exit(0);
  } catch (...) {
    ::_exit(1);
  }
}

/// The wait status: 0 for a child that exited with 0.
inline int status_of(pid_t pid) {
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  return status;
}

}  // namespace vila::testing
