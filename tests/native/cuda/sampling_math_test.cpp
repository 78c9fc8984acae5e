// SPDX-License-Identifier: Apache-2.0
// The arithmetic of the sampling kernels on the host: a plain sampler made of it draws what Sampler draws.
#include "cuda/sampling_math.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "session/sampler.h"

using namespace vila;  // NOLINT

namespace {

/// The next number of a twister, word after word.
uint64_t number_of(cuda::Twister& twister) {
  constexpr int n = cuda::Twister::kWords, m = cuda::Twister::kMiddle;
  if (twister.next == n) {
    for (int i = 0; i < n; ++i) {
      twister.words[i] = cuda::Twister::twisted(twister.words[i], twister.words[(i + 1) % n], twister.words[(i + m) % n]);
    }
    twister.next = 0;
  }
  return cuda::Twister::tempered(twister.words[twister.next++]);
}

/// Sampling in whole numbers, the slow and plain way: every step over the whole sorted vocabulary.
int32_t plain_draw(const std::vector<float>& logits, const GenerationOptions& options, uint64_t random) {
  const auto vocab = static_cast<int32_t>(logits.size());
  const int bits = cuda::weight_bits(vocab);
  const auto logit = [&logits](int32_t id) { return logits[static_cast<size_t>(id)]; };
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](int32_t a, int32_t b) { return cuda::rank_of(logit(a), a) > cuda::rank_of(logit(b), b); });
  const auto weight = [&](int32_t id) { return cuda::fixed_weight(logit(id), logit(order[0]), options.temperature, bits); };
  if (options.top_k > 0 && options.top_k < vocab) order.resize(static_cast<size_t>(options.top_k));
  std::vector<int32_t> kept = order;
  if (options.top_p < 1) {
    uint64_t total = 0, sum = 0;
    for (const int32_t id : order) total += weight(id);
    const uint64_t need = cuda::share_of(options.top_p, total);
    kept.clear();
    for (const int32_t id : order) {
      kept.push_back(id);
      sum += weight(id);
      if (sum >= need) break;
    }
  }
  const uint64_t least = cuda::fixed(options.min_p, bits);
  while (weight(kept.back()) < least) kept.pop_back();
  std::sort(kept.begin(), kept.end());
  uint64_t total = 0, sum = 0;
  for (const int32_t id : kept) total += weight(id);
  const uint64_t target = cuda::target_of(random, total);
  for (const int32_t id : kept) {
    sum += weight(id);
    if (sum > target) return id;
  }
  return -1;
}

}  // namespace

TEST_CASE("the numbers of a twister are those of std::mt19937_64") {
  for (const uint64_t seed : {uint64_t{0}, uint64_t{5489}, uint64_t{0x8000000000000001}}) {
    cuda::Twister twister;
    twister.seed(seed);
    std::mt19937_64 expected(seed);
    for (int i = 0; i < 1000; ++i) REQUIRE(number_of(twister) == expected());
  }
}

TEST_CASE("ranks: the greater logit, then the lower id, and back") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> ascending = {-kInfinity, -3e38F, -2, -1e-40F, 0, 1e-45F, 0.5F, 7, 3e38F, kInfinity};
  for (size_t i = 0; i < ascending.size(); ++i) {
    for (const int32_t id : {0, 1, cuda::kMostIds - 1}) {
      const uint64_t rank = cuda::rank_of(ascending[i], id);
      CHECK(cuda::logit_of_rank(rank) == ascending[i]);
      CHECK(cuda::id_of_rank(rank) == id);
      CHECK((rank >> (cuda::kDigits * cuda::kDigitBits)) == 0);
      if (i > 0) CHECK(rank > cuda::rank_of(ascending[i - 1], 0));
      if (id > 0) CHECK(rank < cuda::rank_of(ascending[i], id - 1));
    }
  }
  CHECK(cuda::rank_of(-0.0F, 4) == cuda::rank_of(0.0F, 4));
}

TEST_CASE("shares and targets round as they say") {
  CHECK(cuda::share_of(0.5F, 10) == 5);
  CHECK(cuda::share_of(0.5F, 11) == 6);
  CHECK(cuda::share_of(1e-45F, 3) == 1);
  CHECK(cuda::share_of(std::nextafter(1.0F, 0.0F), uint64_t{1} << 63) == (uint64_t{1} << 63) - (uint64_t{1} << 39));
  CHECK(cuda::target_of(0, 100) == 0);
  CHECK(cuda::target_of(~uint64_t{0}, 100) == 99);
  CHECK(cuda::target_of(uint64_t{1} << 63, 101) == 50);
  CHECK(cuda::weight_bits(1) == 62);
  CHECK(cuda::weight_bits(3) == 61);
  CHECK(cuda::weight_bits(32000) == 48);
  CHECK(cuda::weight_bits(128256) == 46);
  CHECK(cuda::weight_bits(cuda::kMostIds) == 41);
}

TEST_CASE("whole numbers draw what Sampler draws") {
  constexpr uint64_t kSeed = 3;
  INFO("seed " << kSeed);
  std::mt19937_64 random(kSeed);
  const auto uniform = [&random] { return static_cast<float>(static_cast<double>(random() >> 11) * 0x1p-53); };
  int apart = 0, drawn = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<float> logits(1 + random() % 3000);
    const float spread = 1 + 12 * uniform();
    const bool coarse = round % 3 == 0;  // equal logits occur
    for (float& logit : logits) {
      logit = spread * (2 * uniform() - 1);
      if (coarse) logit = std::round(4 * logit) / 4;
      if (random() % 50 == 0) logit = -std::numeric_limits<float>::infinity();
    }
    logits[random() % logits.size()] = spread;
    GenerationOptions options;
    options.temperature = 0.2F + 1.5F * uniform();
    options.top_k = random() % 2 == 0 ? static_cast<int32_t>(random() % 100) : 0;
    options.top_p = random() % 2 == 0 ? 0.3F + 0.7F * uniform() : 1;
    options.min_p = random() % 3 == 0 ? 0.2F * uniform() : 0;
    options.seed = static_cast<int64_t>(random() >> 1);
    Sampler sampler(options, static_cast<int32_t>(logits.size()));
    cuda::Twister twister;
    twister.seed(static_cast<uint64_t>(options.seed));
    for (int i = 0; i < 10; ++i, ++drawn) {
      apart += plain_draw(logits, options, number_of(twister)) == sampler.sample(logits.data()) ? 0 : 1;
    }
  }
  CHECK(drawn == 3000);
  CHECK(apart == 0);  // one is expected in some ten thousand million draws
}
