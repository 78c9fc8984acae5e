// SPDX-License-Identifier: Apache-2.0
// Safetensors files of our own beside plans, written in one pass: every tensor begins at a multiple of 64 bytes of the file,
// tensors named "padding.<n>" fill up, and the last 16 bytes are a tensor "checksum" that PlanCache fills.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/json.h"

namespace vila::graph {

/// Takes the bytes of a file in order.
using WriteBytes = std::function<void(const void* data, size_t size)>;

/// A file in pieces: what pieces 0 to count-1 write, one behind the other. A piece writes the same bytes whenever it is asked, and
/// no piece needs another one to have been written.
struct WeightsPieces {
  size_t count = 0;
  std::function<void(size_t piece, const WriteBytes& write)> write;
};

/// The header, tensor by tensor in the order in which their bytes follow.
class WeightsHeader {
 public:
  /// `dtype` as safetensors spells it; `bytes` is the size of the tensor.
  void add(const std::string& name, const char* dtype, const std::vector<int64_t>& shape, uint64_t bytes);
  /// Bytes of the tensors so far, with what fills up between them.
  uint64_t data_bytes() const { return end_; }
  /// The file's bytes before the first tensor. Ends the life of this object.
  std::string finish();

 private:
  void entry(const std::string& name, const char* dtype, const std::vector<int64_t>& shape, uint64_t bytes);
  Json json_ = Json::object();
  uint64_t end_ = 0;
  int64_t paddings_ = 0;
};

/// Writes a tensor and what fills up to the next one.
void write_aligned(const WriteBytes& write, const void* data, size_t size);

}  // namespace vila::graph
