// SPDX-License-Identifier: Apache-2.0
// The ONNX Runtime shared library, found and opened at run time.
#pragma once

#include <onnxruntime_c_api.h>

#include <optional>
#include <string>
#include <vector>

#include "plan/open_library.h"

namespace vila::plan::onnxruntime {

/// An opened ONNX Runtime. It stays loaded until the process ends: its threads and its environment cannot be unloaded safely.
struct Library {
  std::string path;             ///< as resolved by the dynamic loader
  std::string version;          ///< "1.28.0"
  const OrtApi* api = nullptr;  ///< of the version of the headers this was built with
};

/// What a search found, and what it passed over.
struct Search {
  std::optional<Library> found;
  std::vector<Miss> misses;
  /// Every miss in one line, with what to do about it.
  std::string advice() const;
};

/// Tries `path` alone when it is not empty; else $VILA_ONNXRUNTIME, the folder of this library, the dynamic loader's own search.
/// A path that names a folder stands for the library in it. Throws nothing but std::bad_alloc.
Search search_library(const std::string& path);

/// The library of this process: searched for with the path of set_onnxruntime_path() until it is found, then kept. Any thread.
Search process_library();

}  // namespace vila::plan::onnxruntime
