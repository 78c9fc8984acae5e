// SPDX-License-Identifier: Apache-2.0
// How much memory a loaded language model takes. A process of its own, so that nothing else is counted.
#include <doctest/doctest.h>

#include "graph/builders.h"
#include "graph/zero_checkpoint.h"
#include "plan/plan.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

TEST_CASE("a loaded model of more than 1 GiB takes less than 1.3 times its fp32 weights, also at its peak") {
  const LanguageSpec spec = three_billion_cut_short();
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const std::string type = name_of(dtype);
    CAPTURE(type);
    const TempDir folder;
    write_zeros(tensors_of(spec, dtype), folder / "model.safetensors");
    const double before = memory_status("VmRSS");
    reset_memory_peak();
    TensorStore store;
    store.add_folder(folder.path().string());
    double weights = 0;
    for (const auto& [name, tensor] : store.all()) weights += static_cast<double>(tensor.elements()) * 4 / kMebibyte;
    REQUIRE(weights > 1024);
    plan::CompileOptions options;
    options.threads = 2;
    const auto plan =
        plan::onnxruntime_backend()->compile(graph::serialize(graph::build_language(spec, store, {})), "language", options);
    const double loaded = memory_status("VmRSS") - before, peak = memory_status("VmHWM") - before;
    CHECK(loaded > 0.9 * weights);  // the weights were really read
    CHECK(peak < 1.3 * weights);
    MESSAGE(type, ": fp32 weights ", weights, " MiB, loaded ", loaded, " MiB, peak ", peak, " MiB");
  }
}
