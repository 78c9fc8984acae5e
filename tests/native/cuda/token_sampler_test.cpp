// SPDX-License-Identifier: Apache-2.0
// Sampling on the device against Sampler: the same options, logits, prompts and seeds give the same tokens.
#include "cuda/token_sampler.h"

#include <cmath>
#include <limits>
#include <memory>
#include <random>

#include "cuda/device.h"
#include "session/sampler.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

#ifdef VILA_CUDA_EMULATED
constexpr bool kEmulated = true;
#else
constexpr bool kEmulated = false;
#endif

constexpr float kInfinity = std::numeric_limits<float>::infinity();

cuda::SamplingRequest request_of(const GenerationOptions& options, int32_t slot) {
  return {slot,          options.temperature, options.top_k,
          options.top_p, options.min_p,       {options.repetition_penalty, options.presence_penalty, options.frequency_penalty}};
}

/// A batch on the device, and memory for its slots.
class Batch {
 public:
  Batch(std::vector<cuda::SamplingRequest> requests, int32_t vocab, int32_t slots, bool seen)
      : vocab_(vocab),
        batch_(requests.size()),
        stages_(cuda::stages_of(requests, vocab)),
        twisters_(static_cast<size_t>(slots)),
        seen_(seen ? static_cast<size_t>(slots) * static_cast<size_t>(vocab) : 0),
        requests_(requests),
        workspace_(cuda::sampling_workspace_bytes(static_cast<int32_t>(batch_), vocab)),
        tokens_(batch_),
        ids_(batch_),
        slots_{twisters_.get(), seen ? seen_.get() : nullptr, slots, vocab} {}

  void begin(int32_t slot, int64_t seed, const std::vector<int32_t>& prompt) {
    const DeviceArray<int32_t> ids(prompt);
    cuda::begin_sampling(slots_, slot, static_cast<uint64_t>(seed), ids.get(), static_cast<int32_t>(prompt.size()), nullptr);
    REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
  }
  /// Logits [batch, stride] with stride >= vocab.
  std::vector<cuda::SampledToken> sample(const std::vector<float>& logits) {
    const DeviceArray<float> device_logits(logits);
    cuda::SamplingStep step;
    step.batch = static_cast<int32_t>(batch_);
    step.logits = device_logits.get();
    step.stride = static_cast<int64_t>(logits.size() / batch_);
    step.requests = requests_.get();
    step.stages = stages_;
    step.workspace = workspace_.get();
    step.tokens = tokens_.get();
    step.ids = ids_.get();
    cuda::sample_tokens(slots_, step, nullptr);
    const std::vector<cuda::SampledToken> tokens = tokens_.read();
    const std::vector<int32_t> ids = ids_.read();
    for (size_t row = 0; row < batch_; ++row) {
      const bool chosen = tokens[row].id >= 0 && tokens[row].fault == cuda::SampledToken::Fault::none;
      REQUIRE(ids[row] == (chosen ? tokens[row].id : cuda::kNoToken));
    }
    return tokens;
  }

 private:
  int32_t vocab_;
  size_t batch_;
  cuda::SamplingStages stages_;
  DeviceArray<cuda::Twister> twisters_;
  DeviceArray<uint32_t> seen_;
  DeviceArray<cuda::SamplingRequest> requests_;
  DeviceArray<uint8_t> workspace_;
  DeviceArray<cuda::SampledToken> tokens_;
  DeviceArray<int32_t> ids_;
  cuda::SamplerSlots slots_;
};

std::vector<float> random_logits(size_t count, float spread, std::mt19937_64& random) {
  std::vector<float> logits(count);
  // A coarse grid in half of the cases, so that equal logits occur.
  const bool coarse = random() % 2 == 0;
  for (float& logit : logits) {
    logit = spread * (static_cast<float>(random() % (coarse ? 401 : 1000001)) / (coarse ? 200.0F : 500000.0F) - 1.0F);
    if (random() % 97 == 0) logit = -kInfinity;
  }
  logits[random() % count] = spread;
  return logits;
}

/// Every combination of what a request may ask for, by its number.
GenerationOptions options_of(uint32_t number, std::mt19937_64& random) {
  const auto uniform = [&random] { return static_cast<float>(random() % 1000) / 1000.0F; };
  GenerationOptions options;
  options.seed = static_cast<int64_t>(random() >> 1);
  if (number % 2 != 0) options.temperature = 0.3F + uniform();
  if (number / 2 % 2 != 0) options.top_k = 1 + static_cast<int32_t>(random() % 60);
  if (number / 4 % 2 != 0) options.top_p = 0.4F + 0.59F * uniform();
  if (number / 8 % 2 != 0) options.min_p = 0.3F * uniform();
  if (number / 16 % 2 != 0) {
    options.repetition_penalty = 0.8F + uniform();
    options.presence_penalty = uniform() - 0.3F;
    options.frequency_penalty = uniform() - 0.3F;
  }
  return options;
}

/// Runs `steps` steps of a batch of these options, in shuffled slots, against one Sampler each.
void compare(const std::vector<GenerationOptions>& all, int32_t vocab, int32_t padding, int steps, std::mt19937_64& random) {
  const auto count = static_cast<int32_t>(all.size());
  std::vector<cuda::SamplingRequest> requests;
  std::vector<Sampler> samplers;
  bool penalties = false;
  for (int32_t i = 0; i < count; ++i) {
    requests.push_back(request_of(all[static_cast<size_t>(i)], (i + 1) % count));
    samplers.emplace_back(all[static_cast<size_t>(i)], vocab);
    penalties |= all[static_cast<size_t>(i)].repetition_penalty != 1;
  }
  Batch batch(requests, vocab, count, penalties);
  for (int32_t i = 0; i < count; ++i) {
    std::vector<int32_t> prompt = {-200, vocab, vocab + 7};  // outside: ignored
    for (int32_t j = 0; j < 20; ++j) prompt.push_back(static_cast<int32_t>(random() % static_cast<uint64_t>(vocab)));
    for (const int32_t id : prompt) samplers[static_cast<size_t>(i)].see_prompt(id);
    batch.begin((i + 1) % count, samplers[static_cast<size_t>(i)].seed(), prompt);
  }
  for (int step = 0; step < steps; ++step) {
    CAPTURE(step);
    std::vector<float> logits;
    std::vector<int32_t> expected;
    for (int32_t i = 0; i < count; ++i) {
      const std::vector<float> own = random_logits(static_cast<size_t>(vocab), 2 + static_cast<float>(random() % 9), random);
      expected.push_back(samplers[static_cast<size_t>(i)].sample(own.data()));
      logits.insert(logits.end(), own.begin(), own.end());
      logits.insert(logits.end(), static_cast<size_t>(padding), std::nanf(""));
    }
    const std::vector<cuda::SampledToken> tokens = batch.sample(logits);
    for (int32_t i = 0; i < count; ++i) {
      CAPTURE(i);
      REQUIRE(tokens[static_cast<size_t>(i)].fault == cuda::SampledToken::Fault::none);
      REQUIRE(tokens[static_cast<size_t>(i)].id == expected[static_cast<size_t>(i)]);
    }
  }
}

}  // namespace

TEST_CASE("a batch of every combination of options draws what Sampler draws") {
  constexpr uint64_t kSeed = 31;
  INFO("seed " << kSeed);
  std::mt19937_64 random(kSeed);
  for (const int32_t vocab : {3, 257, 2048, 4999}) {
    CAPTURE(vocab);
    std::vector<GenerationOptions> all;
    for (uint32_t i = 0; i < 32; ++i) all.push_back(options_of(i, random));
    compare(all, vocab, vocab % 2 == 0 ? 0 : 5, 2, random);
  }
}

TEST_CASE("batches that need only some of the stages") {
  constexpr uint64_t kSeed = 32;
  INFO("seed " << kSeed);
  std::mt19937_64 random(kSeed);
  for (const uint32_t number : {0u, 1u, 3u, 5u, 7u, 9u, 16u, 17u}) {
    CAPTURE(number);
    compare({options_of(number, random), options_of(0, random)}, 2500, 0, 3, random);
  }
}

TEST_CASE("the numbers go on beyond one generation of the twister") {
  constexpr uint64_t kSeed = 33;
  INFO("seed " << kSeed);
  std::mt19937_64 random(kSeed);
  compare({options_of(1, random)}, 40, 0, kEmulated ? 320 : 700, random);
}

TEST_CASE("the vocabulary of a real model, on a GPU") {
  constexpr uint64_t kSeed = 34;
  INFO("seed " << kSeed);
  std::mt19937_64 random(kSeed);
  compare({options_of(5, random), options_of(23, random)}, kEmulated ? 9001 : 128256, 0, 2, random);
}

TEST_CASE("rows that are left out, and faults in Sampler's words, which change nothing") {
  GenerationOptions options;
  options.temperature = 1;
  options.top_p = 0.9F;
  options.repetition_penalty = 1.5F;
  options.seed = 4;
  const int32_t vocab = 2500;
  const auto size = static_cast<size_t>(vocab);
  Batch batch({request_of(options, 1), {}, request_of(options, 0)}, vocab, 2, true);
  std::vector<Sampler> samplers(2, Sampler(options, vocab));
  batch.begin(0, 4, {});
  batch.begin(1, 4, {});
  const auto rows = [&](float first, size_t at, float other, size_t other_at) {
    std::vector<float> logits(3 * size, 1.0F);
    logits[at] = first;
    logits[2 * size + other_at] = other;
    return logits;
  };
  const auto sampled = [&](const std::vector<float>& logits) {
    const std::vector<cuda::SampledToken> tokens = batch.sample(logits);
    CHECK(tokens[1].id == -1);
    for (const size_t i : {size_t{0}, size_t{1}}) {
      const size_t row = 2 * i;
      int32_t id = -1;
      const std::string expected = error_of([&] { id = samplers[i].sample(logits.data() + row * size); });
      CHECK(error_of([&] { cuda::check_token(tokens[row]); }) == expected);
      if (id >= 0) CHECK(tokens[row].id == id);
    }
  };
  sampled(rows(std::nanf(""), 2300, kInfinity, 2499));
  sampled(rows(5, 3, std::nanf(""), 0));
  std::vector<float> banned(3 * size, -kInfinity);
  banned[7] = -3;
  sampled(banned);
  sampled(rows(5, 3, 2, 1));
  sampled(rows(5, 3, 2, 1));
}

TEST_CASE("bad arguments of sampling, with the exact message") {
  const DeviceArray<cuda::Twister> twisters(1);
  const DeviceArray<float> logits(8);
  const DeviceArray<uint8_t> workspace(cuda::sampling_workspace_bytes(1, 8));
  const DeviceArray<cuda::SamplingRequest> requests(std::vector<cuda::SamplingRequest>(1));
  const DeviceArray<cuda::SampledToken> tokens(1);
  const DeviceArray<int32_t> ids(1);
  const auto message = [&](auto&& change) {
    cuda::SamplerSlots slots{twisters.get(), nullptr, 1, 8};
    cuda::SamplingStep step{1, logits.get(), 8, requests.get(), {}, workspace.get(), tokens.get(), ids.get()};
    change(slots, step);
    return error_of([&] { cuda::sample_tokens(slots, step, nullptr); });
  };
  using cuda::SamplerSlots;
  using cuda::SamplingStep;
  CHECK(message([](SamplerSlots&, SamplingStep&) {}) == "no error");
  CHECK(message([](SamplerSlots& s, SamplingStep&) { s.vocab = (1 << 22) + 1; }) ==
        "1:sampler_scan: vocab is 4194305, expected 1 to 4194304");
  CHECK(message([](SamplerSlots&, SamplingStep& s) { s.stride = 7; }) == "1:sampler_scan: stride is 7, expected at least vocab");
  CHECK(message([](SamplerSlots&, SamplingStep& s) { s.batch = 0; }) == "1:sampler_scan: batch is 0, expected 1 to 65535");
  CHECK(message([](SamplerSlots&, SamplingStep& s) { s.stages.penalties = true; }) ==
        "1:sampler_scan: seen is null, expected device memory");
  const SamplerSlots slots{twisters.get(), nullptr, 1, 8};
  CHECK(error_of([&] { cuda::begin_sampling(slots, 1, 0, nullptr, 0, nullptr); }) == "1:sampler_seed: slot is 1, expected 0 to 0");
}
