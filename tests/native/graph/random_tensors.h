// SPDX-License-Identifier: Apache-2.0
// Checkpoint tensors made up for a test.
#pragma once

#include <filesystem>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "support/npy.h"

namespace vila::testing {

/// Random tensors in one .safetensors file, for the engine as a TensorStore and for reference/forward.h as its folder.
class RandomTensors {
 public:
  explicit RandomTensors(unsigned seed) : random_(seed) {}
  /// Normal values of the given mean and deviation, stored as f32, f16 or bf16.
  void add(const std::string& name, std::vector<int64_t> shape, float mean, float deviation, DType dtype = DType::f32);
  /// A matrix [out, in] that roughly keeps the variance of what it multiplies, and a small bias.
  void linear(const std::string& layer, int64_t in, int64_t out, bool bias, DType dtype = DType::f32);
  /// A gain around 1 and, for LayerNorm, a bias around 0.
  void norm(const std::string& layer, int64_t size, bool bias, DType dtype = DType::f32);
  /// Writes the file and opens it.
  TensorStore open();
  const std::filesystem::path& folder() const { return folder_.path(); }
  /// Normal values of deviation 1 that belong to no tensor.
  std::vector<float> values(int64_t count);

 private:
  std::mt19937 random_;
  TempDir folder_;
  std::string header_, data_;
};

/// A language model of one small layer, and its tensors as `dtype`.
LanguageSpec one_layer();
void add_layer(RandomTensors& random, const LanguageSpec& spec, DType dtype);

}  // namespace vila::testing
