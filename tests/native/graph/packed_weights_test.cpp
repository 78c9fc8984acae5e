// SPDX-License-Identifier: Apache-2.0
// Packed layers in the form of the plan, and what ONNX Runtime computes with them.
#include "graph/packed_weights.h"

#include <doctest/doctest.h>

#include <map>

#include "checkpoint/needed_tensors.h"
#include "common/error.h"
#include "graph/cpu_dialect.h"
#include "graph/run_graph.h"
#include "support/awq_packer.h"
#include "support/npy.h"
#include "support/weights_bytes.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

struct Case {
  LanguageSpec::Packing packing;
  AwqPacking packer;
  int64_t group, hidden, intermediate;
};
// Odd and even counts of groups.
const Case kCases[] = {{LanguageSpec::Packing::llm_awq_v2, AwqPacking::llm_awq_v2, 128, 384, 640},
                       {LanguageSpec::Packing::llm_awq_v2, AwqPacking::llm_awq_v2, 64, 192, 64},
                       {LanguageSpec::Packing::llm_awq_v2, AwqPacking::llm_awq_v2, 32, 64, 192},
                       {LanguageSpec::Packing::llm_awq_v1, AwqPacking::llm_awq_v1, 128, 128, 384},
                       {LanguageSpec::Packing::llm_awq_v1, AwqPacking::llm_awq_v1, 32, 96, 160},
                       {LanguageSpec::Packing::awq_gemm, AwqPacking::awq_gemm, 128, 256, 384},
                       {LanguageSpec::Packing::awq_gemm, AwqPacking::awq_gemm, 64, 64, 320}};

LanguageSpec spec_of(const Case& c) {
  LanguageSpec spec;
  spec.hidden = c.hidden, spec.intermediate = c.intermediate, spec.layers = 1;
  spec.heads = 4, spec.kv_heads = 2, spec.head_dim = c.hidden / 4;
  spec.packing = c.packing, spec.packing_group = c.group;
  return spec;
}

/// The file of `matrices` (by layer) as the plan cache would leave it.
std::filesystem::path write_packed(const TempDir& folder, const Case& c, const std::map<std::string, AwqMatrix>& matrices) {
  std::vector<FileTensor> tensors;
  for (const auto& [layer, matrix] : matrices) {
    for (const FileTensor& tensor : pack_awq(layer, c.packer, matrix)) tensors.push_back(tensor);
  }
  write_safetensors(folder / "model.safetensors", tensors);
  TensorStore store;
  store.add_folder(folder.path().string());
  const graph::WeightsPieces pieces = graph::packed_pieces(spec_of(c), store);
  CHECK(pieces.count == 1 + 7);
  write_file(folder / "packed.safetensors", bytes_of(pieces) + std::string(16, 'c'));
  return folder / "packed.safetensors";
}

std::map<std::string, AwqMatrix> random_matrices(const Case& c) {
  std::map<std::string, AwqMatrix> matrices;
  for (const LinearLayer& layer : block_linears(spec_of(c), 0)) {
    matrices.emplace(layer.name, random_awq(layer.out, layer.in, c.group, matrices.size() + 5));
  }
  return matrices;
}

/// x by one packed layer, plus `bias` unless empty.
std::vector<float> product(const graph::PackedLinear& linear, const std::vector<float>& x, int64_t rows, const TensorRef* bias) {
  graph::CpuDialect dialect("product");
  const graph::Value input = dialect.input("x", DType::f32, {"rows", linear.in});
  dialect.output(dialect.linear(input, linear, bias), "y", DType::f32, {"rows", linear.out});
  return run_graph(dialect.finish(), {rows, linear.in}, x, {rows, linear.out});
}

std::vector<float> values(size_t count, uint32_t state) {
  std::vector<float> x(count);
  for (float& value : x)
    value = static_cast<float>((state = state * 1664525U + 1013904223U) >> 8) / static_cast<float>(1 << 23) - 1.0F;
  return x;
}

}  // namespace

TEST_CASE("a packed layer computes what its formula says: one row and many, odd counts of groups, zeros between codes") {
  for (const Case& c : kCases) {
    CAPTURE(static_cast<int>(c.packing));
    CAPTURE(c.group);
    const TempDir folder;
    const auto matrices = random_matrices(c);
    const graph::PackedWeights packed(write_packed(folder, c, matrices).string(), c.group);
    write_safetensors(folder / "bias.safetensors",
                      {float_tensor("bias", DType::f16, {c.hidden}, values(static_cast<size_t>(c.hidden), 3))});
    TensorStore biases;
    biases.add_file((folder / "bias.safetensors").string());
    for (const LinearLayer& layer : block_linears(spec_of(c), 0)) {
      CAPTURE(layer.name);
      REQUIRE(packed.contains(layer.name));
      const AwqMatrix& matrix = matrices.at(layer.name);
      const std::vector<float> weights = awq_weights(c.packer, matrix);
      const TensorRef* bias = layer.out == c.hidden ? &biases.get("bias") : nullptr;
      const std::vector<float> offsets = bias != nullptr ? bias->to_float() : std::vector<float>(weights.size());
      for (const int64_t rows : {int64_t{1}, int64_t{9}}) {
        const std::vector<float> x = values(static_cast<size_t>(rows * layer.in), 17);
        std::vector<float> wanted;
        for (int64_t r = 0; r < rows; ++r) {
          for (int64_t n = 0; n < layer.out; ++n) {
            double sum = static_cast<double>(offsets[static_cast<size_t>(n)]);
            for (int64_t k = 0; k < layer.in; ++k) {
              sum += static_cast<double>(x[static_cast<size_t>(r * layer.in + k)]) *
                     static_cast<double>(weights[static_cast<size_t>(n * layer.in + k)]);
            }
            wanted.push_back(static_cast<float>(sum));
          }
        }
        CHECK(max_abs_difference(product(packed.get(layer.name, layer.out, layer.in), x, rows, bias), wanted) < 1e-5);
      }
    }
  }
}

TEST_CASE("every tensor of the file is aligned, and corrections are there only where a zero is between two codes") {
  Case c = kCases[2];
  auto matrices = random_matrices(c);
  const std::string exact = "model.layers.0.mlp.up_proj";
  AwqMatrix& matrix = matrices.at(exact);
  for (size_t i = 0; i < matrix.scales.size(); ++i) {
    matrix.scales[i] = 0.03125F;  // times any code it is exact in fp16
    matrix.scaled_zeros[i] = -0.03125F * static_cast<float>(matrix.zeros[i]);
  }
  const TempDir folder;
  const std::string path = write_packed(folder, c, matrices).string();
  TensorStore store;
  store.add_file(path);
  for (const auto& [name, tensor] : store.all()) {
    CAPTURE(name);
    if (!name.starts_with("padding.")) CHECK(tensor.offset % 64 == 0);
  }
  CHECK(store.get("checksum", {16}).offset + 16 == std::filesystem::file_size(path));
  const graph::PackedWeights packed(path, c.group);
  const LanguageSpec spec = spec_of(c);
  for (const LinearLayer& layer : block_linears(spec, 0)) {
    CHECK((packed.get(layer.name, layer.out, layer.in).corrections == nullptr) == (layer.name == exact));
  }
  CHECK_FALSE(packed.contains("model.layers.1.mlp.up_proj"));
  CHECK(error_of([&] { packed.get(exact, spec.intermediate, 2 * spec.hidden); }) ==
        "4:" + path + ": tensor " + exact + ".codes has shape [192,2,16], expected [192,4,16]");
}

TEST_CASE("layers that are not packed are left out of the file") {
  const Case c = kCases[5];
  LanguageSpec spec = spec_of(c);
  const std::string plain = "model.layers.0.mlp.down_proj";
  spec.plain_linears.insert(plain);
  auto matrices = random_matrices(c);
  matrices.erase(plain);
  const TempDir folder;
  std::vector<FileTensor> tensors;
  for (const auto& [layer, matrix] : matrices) {
    for (const FileTensor& tensor : pack_awq(layer, c.packer, matrix)) tensors.push_back(tensor);
  }
  write_safetensors(folder / "model.safetensors", tensors);
  TensorStore store;
  store.add_folder(folder.path().string());
  write_file(folder / "packed.safetensors", bytes_of(graph::packed_pieces(spec, store)) + std::string(16, '\0'));
  const graph::PackedWeights packed((folder / "packed.safetensors").string(), c.group);
  CHECK(packed.contains("model.layers.0.mlp.up_proj"));
  CHECK_FALSE(packed.contains(plain));
}
