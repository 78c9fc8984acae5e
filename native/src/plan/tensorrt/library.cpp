// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/library.h"

#include <string.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <system_error>

#include "common/error.h"
#include "vila/vila.h"

namespace vila {
namespace plan::tensorrt {
namespace {

namespace fs = std::filesystem;

constexpr const char* kInsideJar = "org/bytedeco/tensorrt/linux-x86_64";

std::mutex mutex;
std::string chosen_folder;  // guarded by mutex

/// Opens the libraries of one folder (empty: the dynamic loader's search); false with the miss recorded.
bool try_folder(const std::string& origin, const std::string& folder, Search& search) {
  const std::string prefix = folder.empty() ? std::string() : folder + "/";
  const auto miss = [&](const std::string& file, const std::string& reason) {
    search.misses.push_back({origin + " " + file, reason});
    return false;
  };
  const std::string library_file = prefix + kLibraryName, parser_file = prefix + kParserName;
  OpenLibrary library(library_file);
  if (!library.is_open()) return miss(library_file, library.reason());
  Library found;
  int32_t (*version)() = nullptr;
  if (!library.find("getInferLibVersion", version) || !library.find("createInferBuilder_INTERNAL", found.create_builder) ||
      !library.find("createInferRuntime_INTERNAL", found.create_runtime) ||
      !library.find("createInferRefitter_INTERNAL", found.create_refitter) ||
      !library.find("getPluginRegistry", found.plugin_registry)) {
    return miss(library_file, "lacks the functions of TensorRT");
  }
  const int number = version();  // NvInferVersion.h: major * 10000 + minor * 100 + patch
  found.version = join(number / 10000, ".", number / 100 % 100, ".", number % 100);
  if (number / 10000 != kMajor) {
    return miss(library_file, join("version ", found.version, ", expected ", kMajor, ".x"));
  }
  // After libnvinfer, which it needs: its own search may not find what was opened from another folder, an open library it does.
  OpenLibrary parser(parser_file);
  if (!parser.is_open()) return miss(parser_file, parser.reason());
  if (!parser.find("createNvOnnxParser_INTERNAL", found.create_parser)) {
    return miss(parser_file, "lacks the functions of TensorRT's ONNX parser");
  }
  found.path = library_of(reinterpret_cast<const void*>(found.create_builder), library_file);
  found.parser_path = library_of(reinterpret_cast<const void*>(found.create_parser), parser_file);
  search.found = std::move(found);
  library.keep();
  parser.keep();
  return true;
}

/// Where JavaCPP unpacks the redistributable jar, newest version first.
std::vector<std::string> jar_folders() {
  std::vector<std::string> folders;
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home != '/') return folders;
  std::error_code error;
  for (fs::directory_iterator entry(fs::path(home) / ".javacpp/cache", error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with("tensorrt-") && name.ends_with("-linux-x86_64-redist.jar")) {
      folders.push_back((entry->path() / kInsideJar).string());
    }
  }
  // Versions by number: 11.10 is newer than 11.2.
  std::sort(folders.begin(), folders.end(), [](const auto& a, const auto& b) { return ::strverscmp(a.c_str(), b.c_str()) > 0; });
  return folders;
}

}  // namespace

std::string Search::advice() {
  return join("install NVIDIA's packages of TensorRT ", kMajor, ", or put the Maven artifact org.bytedeco:tensorrt with the ",
              "classifier linux-x86_64-redist on the class path, or name a folder with ", kLibraryName, " and ", kParserName,
              " in VILA_TENSORRT");
}

std::string Search::all_misses() const {
  return listed(misses) + "; " + advice();
}

Search search_library(const std::string& folder) {
  Search search;
  if (!folder.empty()) {
    try_folder("the folder that was set,", folder, search);
    return search;
  }
  const char* variable = std::getenv("VILA_TENSORRT");
  if (variable != nullptr && *variable != '\0' && try_folder("VILA_TENSORRT", variable, search)) return search;
  if (try_folder("the system's", "", search)) return search;
  for (const std::string& jar : jar_folders()) {
    if (try_folder("the unpacked jar", jar, search)) return search;
  }
  return search;
}

Search search_for_process() {
  const std::lock_guard lock(mutex);
  return search_library(chosen_folder);
}

}  // namespace plan::tensorrt

void set_tensorrt_path(const std::string& folder) {
  const std::lock_guard lock(plan::tensorrt::mutex);
  plan::tensorrt::chosen_folder = folder;
}

std::string tensorrt_path() {
  const plan::tensorrt::Search search = plan::tensorrt::search_for_process();
  return search.found ? search.found->path : "";
}

}  // namespace vila
