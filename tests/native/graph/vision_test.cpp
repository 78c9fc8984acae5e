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

/// A tower whose pixels do not divide into patches: 23 = 3 * 7 + 2.
VisionSpec small_internvit() {
  VisionSpec spec;
  spec.kind = VisionSpec::Kind::internvit;
  spec.hidden = 48;
  spec.layers = spec.run_layers = 2;
  spec.heads = 3;
  spec.head_dim = 16;
  spec.intermediate = 80;
  spec.patch = 7;
  spec.image = 23;
  spec.activation = Activation::gelu_erf;
  spec.norm_eps = 1e-6;
  spec.drop_class_token = true;
  return spec;
}

void add_internvit(RandomTensors& random, const VisionSpec& s) {
  random.add("embeddings.class_embedding", {1, 1, s.hidden}, 0, 1);
  random.add("embeddings.patch_embedding.weight", {s.hidden, 3, s.patch, s.patch}, 0, 0.1F);
  random.add("embeddings.patch_embedding.bias", {s.hidden}, 0, 0.3F);
  random.add("embeddings.position_embedding", {1, s.grid() * s.grid() + 1, s.hidden}, 0, 0.3F);
  for (int64_t i = 0; i < s.layers; ++i) {
    const std::string layer = "encoder.layers." + std::to_string(i) + ".";
    random.norm(layer + "norm1", s.hidden, false);
    random.norm(layer + "norm2", s.hidden, false);
    random.linear(layer + "attn.qkv", s.hidden, 3 * s.hidden, false);
    random.norm(layer + "attn.q_norm", s.hidden, false);
    random.norm(layer + "attn.k_norm", s.hidden, false);
    random.linear(layer + "attn.proj", s.hidden, s.hidden, true);
    random.linear(layer + "mlp.fc1", s.hidden, s.intermediate, true);
    random.linear(layer + "mlp.fc2", s.intermediate, s.hidden, true);
    random.add(layer + "ls1", {s.hidden}, 0.5F, 0.3F);
    random.add(layer + "ls2", {s.hidden}, 0.5F, 0.3F);
  }
}

/// All tokens (class token first) of one crop, step by step.
Matrix slow_internvit(const reference::Weights& weights, const VisionSpec& s, const float* pixels) {
  const auto side = static_cast<size_t>(s.image), patch = static_cast<size_t>(s.patch), grid = static_cast<size_t>(s.grid());
  const auto hidden = static_cast<size_t>(s.hidden);
  Matrix patches(grid * grid, 3 * patch * patch);
  for (size_t t = 0; t < patches.rows; ++t) {
    for (size_t i = 0; i < patches.cols; ++i) {
      const size_t channel = i / (patch * patch), row = t / grid * patch + i / patch % patch, column = t % grid * patch + i % patch;
      patches[t][i] = pixels[(channel * side + row) * side + column];
    }
  }
  const Matrix embedded =
      reference::linear(patches, weights.get("embeddings.patch_embedding.weight"), &weights.get("embeddings.patch_embedding.bias"));
  Matrix x(embedded.rows + 1, hidden);
  x.v = weights.get("embeddings.class_embedding");
  x.v.insert(x.v.end(), embedded.v.begin(), embedded.v.end());
  const std::vector<float>& positions = weights.get("embeddings.position_embedding");
  for (size_t i = 0; i < x.v.size(); ++i) x.v[i] += positions[i];
  const auto scaled = [](Matrix m, const std::vector<float>& scale) {
    for (size_t i = 0; i < m.v.size(); ++i) m.v[i] *= scale[i % m.cols];
    return m;
  };
  for (int64_t i = 0; i < s.run_layers; ++i) {
    const std::string layer = "encoder.layers." + std::to_string(i) + ".";
    const auto norm = [&](const Matrix& m, const std::string& name) {
      return reference::rms_norm(m, weights.get(layer + name + ".weight"), s.norm_eps);
    };
    const auto apply = [&](const Matrix& m, const std::string& name) {
      return reference::linear(m, weights.get(layer + name + ".weight"), &weights.get(layer + name + ".bias"));
    };
    const Matrix qkv = reference::linear(norm(x, "norm1"), weights.get(layer + "attn.qkv.weight"), nullptr);
    Matrix parts[3];
    for (size_t part = 0; part < 3; ++part) {
      parts[part] = Matrix(x.rows, hidden);
      for (size_t t = 0; t < x.rows; ++t) std::copy_n(qkv[t] + part * hidden, hidden, parts[part][t]);
    }
    const auto heads = static_cast<size_t>(s.heads);
    const Matrix attended =
        reference::attention(norm(parts[0], "attn.q_norm"), norm(parts[1], "attn.k_norm"), parts[2], heads, heads, false);
    x = reference::add(x, scaled(apply(attended, "attn.proj"), weights.get(layer + "ls1")));
    const Matrix fed = apply(reference::activate("gelu", apply(norm(x, "norm2"), "mlp.fc1")), "mlp.fc2");
    x = reference::add(x, scaled(fed, weights.get(layer + "ls2")));
  }
  return x;
}

}  // namespace

TEST_CASE("the vision tower gives the golden features, one crop or several at a time") {
  for (const std::string name : {"vila15-llama3-siglip", "vila10-clip-linear"}) {
    CAPTURE(name);
    const auto folder = data("cases/" + name);
    const auto checkpoint = Checkpoint::open((folder / "model").string());
    const graph::Graph graph = graph::build_vision(*checkpoint, {});
    std::vector<float> all_pixels, all_features;
    std::vector<int64_t> pixel_shape, feature_shape;
    int64_t crops = 0;
    for (const auto& image : std::filesystem::directory_iterator(folder / "images")) {
      CAPTURE(image.path().string());
      const Npy pixels = read_npy(image.path() / "pixel_values.npy"), golden = read_npy(image.path() / "vision_features.npy");
      CHECK(max_abs_difference(run_graph(graph, pixels.shape, pixels.floats, golden.shape), golden.floats) < 1e-4);
      all_pixels.insert(all_pixels.end(), pixels.floats.begin(), pixels.floats.end());
      all_features.insert(all_features.end(), golden.floats.begin(), golden.floats.end());
      pixel_shape = pixels.shape;
      feature_shape = golden.shape;
      ++crops;
    }
    REQUIRE(crops == 8);
    pixel_shape[0] = feature_shape[0] = crops;
    CHECK(max_abs_difference(run_graph(graph, pixel_shape, all_pixels, feature_shape), all_features) < 1e-4);
  }
}

TEST_CASE("InternViT: q and k normalised over the whole width, scaled branches, class token kept or dropped") {
  VisionSpec spec = small_internvit();
  RandomTensors random(3);
  add_internvit(random, spec);
  const TensorStore store = random.open();
  const reference::Weights weights(random.folder());
  const int64_t crop = 3 * spec.image * spec.image;
  const std::vector<float> pixels = random.values(2 * crop);
  for (const bool drop : {true, false}) {
    for (const int64_t run_layers : {1, 2}) {
      CAPTURE(drop);
      CAPTURE(run_layers);
      spec.drop_class_token = drop;
      spec.run_layers = run_layers;
      std::vector<float> expected;
      for (int64_t i = 0; i < 2; ++i) {
        const Matrix tokens = slow_internvit(weights, spec, pixels.data() + i * crop);
        expected.insert(expected.end(), tokens.v.begin() + (drop ? spec.hidden : 0), tokens.v.end());
      }
      const std::vector<float> found =
          run_graph(graph::build_vision(spec, store, {}), {2, 3, spec.image, spec.image}, pixels, {2, spec.tokens(), spec.hidden});
      CHECK(max_abs_difference(found, expected) < 2e-5);
    }
  }
}
