// SPDX-License-Identifier: Apache-2.0
#include "copy_bandwidth.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace {

/// What is used of the driver API; every function returns 0 for success.
struct Driver {
  int (*init)(unsigned flags);
  int (*device)(int* handle, int ordinal);
  int (*retain)(void** context, int device);
  int (*release)(int device);
  int (*use)(void* context);
  int (*allocate)(uint64_t* memory, size_t bytes);
  int (*free)(uint64_t memory);
  int (*copy)(uint64_t to, uint64_t from, size_t bytes, void* stream);
  int (*create_event)(void** event, unsigned flags);
  int (*destroy_event)(void* event);
  int (*record)(void* event, void* stream);
  int (*wait)(void* event);
  int (*elapsed)(float* milliseconds, void* start, void* end);

  bool find(void* library) {
    const auto get = [library](const char* name, auto& function) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
      return function != nullptr;
    };
    return get("cuInit", init) && get("cuDeviceGet", device) && get("cuDevicePrimaryCtxRetain", retain) &&
           get("cuDevicePrimaryCtxRelease_v2", release) && get("cuCtxSetCurrent", use) && get("cuMemAlloc_v2", allocate) &&
           get("cuMemFree_v2", free) && get("cuMemcpyDtoDAsync_v2", copy) && get("cuEventCreate", create_event) &&
           get("cuEventDestroy_v2", destroy_event) && get("cuEventRecord", record) && get("cuEventSynchronize", wait) &&
           get("cuEventElapsedTime", elapsed);
  }
};

/// The best of some copies, in a context that is current.
std::optional<double> measure(const Driver& cuda, uint64_t to, uint64_t from, size_t bytes) {
  constexpr int kCopies = 20;
  void *start = nullptr, *end = nullptr;
  double best = 0;
  if (cuda.create_event(&start, 0) == 0 && cuda.create_event(&end, 0) == 0) {
    for (int i = 0; i < kCopies; ++i) {
      float milliseconds = 0;
      if (cuda.record(start, nullptr) != 0 || cuda.copy(to, from, bytes, nullptr) != 0 || cuda.record(end, nullptr) != 0 ||
          cuda.wait(end) != 0 || cuda.elapsed(&milliseconds, start, end) != 0 || milliseconds <= 0) {
        best = 0;
        break;
      }
      best = std::max(best, 2e3 * static_cast<double>(bytes) / static_cast<double>(milliseconds));
    }
  }
  if (start != nullptr) cuda.destroy_event(start);
  if (end != nullptr) cuda.destroy_event(end);
  return best > 0 ? std::optional(best) : std::nullopt;
}

}  // namespace

std::optional<double> copy_bytes_per_second() {
  void* library = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);  // stays: a driver is never unloaded
  Driver cuda{};
  int device = 0;
  void* context = nullptr;
  if (library == nullptr || !cuda.find(library) || cuda.init(0) != 0 || cuda.device(&device, 0) != 0 ||
      cuda.retain(&context, device) != 0) {
    return std::nullopt;
  }
  std::optional<double> result;
  for (size_t bytes = size_t{1} << 30; !result && bytes >= size_t{64} << 20 && cuda.use(context) == 0; bytes /= 2) {
    uint64_t from = 0, to = 0;
    if (cuda.allocate(&from, bytes) == 0) {
      if (cuda.allocate(&to, bytes) == 0) {
        result = measure(cuda, to, from, bytes);
        cuda.free(to);
      }
      cuda.free(from);
    }
  }
  cuda.use(nullptr);
  cuda.release(device);
  return result;
}
