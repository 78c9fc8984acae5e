// SPDX-License-Identifier: Apache-2.0
// Large checkpoints that take no disk, and the memory of this process: for tests of how much a loaded model takes.
#pragma once

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "checkpoint/needed_tensors.h"
#include "checkpoint/tensor_names.h"
#include "common/error.h"
#include "support/npy.h"

namespace vila::testing {

inline constexpr double kMebibyte = 1 << 20;

/// A line of /proc/self/status ("VmRSS", "VmHWM") in MiB.
inline double memory_status(const std::string& key) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key + ":")) return std::stod(line.substr(key.size() + 1)) / 1024;
  }
  return 0;
}

/// Makes the highest RSS so far (VmHWM) the present one.
inline void reset_memory_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

/// A language model of a 3B size but for its depth and vocabulary.
inline LanguageSpec three_billion_cut_short() {
  LanguageSpec spec;
  spec.model_type = "llama";
  spec.hidden = 2560;
  spec.layers = 4;
  spec.heads = spec.kv_heads = 20;
  spec.head_dim = 128;
  spec.intermediate = 6912;
  spec.vocab = 4000;
  spec.max_positions = 4096;
  return spec;
}

/// A tensor of a file of zeros.
struct ZeroTensor {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
};

/// The tensors that `spec` reads, floats as `dtype`.
inline std::vector<ZeroTensor> tensors_of(const LanguageSpec& spec, DType dtype) {
  ModelSpec model;
  model.language = spec;
  std::vector<ZeroTensor> tensors;
  for (const NeededTensor& tensor : needed_tensors(model, ModelPart::language)) {
    if (tensor.name != tensor_names::embed_tokens(spec))
      tensors.push_back({tensor.name, tensor.dtype.value_or(dtype), tensor.shape});
  }
  return tensors;
}

inline const char* file_name_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return "F32";
    case DType::f16: return "F16";
    case DType::bf16: return "BF16";
    case DType::i16: return "I16";
    default: FAIL("not a type of these tests");
  }
  return "";
}

/// Weights of zeros in a sparse file, which takes no room on disk but as much memory as any other once it is read. The first value
/// of each tensor is its own number, because ONNX Runtime keeps packed weights of equal content only once.
inline void write_zeros(const std::vector<ZeroTensor>& tensors, const std::filesystem::path& path) {
  std::string header;
  uint64_t end = 0;
  std::vector<uint64_t> begins;
  for (const auto& [name, dtype, shape] : tensors) {
    uint64_t bytes = size_of(dtype);
    std::string dims;
    for (const int64_t dim : shape) {
      bytes *= static_cast<uint64_t>(dim);
      dims += join(dims.empty() ? "" : ",", dim);
    }
    header += join(header.empty() ? "{" : ",", '"', name, R"(":{"dtype":")", file_name_of(dtype), R"(","shape":[)", dims,
                   R"(],"data_offsets":[)", end, ',', end + bytes, "]}");
    begins.push_back(end);
    end += bytes;
  }
  header += "}";
  const uint64_t size = header.size();
  std::string prefix(8, '\0');
  std::memcpy(prefix.data(), &size, 8);
  write_file(path, prefix + header);
  std::filesystem::resize_file(path, 8 + size + end);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  for (size_t i = 0; i < begins.size(); ++i) {
    const float number = static_cast<float>(i + 1);  // Its upper half is the same number in bf16, and some other one in fp16.
    const size_t width = size_of(tensors[i].dtype);
    file.seekp(static_cast<std::streamoff>(8 + size + begins[i]));
    file.write(reinterpret_cast<const char*>(&number) + (sizeof(number) - width), static_cast<std::streamsize>(width));
  }
  REQUIRE(file.good());
}

}  // namespace vila::testing
