// SPDX-License-Identifier: Apache-2.0
#include "plan/onnxruntime/library.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "common/error.h"
#include "common/log.h"

namespace vila {
namespace plan::onnxruntime {
namespace {

constexpr const char* kFileName = "libonnxruntime.so";
constexpr const char* kSoName = "libonnxruntime.so.1";

std::mutex mutex;             // guards the two below
std::string chosen_path;
std::optional<Library> loaded;

/// Opens one candidate; false with the miss recorded.
bool try_candidate(const std::string& origin, const std::string& candidate, Search& search) {
  std::string file = candidate;
  const auto miss = [&](const std::string& reason, bool too_old = false) {
    search.misses.push_back({origin + " " + file, reason, too_old});
    return false;
  };
  if (file.find('/') != std::string::npos) {
    struct stat status {};
    if (::stat(file.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) file += std::string("/") + kFileName;
    if (::stat(file.c_str(), &status) != 0) return miss(errno == ENOENT ? "no such file" : std::strerror(errno));
  }
  OpenLibrary library(file);
  if (!library.is_open()) return miss(library.reason());
  const OrtApiBase*(ORT_API_CALL * api_base)() = nullptr;
  if (!library.find("OrtGetApiBase", api_base)) return miss("exports no OrtGetApiBase: not ONNX Runtime");
  const OrtApiBase* base = api_base();
  const std::string version = base->GetVersionString();
  // The version is compared before GetApi() is asked: for an API it does not have, GetApi() writes to the standard error stream.
  int major = 0, minor = 0;
  if (std::sscanf(version.c_str(), "%d.%d", &major, &minor) != 2 || major < 1 || (major == 1 && minor < ORT_API_VERSION)) {
    return miss("version " + version + " is too old, at least 1." + std::to_string(ORT_API_VERSION) + " is needed", true);
  }
  const OrtApi* api = base->GetApi(ORT_API_VERSION);
  if (api == nullptr) return miss("version " + version + " has no C API " + std::to_string(ORT_API_VERSION), true);
  search.found = Library{library_of(reinterpret_cast<const void*>(api_base), file), version, api};
  library.keep();
  return true;
}

}  // namespace

std::string Search::advice() const {
  return listed(misses) + ". Put " + kFileName + " 1." + std::to_string(ORT_API_VERSION) +
         " or newer (Linux x86-64) beside the native library of vila4j, or name it in VILA_ONNXRUNTIME";
}

Search search_library(const std::string& path) {
  Search search;
  if (!path.empty()) {
    try_candidate("the path that was set,", path, search);
    return search;
  }
  const char* variable = std::getenv("VILA_ONNXRUNTIME");
  if (variable != nullptr && *variable != '\0' && try_candidate("VILA_ONNXRUNTIME", variable, search)) return search;
  const std::string folder = own_folder();
  if (!folder.empty() && try_candidate("beside vila4j", folder + "/" + kFileName, search)) return search;
  for (const char* name : {kFileName, kSoName}) {
    if (try_candidate("the system's", name, search)) return search;
  }
  return search;
}

Search process_library() {
  const std::lock_guard lock(mutex);
  if (loaded) return {loaded, {}};
  Search search = search_library(chosen_path);
  if (!search.found) return search;
  loaded = search.found;
  for (const Miss& miss : search.misses) {
    if (miss.place.starts_with("VILA_ONNXRUNTIME")) log(LogLevel::warn, miss.place, ": ", miss.reason, "; using ", loaded->path);
  }
  log(LogLevel::info, "ONNX Runtime ", loaded->version, " from ", loaded->path);
  return search;
}

}  // namespace plan::onnxruntime

void set_onnxruntime_path(const std::string& path) {
  using namespace plan::onnxruntime;
  const std::lock_guard lock(mutex);
  if (loaded && !path.empty() && path != loaded->path) {
    log(LogLevel::warn, "ONNX Runtime is in use already, from ", loaded->path, "; ", path, " is not looked at");
  }
  chosen_path = path;
}

}  // namespace vila
