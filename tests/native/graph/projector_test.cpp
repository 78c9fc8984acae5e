// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "graph/builders.h"
#include "graph/random_tensors.h"
#include "graph/run_graph.h"
#include "reference/forward.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
using reference::Matrix;

namespace {

using Layer = ProjectorSpec::Layer;

/// The merge of section "downsample" written out cell by cell: token t holds the cells of its window, window rows first.
Matrix slow_merge(const Matrix& x, size_t side, size_t window, bool column_major) {
  const size_t n = (side + window - 1) / window;
  Matrix y(n * n, window * window * x.cols);
  for (size_t t = 0; t < n * n; ++t) {
    const size_t row = column_major ? t % n : t / n, column = column_major ? t / n : t % n;
    for (size_t u = 0; u < window; ++u) {
      for (size_t v = 0; v < window; ++v) {
        const size_t r = row * window + u, c = column * window + v;
        for (size_t channel = 0; channel < x.cols; ++channel) {
          y[t][(u * window + v) * x.cols + channel] = r < side && c < side ? x[r * side + c][channel] : 0.0F;
        }
      }
    }
  }
  return y;
}

}  // namespace

TEST_CASE("the projector gives the golden image tokens") {
  for (const std::string name : {"vila15-llama3-siglip", "vila10-clip-linear"}) {
    const auto folder = data("cases/" + name);
    const auto checkpoint = Checkpoint::open((folder / "model").string());
    const graph::Graph graph = graph::build_projector(*checkpoint, {});
    for (const auto& image : std::filesystem::directory_iterator(folder / "images")) {
      CAPTURE(image.path().string());
      const Npy features = read_npy(image.path() / "vision_features.npy"), golden = read_npy(image.path() / "projected.npy");
      CHECK(max_abs_difference(run_graph(graph, features.shape, features.floats, golden.shape), golden.floats) < 1e-4);
    }
  }
}

TEST_CASE("windows are merged in the order of the spec, with zeros at bottom and right") {
  constexpr int64_t kChannels = 3, kBlocks = 2;
  for (const int64_t window : {2, 3}) {
    for (int64_t side = 1; side <= 9; ++side) {
      for (const bool column_major : {false, true}) {
        CAPTURE(window);
        CAPTURE(side);
        CAPTURE(column_major);
        ProjectorSpec spec;
        spec.kind = ProjectorSpec::Kind::downsample;
        spec.input = kChannels;
        spec.output = window * window * kChannels;
        spec.window = window;
        spec.column_major = column_major;
        RandomTensors random(static_cast<unsigned>(side));
        const int64_t tokens = side * side, n = (side + window - 1) / window;
        const std::vector<float> features = random.values(kBlocks * tokens * kChannels);
        const std::vector<float> merged = run_graph(graph::build_projector(spec, tokens, TensorStore(), {}),
                                                    {kBlocks, tokens, kChannels}, features, {kBlocks, n * n, spec.output});
        std::vector<float> expected;
        for (int64_t block = 0; block < kBlocks; ++block) {
          Matrix x(static_cast<size_t>(tokens), kChannels);
          std::copy_n(features.begin() + block * tokens * kChannels, tokens * kChannels, x.v.begin());
          const Matrix y = slow_merge(x, static_cast<size_t>(side), static_cast<size_t>(window), column_major);
          expected.insert(expected.end(), y.v.begin(), y.v.end());
        }
        CHECK(merged == expected);
      }
    }
  }
}

TEST_CASE("zeros that complete an odd map take part in the LayerNorm, and layers run in the order of the spec") {
  constexpr int64_t kSide = 5, kChannels = 8, kWide = 9 * kChannels, kMiddle = 24, kOutput = 16;
  ProjectorSpec spec;
  spec.kind = ProjectorSpec::Kind::downsample;
  spec.type = "mlp_downsample_3x3_fix";
  spec.input = kChannels;
  spec.output = kOutput;
  spec.window = 3;
  spec.layers = {{Layer::Kind::layer_norm, "layers.1", kWide, kWide},
                 {Layer::Kind::linear, "layers.2", kWide, kMiddle},
                 {Layer::Kind::gelu, "", 0, 0},
                 {Layer::Kind::layer_norm, "layers.4", kMiddle, kMiddle},
                 {Layer::Kind::linear, "layers.5", kMiddle, kOutput},
                 {Layer::Kind::gelu, "", 0, 0},
                 {Layer::Kind::linear, "layers.7", kOutput, kOutput}};
  RandomTensors random(7);
  random.norm("layers.1", kWide, true, DType::bf16);
  random.linear("layers.2", kWide, kMiddle, true, DType::f16);
  random.norm("layers.4", kMiddle, true);
  random.linear("layers.5", kMiddle, kOutput, true);
  random.linear("layers.7", kOutput, kOutput, true);
  const TensorStore store = random.open();
  Matrix x(kSide * kSide, kChannels);
  x.v = random.values(kSide * kSide * kChannels);
  const std::vector<float> found =
      run_graph(graph::build_projector(spec, kSide * kSide, store, {}), {1, kSide * kSide, kChannels}, x.v, {1, 4, kOutput});

  const reference::Weights weights(random.folder());
  const auto norm = [&](const Matrix& m, const std::string& name) {
    return reference::layer_norm(m, weights.get(name + ".weight"), weights.get(name + ".bias"), 1e-5);
  };
  const auto apply = [&](const Matrix& m, const std::string& name) {
    return reference::linear(m, weights.get(name + ".weight"), &weights.get(name + ".bias"));
  };
  Matrix y = norm(slow_merge(x, kSide, 3, false), "layers.1");
  y = norm(reference::activate("gelu", apply(y, "layers.2")), "layers.4");
  y = apply(reference::activate("gelu", apply(y, "layers.5")), "layers.7");
  CHECK(max_abs_difference(found, y.v) < 2e-5);
}

TEST_CASE("a map that is not square cannot be merged") {
  ProjectorSpec spec;
  spec.kind = ProjectorSpec::Kind::downsample;
  spec.type = "mlp_downsample";
  spec.input = spec.output = 4;
  spec.window = 2;
  CHECK(error_of([&] { graph::build_projector(spec, 10, TensorStore(), {}); }) ==
        "5:projector mlp_downsample: 10 features, expected a square number");
}
