// SPDX-License-Identifier: Apache-2.0
// The TensorRT dialect in fp32, run by ONNX Runtime, against the CPU dialect: every graph of every family.
#include <doctest/doctest.h>

#include <optional>
#include <random>

#include "graph/builders.h"
#include "graph/plugin_operator.h"
#include "graph/qdq_weights.h"
#include "graph/run_graph.h"
#include "session/family_rows.h"
#include "support/npy.h"
#include "support/weights_bytes.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
namespace fs = std::filesystem;

namespace {

constexpr double kSame = 2e-5;       // between two ways of computing the same in float32
constexpr double kSamePacked = 1e-4;  // where sums of 4-bit products are taken in another order

std::vector<float> normal_values(int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(normal(random));
  return values;
}

/// A written checkpoint, and the files that each dialect wants beside its plans.
struct Opened {
  explicit Opened(const Row& row) {
    write_checkpoint(dir / "model", row.shape);
    row.change(dir / "model");
    if (row.store) row.store(dir / "model");
    checkpoint = Checkpoint::open((dir / "model").string());
    const LanguageSpec& spec = checkpoint->spec().language;
    if (spec.packing == LanguageSpec::Packing::none) return;
    const auto file = [&](const char* name, const graph::WeightsPieces& pieces) {
      write_file(dir / name, bytes_of(pieces) + std::string(16, '\0'));
      return (dir / name).string();
    };
    packed.emplace(file("packed.safetensors", graph::packed_pieces(spec, checkpoint->language())), spec.packing_group);
    qdq.emplace(
        file("qdq.safetensors", graph::qdq_pieces(graph::qdq_layers(spec, std::nullopt), checkpoint->language(), DType::f32)));
  }
  graph::BuildOptions tensorrt(graph::DecoderPhase phase = graph::DecoderPhase::prefill, int64_t capacity = 0) const {
    graph::BuildOptions options;
    options.dialect = graph::DialectKind::tensorrt;
    options.tensorrt.phase = phase;
    options.tensorrt.capacity = capacity;
    options.tensorrt.weights = qdq ? &*qdq : nullptr;
    return options;
  }
  double tolerance() const { return qdq ? kSamePacked : kSame; }

  TempDir dir;
  std::shared_ptr<const Checkpoint> checkpoint;
  std::optional<graph::PackedWeights> packed;
  std::optional<graph::QdqWeights> qdq;
};

/// Rows begin..end-1 of every sequence of x [batch, length, hidden].
std::vector<float> steps(const std::vector<float>& x, int64_t batch, int64_t hidden, int64_t begin, int64_t end) {
  const auto length = static_cast<int64_t>(x.size()) / (batch * hidden);
  std::vector<float> part;
  for (int64_t b = 0; b < batch; ++b) {
    const auto row = x.begin() + (b * length) * hidden;
    part.insert(part.end(), row + begin * hidden, row + end * hidden);
  }
  return part;
}

void check_vision(const Opened& opened) {
  const VisionSpec& spec = opened.checkpoint->spec().vision;
  constexpr int64_t kCrops = 2;
  const std::vector<int64_t> in{kCrops, 3, spec.image, spec.image}, out{kCrops, spec.tokens(), spec.hidden};
  const std::vector<float> pixels = normal_values(kCrops * 3 * spec.image * spec.image, 1);
  const std::vector<float> wanted = run_graph(graph::build_vision(*opened.checkpoint, {}), in, pixels, out);
  CHECK(max_abs_difference(run_graph(graph::build_vision(*opened.checkpoint, opened.tensorrt()), in, pixels, out), wanted) < kSame);
}

void check_projector(const Opened& opened) {
  const ModelSpec& spec = opened.checkpoint->spec();
  constexpr int64_t kBlocks = 2;
  const std::vector<int64_t> in{kBlocks, spec.projector_tokens(), spec.projector.input};
  const std::vector<int64_t> out{kBlocks, spec.tokens_per_image(), spec.projector.output};
  const std::vector<float> features = normal_values(kBlocks * in[1] * in[2], 2);
  const std::vector<float> wanted = run_graph(graph::build_projector(*opened.checkpoint, {}), in, features, out);
  const std::vector<float> found = run_graph(graph::build_projector(*opened.checkpoint, opened.tensorrt()), in, features, out);
  CHECK(max_abs_difference(found, wanted) < kSame);
}

/// A prompt in two chunks and then single positions, up to the last row of the cache.
void check_language(const Opened& opened, int64_t capacity) {
  const LanguageSpec& spec = opened.checkpoint->spec().language;
  const auto cpu = compile(graph::build_language(*opened.checkpoint, {}, opened.packed ? &*opened.packed : nullptr));
  const auto prefill = compile(graph::build_language(*opened.checkpoint, opened.tensorrt(graph::DecoderPhase::prefill, capacity)));
  const auto decode = compile(graph::build_language(*opened.checkpoint, opened.tensorrt(graph::DecoderPhase::decode, capacity)));
  const std::vector<float> x = normal_values(24 * spec.hidden, 3);
  Decoder wanted(spec, *cpu, 1, capacity);
  TensorRtDecoder found(spec, *prefill, *decode, 1, capacity);
  const std::pair<int64_t, int64_t> parts[] = {{0, 13}, {13, 21}, {21, 22}, {22, 23}, {23, 24}};
  for (const auto& [begin, end] : parts) {
    CAPTURE(begin);
    const std::vector<float> rows = steps(x, 1, spec.hidden, begin, end);
    CHECK(max_abs_difference(found.step(rows, end - begin, {begin}), wanted.step(rows, end - begin, {static_cast<int32_t>(begin)})) <
          opened.tolerance());
  }
  for (int64_t layer = 0; layer < spec.layers; ++layer) {
    std::vector<float> keys = wanted.keys(layer), values = wanted.values(layer);
    for (int64_t head = 0; head < spec.kv_heads; ++head) {
      for (int64_t i = 24 * spec.head_dim; i < capacity * spec.head_dim; ++i) {
        const auto at = static_cast<size_t>(head * capacity * spec.head_dim + i);
        keys[at] = values[at] = TensorRtDecoder::kUnwritten;
      }
    }
    CHECK(max_abs_difference(found.keys(layer), keys) < opened.tolerance());
    CHECK(max_abs_difference(found.values(layer), values) < opened.tolerance());
  }
}

/// The decode graph with the attention plugin, at every length up to the last row, as the one with Attention and a mask.
void check_plugin(const Opened& opened) {
  const LanguageSpec& spec = opened.checkpoint->spec().language;
  constexpr int64_t kCapacity = 9, kBatch = 2;
  graph::BuildOptions options = opened.tensorrt(graph::DecoderPhase::decode, kCapacity);
  const auto masked = compile(graph::build_language(*opened.checkpoint, options));
  options.tensorrt.attention_plugin = true;
  const auto plugin = compile_with_plugin(graph::build_language(*opened.checkpoint, options));
  TensorRtDecoder wanted(spec, *masked, *masked, kBatch, kCapacity), found(spec, *plugin, *plugin, kBatch, kCapacity);
  const std::vector<float> x = normal_values(kBatch * kCapacity * spec.hidden, 5);
  for (int64_t at = 0; at < kCapacity; ++at) {
    CAPTURE(at);
    const std::vector<float> rows = steps(x, kBatch, spec.hidden, at, at + 1);
    // Sequence 1 begins again at position 5.
    const std::vector<int64_t> past{at, at < 5 ? at : at - 5};
    CHECK(max_abs_difference(found.step(rows, 1, past), wanted.step(rows, 1, past)) < kSame);
  }
  for (int64_t layer = 0; layer < spec.layers; ++layer) {
    CHECK(max_abs_difference(found.keys(layer), wanted.keys(layer)) < kSame);
    CHECK(max_abs_difference(found.values(layer), wanted.values(layer)) < kSame);
  }
}

/// Two sequences of different lengths, decoded and then continued by a chunk in one batch, as each alone.
void check_batch(const Opened& opened) {
  const LanguageSpec& spec = opened.checkpoint->spec().language;
  constexpr int64_t kCapacity = 32;
  const auto prefill = compile(graph::build_language(*opened.checkpoint, opened.tensorrt(graph::DecoderPhase::prefill, kCapacity)));
  const auto decode = compile(graph::build_language(*opened.checkpoint, opened.tensorrt(graph::DecoderPhase::decode, kCapacity)));
  const std::vector<float> x = normal_values(2 * 20 * spec.hidden, 4);
  TensorRtDecoder both(spec, *prefill, *decode, 2, kCapacity);
  both.step(steps(x, 2, spec.hidden, 0, 9), 9, {0, 0});
  // Sequence 0 forgets its last 5 rows.
  const std::vector<float> one = both.step(steps(x, 2, spec.hidden, 9, 10), 1, {4, 9});
  const std::vector<float> more = both.step(steps(x, 2, spec.hidden, 10, 16), 6, {5, 10});
  for (int64_t b = 0; b < 2; ++b) {
    CAPTURE(b);
    const int64_t past = b == 0 ? 4 : 9;
    const auto mine = [&](int64_t begin, int64_t end) {
      const auto row = x.begin() + b * 20 * spec.hidden;
      return std::vector<float>(row + begin * spec.hidden, row + end * spec.hidden);
    };
    const auto of = [&](const std::vector<float>& logits) {
      return std::vector<float>(logits.begin() + b * spec.vocab, logits.begin() + (b + 1) * spec.vocab);
    };
    TensorRtDecoder alone(spec, *prefill, *decode, 1, kCapacity);
    alone.step(mine(0, past), past, {0});
    CHECK(max_abs_difference(of(one), alone.step(mine(9, 10), 1, {past})) < kSame);
    CHECK(max_abs_difference(of(more), alone.step(mine(10, 16), 6, {past + 1})) < kSame);
  }
}

}  // namespace

TEST_CASE("TensorRT dialect: vision tower and projector of every family") {
  for (const Row& row : square_rows()) {
    CAPTURE(row.name);
    CAPTURE(row.particular);
    const Opened opened(row);
    check_vision(opened);
    check_projector(opened);
  }
}

TEST_CASE("TensorRT dialect: the language model of every family, at capacities that fit and that leave room") {
  for (const Row& row : square_rows()) {
    CAPTURE(row.name);
    CAPTURE(row.particular);
    const Opened opened(row);
    for (const int64_t capacity : {24, 40}) {
      CAPTURE(capacity);
      check_language(opened, capacity);
    }
  }
}

TEST_CASE("TensorRT dialect: packed language models, whose zero points become corrections") {
  for (const Row& row : packed_rows()) {
    CAPTURE(row.name);
    CAPTURE(row.particular);
    check_language(Opened(row), 32);
  }
}

TEST_CASE("TensorRT dialect: decoding with the attention plugin, for every family") {
  for (const std::vector<Row>& rows : {square_rows(), packed_rows()}) {
    for (const Row& row : rows) {
      CAPTURE(row.name);
      CAPTURE(row.particular);
      check_plugin(Opened(row));
    }
  }
}

TEST_CASE("TensorRT dialect: sequences of different lengths in one batch") {
  check_batch(Opened(row("VILA1.5", 1, "")));
  check_batch(Opened(nvila_8b_row()));
}
