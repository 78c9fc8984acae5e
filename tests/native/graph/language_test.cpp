// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "checkpoint/tensor_names.h"
#include "graph/builders.h"
#include "graph/random_tensors.h"
#include "graph/run_graph.h"
#include "reference/forward.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
using reference::json;
using reference::Matrix;

namespace {

constexpr double kTolerance = 2e-4;  // of the goldens
constexpr double kSamePath = 2e-5;   // between two ways of computing the same in float32

/// A golden prompt: its embeddings, and those of the first three greedy tokens.
struct Golden {
  explicit Golden(const std::string& name)
      : folder(data("cases/" + name)),
        checkpoint(Checkpoint::open((folder / "model").string())),
        spec(checkpoint->spec().language) {
    const Npy embeds = read_npy(folder / "golden/one_image/inputs_embeds_fp32.npy");
    prompt = embeds.floats;
    length = embeds.shape.at(0);
    std::ifstream in(folder / "golden/one_image/result.json");
    const json result = json::parse(in);
    const std::vector<float> table = checkpoint->language().get(tensor_names::embed_tokens(spec)).to_float();
    for (size_t i = 0; i < 3; ++i) {
      const auto at = table.begin() + result["greedy_fp32"][i].get<int64_t>() * spec.hidden;
      tokens.emplace_back(at, at + spec.hidden);
    }
    logits = read_npy(folder / "golden/one_image/logits_fp32.npy").floats;
  }
  std::vector<float> row(size_t i) const {
    const auto at = logits.begin() + static_cast<std::ptrdiff_t>(i) * spec.vocab;
    return {at, at + spec.vocab};
  }
  /// Rows begin..end-1 of the prompt's embeddings.
  std::vector<float> rows(int64_t begin, int64_t end) const {
    return {prompt.begin() + begin * spec.hidden, prompt.begin() + end * spec.hidden};
  }

  std::filesystem::path folder;
  std::shared_ptr<const Checkpoint> checkpoint;
  const LanguageSpec& spec;
  std::vector<float> prompt;
  int64_t length = 0;
  std::vector<std::vector<float>> tokens;
  std::vector<float> logits;
};

const std::vector<std::string>& cases() {
  static const std::vector<std::string> names{"vila15-llama3-siglip", "vila10-clip-linear"};
  return names;
}

}  // namespace

TEST_CASE("the language model gives the golden logits: prompt in one call, then token by token") {
  for (const std::string& name : cases()) {
    CAPTURE(name);
    const Golden golden(name);
    const auto plan = compile(graph::build_language(*golden.checkpoint, {}));
    Decoder decoder(golden.spec, *plan, 1, golden.length + 8);
    CHECK(max_abs_difference(decoder.step(golden.prompt, golden.length, {0}), golden.row(0)) < kTolerance);
    for (size_t i = 0; i < 3; ++i) {
      const int32_t past = static_cast<int32_t>(golden.length) + static_cast<int32_t>(i);
      CHECK(max_abs_difference(decoder.step(golden.tokens[i], 1, {past}), golden.row(i + 1)) < kTolerance);
    }
  }
}

TEST_CASE("hidden_states are the input of each layer and the final norm's output, and the logits stay the same") {
  for (const std::string& name : cases()) {
    CAPTURE(name);
    const Golden golden(name);
    graph::BuildOptions options;
    options.hidden_states = true;
    const auto plan = compile(graph::build_language(*golden.checkpoint, options));
    Decoder decoder(golden.spec, *plan, 1, golden.length);
    std::vector<float> states;
    CHECK(max_abs_difference(decoder.step(golden.prompt, golden.length, {0}, &states), golden.row(0)) < kTolerance);
    CHECK(max_abs_difference(states, read_npy(golden.folder / "golden/one_image/hidden_states_fp32.npy").floats) < kTolerance);
  }
}

TEST_CASE("a prompt in chunks, or token by token, gives what one call gives") {
  for (const std::string& name : cases()) {
    CAPTURE(name);
    const Golden golden(name);
    const auto plan = compile(graph::build_language(*golden.checkpoint, {}));
    for (const std::vector<int64_t>& chunks :
         std::vector<std::vector<int64_t>>{{40, golden.length - 40},
                                           {1, 30, 2, golden.length - 33},
                                           {golden.length - 1, 1},
                                           std::vector<int64_t>(static_cast<size_t>(golden.length), 1)}) {
      CAPTURE(chunks.size());
      Decoder decoder(golden.spec, *plan, 1, golden.length + 3);
      int64_t past = 0;
      std::vector<float> logits;
      for (const int64_t chunk : chunks) {
        logits = decoder.step(golden.rows(past, past + chunk), chunk, {static_cast<int32_t>(past)});
        past += chunk;
      }
      CHECK(max_abs_difference(logits, golden.row(0)) < kTolerance);
    }
  }
}

TEST_CASE("a cache that is cut back is as if it had never gone further") {
  const Golden golden(cases()[0]);
  const auto plan = compile(graph::build_language(*golden.checkpoint, {}));
  Decoder decoder(golden.spec, *plan, 1, golden.length + 8);
  decoder.step(golden.prompt, golden.length, {0});
  decoder.step(golden.tokens[2], 1, {static_cast<int32_t>(golden.length)});
  const std::vector<float> again = decoder.step(golden.rows(30, golden.length), golden.length - 30, {30});
  CHECK(max_abs_difference(again, golden.row(0)) < kTolerance);
}

TEST_CASE("sequences of different lengths decode in one batch as they do alone") {
  for (const std::string& name : cases()) {
    CAPTURE(name);
    const Golden golden(name);
    const auto plan = compile(graph::build_language(*golden.checkpoint, {}));
    constexpr int64_t kCapacity = 128;
    const std::vector<int32_t> lengths{static_cast<int32_t>(golden.length), 5, 33};
    Decoder batch(golden.spec, *plan, 3, kCapacity);
    std::vector<float> embeds, expected;
    for (size_t i = 0; i < lengths.size(); ++i) {
      Decoder alone(golden.spec, *plan, 1, kCapacity);
      alone.step(golden.rows(0, lengths[i]), lengths[i], {0});
      batch.take(static_cast<int64_t>(i), alone);
      const std::vector<float> logits = alone.step(golden.tokens[i], 1, {lengths[i]});
      expected.insert(expected.end(), logits.begin(), logits.end());
      embeds.insert(embeds.end(), golden.tokens[i].begin(), golden.tokens[i].end());
    }
    CHECK(max_abs_difference(batch.step(embeds, 1, lengths), expected) < kSamePath);
  }
}

TEST_CASE("Qwen2: biases on q, k and v, a tied head, 16-bit weights") {
  LanguageSpec spec;
  spec.model_type = "qwen2";
  spec.hidden = 80;
  spec.layers = 3;
  spec.heads = 6;
  spec.kv_heads = 2;
  spec.head_dim = 16;
  spec.intermediate = 112;
  spec.vocab = 50;
  spec.rope_theta = 1e6;
  spec.rms_eps = 1e-6;
  spec.max_positions = 64;
  spec.tied_head = spec.qkv_bias = true;
  RandomTensors random(11);
  random.add("model.embed_tokens.weight", {spec.vocab, spec.hidden}, 0, 0.3F, DType::bf16);
  random.norm("model.norm", spec.hidden, false, DType::f16);
  for (int64_t i = 0; i < spec.layers; ++i) {
    const std::string layer = tensor_names::language_layer(spec, i);
    const int64_t query = spec.heads * spec.head_dim, key = spec.kv_heads * spec.head_dim;
    random.norm(layer + "input_layernorm", spec.hidden, false, DType::bf16);
    random.norm(layer + "post_attention_layernorm", spec.hidden, false);
    random.linear(layer + "self_attn.q_proj", spec.hidden, query, true, DType::bf16);
    random.linear(layer + "self_attn.k_proj", spec.hidden, key, true, DType::f16);
    random.linear(layer + "self_attn.v_proj", spec.hidden, key, true);
    random.linear(layer + "self_attn.o_proj", query, spec.hidden, false, DType::f16);
    random.linear(layer + "mlp.gate_proj", spec.hidden, spec.intermediate, false);
    random.linear(layer + "mlp.up_proj", spec.hidden, spec.intermediate, false, DType::bf16);
    random.linear(layer + "mlp.down_proj", spec.intermediate, spec.hidden, false);
  }
  const TensorStore store = random.open();
  const reference::Weights weights(random.folder());
  const json config{{"hidden_size", spec.hidden},       {"num_attention_heads", spec.heads}, {"num_key_value_heads", spec.kv_heads},
                    {"num_hidden_layers", spec.layers}, {"rms_norm_eps", spec.rms_eps},      {"rope_theta", spec.rope_theta},
                    {"tie_word_embeddings", true}};
  constexpr int64_t kLength = 21;
  Matrix x(kLength, static_cast<size_t>(spec.hidden));
  x.v = random.values(kLength * spec.hidden);
  const Matrix expected = reference::Language{weights, config}.logits(x);

  const auto plan = compile(graph::build_language(spec, store, {}));
  Decoder decoder(spec, *plan, 1, spec.max_positions);
  const std::vector<float> found = decoder.step(x.v, kLength, {0});
  const std::vector<float> last(expected[kLength - 1], expected[kLength - 1] + expected.cols);
  CHECK(max_abs_difference(found, last) < kSamePath);

  // Two prompts of equal length at once.
  std::vector<float> twice = random.values(kLength * spec.hidden);
  twice.insert(twice.end(), x.v.begin(), x.v.end());
  Decoder pair(spec, *plan, 2, spec.max_positions);
  const std::vector<float> both = pair.step(twice, kLength, {0, 0});
  CHECK(max_abs_difference({both.begin() + spec.vocab, both.end()}, last) < kSamePath);
}
