// SPDX-License-Identifier: Apache-2.0
// What libvila_cuda.so and whoever opens it say to each other. Both are built from the same sources by the same compiler: C++ objects
// and exceptions pass between them.
#pragma once

#include <cstdint>

#include "plan/device_backend.h"
#include "plan/tensorrt/library.h"

namespace vila::plan::tensorrt {

inline constexpr const char* kCudaLibraryName = "libvila_cuda.so";
/// Its kernels are built for devices of this compute capability's major number and newer (cmake/VilaCuda.cmake).
inline constexpr int kLeastComputeCapability = 8;

/// Raise it with any change of what passes: this file, device_backend.h, decoder.h, plan.h, image_plan.h, graph.h and the types of
/// vila.h and the room image in them.
inline constexpr int32_t kEntryVersion = 3;

/// The opener's log, which the library's lines go to. Functions are called from any thread and never throw.
struct EntryLog {
  bool (*enabled)(LogLevel level);
  void (*line)(LogLevel level, const char* message);
};

/// Exported as kEntryVersionName: kEntryVersion of the library's build.
using EntryVersionFunction = int32_t();
inline constexpr const char* kEntryVersionName = "vila_cuda_entry_version";
/// Exported as kEntryName: a new backend over an opened TensorRT on the device of this number, owned by the caller. `log` (kept) must live
/// until the process ends. Throws backend without any device, invalid_argument for a number beyond those that are there,
/// unsupported for a device that is too old.
using EntryFunction = DeviceBackend*(const EntryLog* log, const Library& library, int32_t device);
inline constexpr const char* kEntryName = "vila_cuda_backend";

}  // namespace vila::plan::tensorrt

/// What such a library defines, under the names above.
#define VILA_EXPORTED extern "C" __attribute__((visibility("default")))
VILA_EXPORTED vila::plan::tensorrt::EntryVersionFunction vila_cuda_entry_version;
VILA_EXPORTED vila::plan::tensorrt::EntryFunction vila_cuda_backend;
#undef VILA_EXPORTED
