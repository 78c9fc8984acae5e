// SPDX-License-Identifier: Apache-2.0
// How much memory a language model with packed weights takes. A process of its own, so that nothing else is counted.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>

#include "graph/builders.h"
#include "graph/packed_weights.h"
#include "graph/zero_checkpoint.h"
#include "plan/plan.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

TEST_CASE("4-bit weights stay at 4 bits: written with memory for a layer or two, loaded in a third of their fp16 size") {
  LanguageSpec spec = three_billion_cut_short();
  spec.vocab = 64;
  spec.packing = LanguageSpec::Packing::llm_awq_v2;
  spec.packing_group = 128;
  double fp16 = 0, largest = 0;  // MiB
  for (int64_t i = 0; i < spec.layers; ++i) {
    for (const LinearLayer& layer : block_linears(spec, i)) {
      const double size = static_cast<double>(layer.out * layer.in) * 2 / kMebibyte;
      fp16 += size;
      largest = std::max(largest, size);
    }
  }
  const TempDir folder;
  write_zeros(tensors_of(spec, DType::f16), folder / "model.safetensors");
  TensorStore store;
  store.add_folder(folder.path().string());
  const std::filesystem::path path = folder / "packed.safetensors";
  double written = 0;
  {
    // Pages of mapped files come and go as the system likes: what counts is what was allocated.
    const double before = memory_status("RssAnon");
    std::ofstream file(path, std::ios::binary);
    const auto write = [&](const void* data, size_t size) {
      file.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
      written = std::max(written, memory_status("RssAnon") - before);
    };
    const graph::WeightsPieces pieces = graph::packed_pieces(spec, store);
    for (size_t piece = 0; piece < pieces.count; ++piece) pieces.write(piece, write);
    file << std::string(16, '\0');
    REQUIRE(file.flush().good());
  }
  CHECK(written < largest);  // the codes of the largest layer are a quarter of its fp16 size
  const graph::PackedWeights packed(path.string(), spec.packing_group);
  const double before = memory_status("VmRSS");
  reset_memory_peak();
  plan::CompileOptions options;
  options.threads = 2;
  const auto plan =
      plan::onnxruntime_backend()->compile(graph::serialize(graph::build_language(spec, store, {}, &packed)), "language", options);
  const double loaded = memory_status("VmRSS") - before, peak = memory_status("VmHWM") - before;
  CHECK(loaded > 0.24 * fp16);  // the codes alone are a quarter
  CHECK(loaded < 0.4 * fp16);
  CHECK(peak < 0.5 * fp16);
  MESSAGE("fp16 weights ", fp16, " MiB: writing allocated ", written, " MiB, loaded ", loaded, " MiB, peak ", peak, " MiB");
}
