// SPDX-License-Identifier: Apache-2.0
// Shared libraries opened at run time, and the places that were tried in vain.
#pragma once

#include <dlfcn.h>

#include <string>
#include <vector>

namespace vila::plan {

/// A library opened for this process alone (RTLD_LOCAL), closed again unless it is kept. One thread.
class OpenLibrary {
 public:
  /// A file, or a name for the dynamic loader's own search.
  explicit OpenLibrary(const std::string& file);
  ~OpenLibrary();
  OpenLibrary(const OpenLibrary&) = delete;
  OpenLibrary& operator=(const OpenLibrary&) = delete;

  bool is_open() const { return handle_ != nullptr; }
  /// Why it is not open: the dynamic loader's words, without the file's name.
  const std::string& reason() const { return reason_; }
  /// Sets `function` to an exported one; false, and null, where there is none.
  template <typename Function>
  bool find(const char* name, Function& function) const {
    function = reinterpret_cast<Function>(::dlsym(handle_, name));
    return function != nullptr;
  }
  /// It stays open until the process ends.
  void keep() { handle_ = nullptr; }

 private:
  void* handle_;
  std::string reason_;
};

/// The file of the library that holds a function, as resolved by the dynamic loader; else `fallback`.
std::string library_of(const void* function, const std::string& fallback);

/// The folder of the binary that holds this function, without a trailing slash; empty when it is unknown.
std::string own_folder();

/// A place that was tried in vain.
struct Miss {
  std::string place;     ///< how it came to be tried, and the path
  std::string reason;
  bool too_old = false;  ///< the library that is looked for, but older than the headers this was built with
};

/// "tried A: why; B: why"; empty without misses.
std::string listed(const std::vector<Miss>& misses);

}  // namespace vila::plan
