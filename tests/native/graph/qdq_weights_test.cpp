// SPDX-License-Identifier: Apache-2.0
// Weights in the form of explicit quantisation, and what ONNX Runtime computes with them.
#include "graph/qdq_weights.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "common/error.h"
#include "common/rounding.h"
#include "graph/builders.h"
#include "graph/run_graph.h"
#include "graph/tensorrt_dialect.h"
#include "support/awq_packer.h"
#include "support/npy.h"
#include "support/weights_bytes.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
using graph::QdqFormat;
using graph::QdqLayer;

namespace {

constexpr int64_t kIn = 192, kOut = 48;
const std::string kLayer = "layer";

std::vector<float> random_values(int64_t count, float deviation, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(normal(random));
  return values;
}

/// Tensors in a file of their own, as a checkpoint's store.
TensorStore store_of(const TempDir& folder, const std::vector<FileTensor>& tensors) {
  write_safetensors(folder / "model.safetensors", tensors);
  TensorStore store;
  store.add_folder(folder.path().string());
  return store;
}

/// The file of these layers, opened.
graph::QdqWeights written(const TempDir& folder, const TensorStore& store, const std::vector<QdqLayer>& layers, DType compute) {
  const graph::WeightsPieces pieces = graph::qdq_pieces(layers, store, compute);
  CHECK(pieces.count == layers.size() + 1);
  write_file(folder / "qdq.safetensors", bytes_of(pieces) + std::string(16, 'c'));
  return graph::QdqWeights((folder / "qdq.safetensors").string());
}

/// What a layer stands for, [out, in], by the formula of QdqLinear.
std::vector<float> meaning(const graph::QdqLinear& linear) {
  const std::vector<float> scales = linear.scales->to_float();
  const std::vector<float> corrections = linear.corrections == nullptr ? std::vector<float>() : linear.corrections->to_float();
  std::vector<float> weights;
  for (int64_t n = 0; n < linear.out; ++n) {
    for (int64_t k = 0; k < linear.in; ++k) {
      const auto at = static_cast<size_t>(k * linear.out + n);
      const uint8_t* codes = linear.codes->data();
      if (linear.format == QdqFormat::int4) {
        const int half = codes[at / 2] >> (at % 2 == 0 ? 0 : 4) & 0xF;
        const auto block = static_cast<size_t>(k / linear.block * linear.out + n);
        const float code = static_cast<float>(half < 8 ? half : half - 16);
        weights.push_back(scales[block] * code + (corrections.empty() ? 0.0F : corrections[block]));
      } else {
        const float code = linear.format == QdqFormat::fp8 ? f8e4m3_to_f32(codes[at]) : static_cast<float>(static_cast<int8_t>(codes[at]));
        weights.push_back(scales[static_cast<size_t>(n)] * code);
      }
    }
  }
  return weights;
}

/// x [rows, in] by the layer, as ONNX Runtime computes the fp32 graph.
std::vector<float> product(const graph::QdqLinear& linear, const std::vector<float>& x, const TensorRef* bias) {
  const auto rows = static_cast<int64_t>(x.size()) / linear.in;
  graph::TensorRtDialect dialect("product", DType::f32, {});
  const graph::Value input = dialect.input("x", DType::f32, {"rows", linear.in});
  dialect.output(dialect.linear(input, linear, bias), "y", DType::f32, {"rows", linear.out});
  return run_graph(dialect.finish(), {rows, linear.in}, x, {rows, linear.out});
}

/// The same, step by step; activations are rounded as the format says.
std::vector<float> slow_product(const graph::QdqLinear& linear, const std::vector<float>& x, const std::vector<float>& bias) {
  const std::vector<float> weights = meaning(linear);
  const auto in = static_cast<size_t>(linear.in), out = static_cast<size_t>(linear.out);
  std::vector<float> y;
  for (size_t row = 0; row < x.size() / in; ++row) {
    std::vector<float> rounded(x.begin() + static_cast<std::ptrdiff_t>(row * in), x.begin() + static_cast<std::ptrdiff_t>((row + 1) * in));
    if (linear.format != QdqFormat::int4) {
      const bool fp8 = linear.format == QdqFormat::fp8;
      float largest = 6.103515625e-5F;
      for (const float value : rounded) largest = std::max(largest, std::fabs(value));
      const float step = 1 / (fp8 ? 448.0F : 127.0F);
      for (float& value : rounded) {
        const float steps = value / largest / step;
        value = (fp8 ? f8e4m3_to_f32(to_f8e4m3(steps)) : std::nearbyint(steps)) * step * largest;
      }
    }
    for (size_t n = 0; n < out; ++n) {
      double sum = bias.empty() ? 0 : bias[n];
      for (size_t k = 0; k < in; ++k) sum += double{rounded[k]} * weights[n * in + k];
      y.push_back(static_cast<float>(sum));
    }
  }
  return y;
}

double root_mean_square(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

}  // namespace

TEST_CASE("QDQ weights: the file's tensors, the rounding error of each format, products with and without bias") {
  // Root mean square errors of normal weights of deviation 1: the largest of 192 is about 2.8, of 64 about 2.4.
  const struct {
    QdqFormat format;
    double error;
    const char* dtype;
  } cases[] = {{QdqFormat::int8, 0.008, "int8"}, {QdqFormat::fp8, 0.027, "uint8"}, {QdqFormat::int4, 0.11, "uint8"}};
  const std::vector<float> weights = random_values(kOut * kIn, 1, 1), bias = random_values(kOut, 1, 2);
  std::vector<float> x = random_values(5 * kIn, 1, 3);
  for (size_t k = 0; k < kIn; ++k) x[kIn + k] *= 1000, x[2 * kIn + k] = 0;  // one row of large activations, one of none
  for (const auto& c : cases) {
    for (const DType compute : {DType::f32, DType::f16, DType::bf16}) {
      CAPTURE(graph::name_of(c.format));
      CAPTURE(name_of(compute));
      const TempDir folder;
      const TensorStore store = store_of(folder, {float_tensor(kLayer + ".weight", DType::f32, {kOut, kIn}, weights),
                                                  float_tensor(kLayer + ".bias", DType::f32, {kOut}, bias)});
      const graph::QdqWeights file = written(folder, store, {{kLayer, kOut, kIn, c.format}}, compute);
      REQUIRE(file.contains(kLayer));
      CHECK(!file.contains("other"));
      const graph::QdqLinear linear = file.get(kLayer, kOut, kIn);
      CHECK(linear.format == c.format);
      CHECK(linear.codes->name == join(kLayer, ".", graph::name_of(c.format)));
      CHECK(std::string(name_of(linear.codes->dtype)) == c.dtype);
      CHECK(linear.codes->offset % 64 == 0);
      CHECK(linear.scales->dtype == compute);
      CHECK(linear.corrections == nullptr);
      CHECK(linear.block == (c.format == QdqFormat::int4 ? 64 : 0));
      for (const float scale : linear.scales->to_float()) CHECK(scale > 0);
      const double error = root_mean_square(meaning(linear), weights);
      CHECK(error < c.error);
      CHECK(error > c.error / 2);
      if (compute != DType::f32) continue;
      // Codes on the edge between two steps may fall to either side.
      const double tolerance = c.format == QdqFormat::int4 ? 2e-6 : 1e-3;
      for (const bool with_bias : {false, true}) {
        const std::vector<float> found = product(linear, x, with_bias ? &store.get(kLayer + ".bias") : nullptr);
        const std::vector<float> wanted = slow_product(linear, x, with_bias ? bias : std::vector<float>());
        for (size_t row = 0; row < 5; ++row) {
          const auto part = [&](const std::vector<float>& y) {
            return std::vector<float>(y.begin() + static_cast<std::ptrdiff_t>(row * kOut), y.begin() + static_cast<std::ptrdiff_t>((row + 1) * kOut));
          };
          CHECK(max_abs_difference(part(found), part(wanted)) < tolerance * (row == 1 ? 20000.0 : 20.0));
        }
      }
    }
  }
}

TEST_CASE("QDQ weights: blocks of 128, 64 or 32 inputs, the largest that divides") {
  for (const auto& [in, block] : std::vector<std::pair<int64_t, int64_t>>{{256, 128}, {192, 64}, {96, 32}}) {
    const TempDir folder;
    const TensorStore store = store_of(folder, {float_tensor(kLayer + ".weight", DType::bf16, {2, in}, random_values(2 * in, 1, 4))});
    const graph::QdqWeights file = written(folder, store, {{kLayer, 2, in, QdqFormat::int4}}, DType::f16);
    CHECK(file.get(kLayer, 2, in).block == block);
    CHECK(file.get(kLayer, 2, in).scales->shape == std::vector<int64_t>{in / block, 2});
  }
}

TEST_CASE("QDQ weights: zeros stay zeros, with a positive scale") {
  for (const QdqFormat format : {QdqFormat::int8, QdqFormat::fp8, QdqFormat::int4}) {
    const TempDir folder;
    const TensorStore store =
        store_of(folder, {float_tensor(kLayer + ".weight", DType::f32, {2, 64}, std::vector<float>(128, 0.0F))});
    const graph::QdqWeights file = written(folder, store, {{kLayer, 2, 64, format}}, DType::f16);
    const graph::QdqLinear linear = file.get(kLayer, 2, 64);
    CHECK(linear.scales->to_float() == std::vector<float>{1, 1});
    CHECK(meaning(linear) == std::vector<float>(128, 0.0F));
  }
}

TEST_CASE("QDQ weights: packed layers keep their numbers, whatever their zero points") {
  const std::pair<LanguageSpec::Packing, AwqPacking> packings[] = {{LanguageSpec::Packing::llm_awq_v2, AwqPacking::llm_awq_v2},
                                                                   {LanguageSpec::Packing::llm_awq_v1, AwqPacking::llm_awq_v1},
                                                                   {LanguageSpec::Packing::awq_gemm, AwqPacking::awq_gemm}};
  for (const auto& [packing, packer] : packings) {
    for (const int64_t group : {32, 64, 128}) {
      CAPTURE(group);
      constexpr int64_t kPackedIn = 256, kPackedOut = 64;
      AwqMatrix matrix = random_awq(kPackedOut, kPackedIn, group, 9);
      matrix.scales[1] = 0, matrix.scaled_zeros[1] = 0.25F;  // a block of equal weights
      matrix.scales[2] = -matrix.scales[2], matrix.scaled_zeros[2] = -matrix.scaled_zeros[2];
      const TempDir folder;
      const TensorStore store = store_of(folder, pack_awq(kLayer, packer, matrix));
      const graph::QdqWeights file =
          written(folder, store, {{kLayer, kPackedOut, kPackedIn, QdqFormat::int4, packing, group}}, DType::f32);
      const graph::QdqLinear linear = file.get(kLayer, kPackedOut, kPackedIn);
      CHECK(linear.block == group);
      for (const float scale : linear.scales->to_float()) CHECK(scale > 0);
      CHECK(max_abs_difference(meaning(linear), awq_weights(packer, matrix)) < 1e-6);
      const std::vector<float> x = random_values(3 * kPackedIn, 1, 5);
      CHECK(max_abs_difference(product(linear, x, nullptr), slow_product(linear, x, {})) < 2e-5);
    }
  }
}

TEST_CASE("QDQ layers: the decoder's blocks, packed ones as int4; towers and projectors not in int4") {
  LanguageSpec spec;
  spec.hidden = 64, spec.intermediate = 128, spec.layers = 2, spec.heads = 4, spec.kv_heads = 2, spec.head_dim = 16, spec.vocab = 100;
  CHECK(graph::qdq_layers(spec, std::nullopt).empty());
  const std::vector<QdqLayer> plain = graph::qdq_layers(spec, QdqFormat::fp8);
  REQUIRE(plain.size() == 14);
  for (const QdqLayer& layer : plain) {
    CHECK(layer.format == QdqFormat::fp8);
    CHECK(layer.packing == LanguageSpec::Packing::none);
    CHECK(layer.name.starts_with("model.layers."));
  }
  spec.packing = LanguageSpec::Packing::awq_gemm, spec.packing_group = 32;
  spec.plain_linears = {"model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj"};
  CHECK(graph::qdq_layers(spec, std::nullopt).size() == 12);
  for (const QdqLayer& layer : graph::qdq_layers(spec, QdqFormat::int8)) {
    const bool down = layer.name.ends_with("down_proj");
    CHECK(layer.format == (down ? QdqFormat::int8 : QdqFormat::int4));
    CHECK(layer.packing == (down ? LanguageSpec::Packing::none : LanguageSpec::Packing::awq_gemm));
    CHECK(layer.group == (down ? 0 : 32));
  }
  const std::vector<graph::LinearUse> uses = {{"fc1", 8, 4}, {"fc2", 4, 8}};
  CHECK(graph::qdq_layers(uses, QdqFormat::fp8).size() == 2);
  CHECK(graph::qdq_layers(uses, QdqFormat::fp8)[1].in == 8);
  CHECK(graph::qdq_layers(uses, QdqFormat::int4).empty());
  CHECK(graph::qdq_layers(uses, std::nullopt).empty());
}

TEST_CASE("QDQ weights: what cannot be stored is refused in one line") {
  const TempDir folder;
  std::vector<float> weights(3 * 48, 1.0F);
  weights[50] = std::nanf("");
  const TensorStore store = store_of(folder, {float_tensor(kLayer + ".weight", DType::f32, {3, 48}, weights),
                                              float_tensor("huge.weight", DType::f32, {2, 32}, std::vector<float>(64, 1e9F))});
  const std::string file = (folder / "model.safetensors").string();
  const auto refused = [&](const QdqLayer& layer) { return error_of([&] { written(folder, store, {layer}, DType::f16); }); };
  CHECK(refused({kLayer, 3, 48, QdqFormat::int4}) == "5:layer: 3 outputs, int4 needs an even number");
  CHECK(refused({kLayer, 2, 48, QdqFormat::int4}) == "5:layer: 48 inputs, int4 needs a multiple of 32");
  CHECK(refused({kLayer, 3, 48, QdqFormat::fp8}) == "1:" + file + ": tensor layer.weight: weights: nan at input 2, expected a finite number");
  CHECK(refused({"huge", 2, 32, QdqFormat::int8}) ==
        "1:" + file + ": tensor huge.weight: weights: 1e+09 is too large for a scale in fp16");
  const graph::QdqWeights good = written(folder, store, {{"huge", 2, 32, QdqFormat::int4}}, DType::f32);
  const std::string path = (folder / "qdq.safetensors").string();
  CHECK(error_of([&] { good.get("huge", 4, 32); }) == "4:" + path + ": tensor huge.int4 has shape [32,1], expected [32,2]");
}
