// SPDX-License-Identifier: Apache-2.0
// TensorRT's shared libraries, found and opened at run time. Needs none of TensorRT's headers, so that doctor can say what is there
// in every build.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plan/open_library.h"

namespace vila::plan::tensorrt {

/// The major version whose headers the backend is written for; no other is taken, because TensorRT's C++ interfaces change with it.
inline constexpr int kMajor = 11;
inline constexpr const char* kLibraryName = "libnvinfer.so.11";
inline constexpr const char* kParserName = "libnvonnxparser.so.11";

/// Opened libraries. They stay loaded until the process ends: TensorRT keeps threads and registries of its own.
struct Library {
  std::string path;         ///< of libnvinfer, as resolved by the dynamic loader
  std::string parser_path;  ///< of libnvonnxparser
  std::string version;      ///< "11.2.1"
  // What the inline functions of NvInfer.h and NvOnnxParser.h call; `version` is the headers', in NvInferVersion.h's form.
  void* (*create_builder)(void* logger, int32_t version) = nullptr;
  void* (*create_runtime)(void* logger, int32_t version) = nullptr;
  void* (*create_refitter)(void* engine, void* logger, int32_t version) = nullptr;
  void* (*plugin_registry)() = nullptr;  ///< an nvinfer1::IPluginRegistry, the process's
  void* (*create_parser)(void* network, void* logger, int version) = nullptr;
};

/// What a search found, and what it passed over.
struct Search {
  std::optional<Library> found;
  std::vector<Miss> misses;
  /// What to do about the misses.
  static std::string advice();
  /// Every miss in one line, with the advice.
  std::string all_misses() const;
};

/// Tries `folder` alone when it is not empty; else the folder $VILA_TENSORRT, the dynamic loader's own search, and the folders into
/// which JavaCPP unpacks TensorRT's redistributable jar, newest first. Both libraries must be there together. Throws nothing but
/// std::bad_alloc. Any thread.
Search search_library(const std::string& folder);

/// The search with the folder of set_tensorrt_path(). Any thread.
Search search_for_process();

}  // namespace vila::plan::tensorrt
