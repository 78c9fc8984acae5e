// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/cuda_library.h"

#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>

#include "common/error.h"
#include "common/log.h"
#include "plan/tensorrt/entry.h"
#include "vila/vila.h"

namespace vila {
namespace plan {
namespace tensorrt {
namespace {

std::mutex mutex;
std::string chosen_file;  // guarded by mutex

const EntryLog kLog{[](LogLevel level) { return log_enabled(level); },
                    [](LogLevel level, const char* message) { log_line(level, message); }};

bool try_file(const std::string& origin, const std::string& file, CudaSearch& search) {
  const auto miss = [&](const std::string& reason) {
    search.misses.push_back({origin + " " + file, reason});
    return false;
  };
  OpenLibrary library(file);
  if (!library.is_open()) return miss(library.reason());
  EntryVersionFunction* version = nullptr;
  EntryFunction* entry = nullptr;
  if (!library.find(kEntryVersionName, version) || !library.find(kEntryName, entry)) return miss("lacks the functions of vila4j");
  if (version() != kEntryVersion) {
    return miss(join("made for another vila4j (interface ", version(), ", expected ", kEntryVersion, ")"));
  }
  search.found = CudaLibrary{library_of(reinterpret_cast<const void*>(entry), file), entry};
  library.keep();
  return true;
}

}  // namespace

std::string CudaSearch::all_misses() const {
  return join(listed(misses), "; put the Maven artifact io.github.vila4j:vila4j-gpu on the class path, or build vila4j where nvcc ",
              "12.8 or newer and TensorRT's headers are, and name its ", kCudaLibraryName, " in VILA_CUDA");
}

CudaSearch search_cuda_library(const std::string& file) {
  CudaSearch search;
  if (!file.empty()) {
    try_file("the file that was set,", file, search);
    return search;
  }
  const char* variable = std::getenv("VILA_CUDA");
  if (variable != nullptr && *variable != '\0' && try_file("VILA_CUDA", variable, search)) return search;
  const std::string folder = own_folder();
  if (!folder.empty() && try_file("beside vila4j", folder + "/" + kCudaLibraryName, search)) return search;
  try_file("the system's", kCudaLibraryName, search);
  return search;
}

CudaSearch search_cuda_for_process() {
  const std::lock_guard lock(mutex);
  return search_cuda_library(chosen_file);
}

}  // namespace tensorrt

std::shared_ptr<DeviceBackend> tensorrt_backend(int32_t device) {
  static std::mutex mutex;
  static std::map<int32_t, std::shared_ptr<DeviceBackend>> all;
  const std::lock_guard lock(mutex);
  if (const auto found = all.find(device); found != all.end()) return found->second;
  const tensorrt::CudaSearch search = tensorrt::search_cuda_for_process();
  if (!search.found) fail(ErrorCode::not_found, "backend tensorrt: ", tensorrt::kCudaLibraryName, " was not found: ", search.all_misses());
  const tensorrt::Search libraries = tensorrt::search_for_process();
  if (!libraries.found) fail(ErrorCode::not_found, "backend tensorrt: TensorRT was not found: ", libraries.all_misses());
  std::shared_ptr<DeviceBackend> opened(search.found->entry(&tensorrt::kLog, *libraries.found, device));
  log(LogLevel::info, "TensorRT ", opened->version(), " on device ", device, ", ", opened->device_name(), " (", opened->device(), "), ",
      search.found->path);
  return all[device] = std::move(opened);
}

}  // namespace plan

void set_cuda_library_path(const std::string& path) {
  const std::lock_guard lock(plan::tensorrt::mutex);
  plan::tensorrt::chosen_file = path;
}

}  // namespace vila
