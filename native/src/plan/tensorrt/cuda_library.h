// SPDX-License-Identifier: Apache-2.0
// The part of vila4j that needs CUDA, libvila_cuda.so, found and opened at run time.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plan/open_library.h"
#include "plan/tensorrt/entry.h"

namespace vila::plan::tensorrt {

/// The opened library. It stays loaded until the process ends.
struct CudaLibrary {
  std::string path;  ///< as resolved by the dynamic loader
  EntryFunction* entry = nullptr;
};

/// What a search found, and what it passed over.
struct CudaSearch {
  std::optional<CudaLibrary> found;
  std::vector<Miss> misses;
  /// Every miss in one line, with what to do about it.
  std::string all_misses() const;
};

/// Tries `file` alone when it is not empty; else the file $VILA_CUDA, the folder of this library, and the dynamic loader's own
/// search. Opening it needs neither TensorRT nor a driver. Throws nothing but std::bad_alloc. Any thread.
CudaSearch search_cuda_library(const std::string& file);

/// The search with the file of set_cuda_library_path(). Any thread.
CudaSearch search_cuda_for_process();

}  // namespace vila::plan::tensorrt
