// SPDX-License-Identifier: Apache-2.0
// How much memory a loaded language model takes. A process of its own, so that nothing else is counted.
#include <doctest/doctest.h>

#include <cstring>
#include <fstream>
#include <utility>
#include <vector>

#include "checkpoint/tensor_names.h"
#include "common/error.h"
#include "graph/builders.h"
#include "plan/plan.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

constexpr double kMebibyte = 1 << 20;

/// A line of /proc/self/status ("VmRSS", "VmHWM") in MiB.
double status(const std::string& key) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key + ":")) return std::stod(line.substr(key.size() + 1)) / 1024;
  }
  return 0;
}

/// Makes the highest RSS so far (VmHWM) the present one.
void reset_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

LanguageSpec three_billion_cut_short() {
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

/// Weights of zeros in a sparse file, which takes no room on disk but as much memory as any other once it is read. The first value
/// of each tensor is its own number, because ONNX Runtime keeps packed weights of equal content only once.
void write_checkpoint(const LanguageSpec& spec, DType dtype, const std::filesystem::path& path) {
  std::vector<std::pair<std::string, std::vector<int64_t>>> tensors{{"model.norm.weight", {spec.hidden}},
                                                                    {"lm_head.weight", {spec.vocab, spec.hidden}}};
  for (int64_t i = 0; i < spec.layers; ++i) {
    const std::string layer = tensor_names::language_layer(spec, i);
    for (const char* name : {"input_layernorm", "post_attention_layernorm"})
      tensors.push_back({layer + name + ".weight", {spec.hidden}});
    for (const char* name : {"q_proj", "k_proj", "v_proj", "o_proj"}) {
      tensors.push_back({layer + "self_attn." + name + ".weight", {spec.hidden, spec.hidden}});
    }
    for (const char* name : {"gate_proj", "up_proj"}) {
      tensors.push_back({layer + "mlp." + name + ".weight", {spec.intermediate, spec.hidden}});
    }
    tensors.push_back({layer + "mlp.down_proj.weight", {spec.hidden, spec.intermediate}});
  }
  std::string header;
  uint64_t end = 0;
  std::vector<uint64_t> begins;
  for (const auto& [name, shape] : tensors) {
    uint64_t bytes = size_of(dtype);
    std::string dims;
    for (const int64_t dim : shape) {
      bytes *= static_cast<uint64_t>(dim);
      dims += join(dims.empty() ? "" : ",", dim);
    }
    header += join(header.empty() ? "{" : ",", '"', name, R"(":{"dtype":")", dtype == DType::f32 ? "F32" : "BF16", R"(","shape":[)",
                   dims, R"(],"data_offsets":[)", end, ',', end + bytes, "]}");
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
    const float number = static_cast<float>(i + 1);  // Its upper half is the same number in bf16.
    file.seekp(static_cast<std::streamoff>(8 + size + begins[i]));
    file.write(reinterpret_cast<const char*>(&number) + (sizeof(number) - size_of(dtype)),
               static_cast<std::streamsize>(size_of(dtype)));
  }
  REQUIRE(file.good());
}

}  // namespace

TEST_CASE("a loaded model of more than 1 GiB takes less than 1.3 times its fp32 weights, also at its peak") {
  const LanguageSpec spec = three_billion_cut_short();
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const std::string type = name_of(dtype);
    CAPTURE(type);
    const TempDir folder;
    write_checkpoint(spec, dtype, folder / "model.safetensors");
    const double before = status("VmRSS");
    reset_peak();
    TensorStore store;
    store.add_folder(folder.path().string());
    double weights = 0;
    for (const auto& [name, tensor] : store.all()) weights += static_cast<double>(tensor.elements()) * 4 / kMebibyte;
    REQUIRE(weights > 1024);
    plan::CompileOptions options;
    options.threads = 2;
    const auto plan =
        plan::onnxruntime_backend()->compile(graph::serialize(graph::build_language(spec, store, {})), "language", options);
    const double loaded = status("VmRSS") - before, peak = status("VmHWM") - before;
    CHECK(loaded > 0.9 * weights);  // the weights were really read
    CHECK(peak < 1.3 * weights);
    MESSAGE(type, ": fp32 weights ", weights, " MiB, loaded ", loaded, " MiB, peak ", peak, " MiB");
  }
}
