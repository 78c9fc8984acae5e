// SPDX-License-Identifier: Apache-2.0
// How much memory it takes to round a language model's weights and to measure what that changes. A process of its own, so that nothing
// else is counted.
#include <doctest/doctest.h>

#include <algorithm>

#include "graph/quantized_weights.h"
#include "graph/zero_checkpoint.h"
#include "session/rounding_noise.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

/// A model in fp16 whose weights take far more than what may be held of them at once.
struct Checkpoint16 {
  Checkpoint16() {
    spec.layers = 2;
    std::vector<ZeroTensor> tensors = tensors_of(spec, DType::f16);
    tensors.push_back({tensor_names::embed_tokens(spec), DType::f16, {spec.vocab, spec.hidden}});
    write_zeros(tensors, folder / "model.safetensors");
    store.add_folder(folder.path().string());
    for (int64_t i = 0; i < spec.layers; ++i) {
      for (const LinearLayer& layer : block_linears(spec, i)) {
        const double size = static_cast<double>(layer.out * layer.in) * 2 / kMebibyte;
        weights += size;
        largest = std::max(largest, size);
      }
    }
  }
  LanguageSpec spec = three_billion_cut_short();
  TempDir folder;
  TensorStore store;
  double weights = 0, largest = 0;  ///< MiB of the blocks' linear layers, of the largest of them
};

}  // namespace

TEST_CASE("rounding weights takes memory for a layer, not for all that are read and written") {
  for (const int32_t bits : {8, 4}) {
    const Checkpoint16 checkpoint;
    std::vector<graph::QuantizedLayer> layers;
    for (int64_t i = 0; i < checkpoint.spec.layers; ++i) {
      for (const LinearLayer& layer : block_linears(checkpoint.spec, i))
        layers.push_back(graph::rounded_layer({layer.name, layer.out, layer.in}, bits));
    }
    const double before = memory_status("VmRSS");
    reset_memory_peak();
    size_t written = 0;
    const graph::WeightsPieces pieces = graph::quantized_pieces(layers, checkpoint.store);
    for (size_t piece = 0; piece < pieces.count; ++piece) pieces.write(piece, [&](const void*, size_t size) { written += size; });
    const double peak = memory_status("VmHWM") - before, left = memory_status("VmRSS") - before;
    const double packed = checkpoint.largest * (bits + 0.5) / 16;
    CHECK(static_cast<double>(written) / kMebibyte > checkpoint.weights * (bits + 0.5) / 16);
    // One packed layer, what the allocator keeps of one before it, and pages that are being read.
    CHECK(peak < 1.5 * checkpoint.largest);
    CHECK(left < checkpoint.largest);
    MESSAGE(bits, " bits, largest layer ", checkpoint.largest, " MiB, packed ", packed, " MiB: peak ", peak, " MiB, left ", left, " MiB");
  }
}

TEST_CASE("measuring what 4 bits change takes memory for activations, not for weights") {
  const Checkpoint16 checkpoint;
  const double before = memory_status("VmRSS");
  reset_memory_peak();
  const std::vector<LayerNoise> noise = rounding_noise(checkpoint.spec, checkpoint.store, [](double) {});
  const double peak = memory_status("VmHWM") - before, left = memory_status("VmRSS") - before;
  CHECK(noise.size() == static_cast<size_t>(7 * checkpoint.spec.layers));
  CHECK(peak < checkpoint.weights / 3);
  CHECK(left < checkpoint.largest);
  MESSAGE("weights ", checkpoint.weights, " MiB, largest layer ", checkpoint.largest, " MiB: peak ", peak, " MiB, left ", left, " MiB");
}
