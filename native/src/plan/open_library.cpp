// SPDX-License-Identifier: Apache-2.0
#include "plan/open_library.h"

#include <cstdlib>

namespace vila::plan {

OpenLibrary::OpenLibrary(const std::string& file) : handle_(::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (handle_ != nullptr) return;
  const char* error = ::dlerror();
  reason_ = error != nullptr ? error : "unknown reason";
  const std::string prefix = file + ": ";
  if (reason_.starts_with(prefix)) reason_.erase(0, prefix.size());
}

OpenLibrary::~OpenLibrary() {
  if (handle_ != nullptr) ::dlclose(handle_);
}

std::string library_of(const void* function, const std::string& fallback) {
  Dl_info info{};
  return ::dladdr(function, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : fallback;
}

std::string own_folder() {
  const std::string own = library_of(reinterpret_cast<const void*>(&own_folder), "");
  if (own.empty()) return {};
  char* resolved = ::realpath(own.c_str(), nullptr);
  const std::string file(resolved != nullptr ? resolved : own);
  std::free(resolved);
  const size_t slash = file.rfind('/');
  return slash == std::string::npos ? std::string() : file.substr(0, slash);
}

std::string listed(const std::vector<Miss>& misses) {
  std::string text;
  for (const Miss& miss : misses) text += (text.empty() ? "tried " : "; ") + miss.place + ": " + miss.reason;
  return text;
}

}  // namespace vila::plan
