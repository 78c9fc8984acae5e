// SPDX-License-Identifier: Apache-2.0
// What a test needs of the emulated device inside emulated_library.cpp, as a caller of vila4j has it from CUDA.
#pragma once

#include <cstddef>

struct EmulatedDevice {
  void* (*allocate)(size_t bytes);
  void (*release)(void* memory);
  /// A stream that is slow: it does nothing before it is waited for.
  void* (*slow_stream)();
  void (*destroy_stream)(void* stream);
  /// From the host to the device. Both must stay until the copy is done.
  void (*copy)(void* to, const void* from, size_t bytes, void* stream);
  int (*current)();  ///< device of this thread
  void (*select)(int device);
  size_t (*bytes_in_use)(int device);
};

/// Exported by the library.
extern "C" __attribute__((visibility("default"))) const EmulatedDevice* vila_cuda_emulated_device();
