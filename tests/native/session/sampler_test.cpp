// SPDX-License-Identifier: Apache-2.0
#include "session/sampler.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// The probabilities a sampler must have, computed the slow and plain way: every step over the whole sorted vocabulary.
std::vector<double> plain_distribution(const std::vector<float>& logits, const GenerationOptions& options) {
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::stable_sort(ids.begin(), ids.end(),
                   [&](int32_t a, int32_t b) { return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)]; });
  std::vector<double> probability;
  const auto normalize = [&probability] {
    const double sum = std::accumulate(probability.begin(), probability.end(), 0.0);
    for (double& p : probability) p /= sum;
  };
  for (const int32_t id : ids) {
    probability.push_back(std::exp((static_cast<double>(logits[static_cast<size_t>(id)]) - logits[static_cast<size_t>(ids[0])]) /
                                   options.temperature));
  }
  if (options.top_k > 0 && static_cast<size_t>(options.top_k) < probability.size()) {
    probability.resize(static_cast<size_t>(options.top_k));
  }
  normalize();
  double sum = 0;
  for (size_t rank = 0; rank < probability.size(); ++rank) {
    sum += probability[rank];
    if (options.top_p < 1 && sum >= static_cast<double>(options.top_p) - 1e-12) {
      probability.resize(rank + 1);
      break;
    }
  }
  normalize();
  while (probability.back() < options.min_p * probability[0]) probability.pop_back();
  normalize();
  std::vector<double> by_id(logits.size(), 0.0);
  for (size_t rank = 0; rank < probability.size(); ++rank) by_id[static_cast<size_t>(ids[rank])] = probability[rank];
  return by_id;
}

std::vector<float> random_logits(size_t count, float spread, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<float> logits(count);
  // A coarse grid, so that equal logits occur.
  for (float& logit : logits) logit = spread * (static_cast<float>(random() % 401) / 200.0F - 1.0F);
  return logits;
}

GenerationOptions sampled(float temperature, int32_t top_k = 0, float top_p = 1, float min_p = 0, int64_t seed = 7) {
  GenerationOptions options;
  options.temperature = temperature;
  options.top_k = top_k;
  options.top_p = top_p;
  options.min_p = min_p;
  options.seed = seed;
  return options;
}

std::vector<int32_t> draws(const GenerationOptions& options, const std::vector<float>& logits, size_t count) {
  Sampler sampler(options, static_cast<int32_t>(logits.size()));
  std::vector<int32_t> ids(count);
  for (int32_t& id : ids) id = sampler.sample(logits.data());
  return ids;
}

}  // namespace

TEST_CASE("options: each field's bounds, with the exact message") {
  const auto message = [](auto&& change) {
    GenerationOptions options;
    change(options);
    return error_of([&] { check_options(options); });
  };
  CHECK(message([](GenerationOptions&) {}) == "no error");
  CHECK(message([](GenerationOptions& o) { o.max_new_tokens = 0; }) == "1:max_new_tokens is 0, expected at least 1");
  CHECK(message([](GenerationOptions& o) { o.temperature = -0.5F; }) == "1:temperature is -0.5, expected a finite number of at least 0");
  CHECK(message([](GenerationOptions& o) { o.temperature = kNan; }) == "1:temperature is nan, expected a finite number of at least 0");
  CHECK(message([](GenerationOptions& o) { o.temperature = kInfinity; }) == "1:temperature is inf, expected a finite number of at least 0");
  CHECK(message([](GenerationOptions& o) { o.top_k = -1; }) == "1:top_k is -1, expected at least 0 (0 is off)");
  CHECK(message([](GenerationOptions& o) { o.top_p = 0; }) == "1:top_p is 0, expected a number greater than 0 and at most 1 (1 is off)");
  CHECK(message([](GenerationOptions& o) { o.top_p = 1.5F; }) == "1:top_p is 1.5, expected a number greater than 0 and at most 1 (1 is off)");
  CHECK(message([](GenerationOptions& o) { o.top_p = kNan; }) == "1:top_p is nan, expected a number greater than 0 and at most 1 (1 is off)");
  CHECK(message([](GenerationOptions& o) { o.min_p = 1; }) == "1:min_p is 1, expected a number of at least 0 and less than 1 (0 is off)");
  CHECK(message([](GenerationOptions& o) { o.min_p = -1; }) == "1:min_p is -1, expected a number of at least 0 and less than 1 (0 is off)");
  CHECK(message([](GenerationOptions& o) { o.repetition_penalty = 0; }) ==
        "1:repetition_penalty is 0, expected a finite number greater than 0 (1 is off)");
  CHECK(message([](GenerationOptions& o) { o.presence_penalty = kNan; }) == "1:presence_penalty is nan, expected a finite number (0 is off)");
  CHECK(message([](GenerationOptions& o) { o.frequency_penalty = -kInfinity; }) ==
        "1:frequency_penalty is -inf, expected a finite number (0 is off)");
  CHECK(message([](GenerationOptions& o) { o.top_logprobs = 21; }) == "1:top_logprobs is 21, expected -1 (off) or 0 to 20");
  CHECK(message([](GenerationOptions& o) { o.top_logprobs = -2; }) == "1:top_logprobs is -2, expected -1 (off) or 0 to 20");
  CHECK(message([](GenerationOptions& o) { o.stop = {"a", ""}; }) == "1:stop[1] is empty, expected at least one character");
  CHECK(message([](GenerationOptions& o) { o.stop = {"a\xFF"}; }) == "1:stop[0]: invalid UTF-8 at byte 1");
  CHECK(message([](GenerationOptions& o) { o.stop_ids = {3, -1}; }) == "1:stop_ids[1] is -1, expected at least 0");
}

TEST_CASE("greedy takes the best logit, the lower id among equals, and ignores -infinity") {
  Sampler sampler(GenerationOptions{}, 5);
  CHECK(sampler.sample(std::vector<float>{1, 3, -2, 3, 0}.data()) == 1);
  CHECK(sampler.sample(std::vector<float>{-kInfinity, -kInfinity, -7, -kInfinity, -8}.data()) == 2);
  CHECK(sampler.sample(std::vector<float>{0, 0, 0, 0, 0}.data()) == 0);
}

TEST_CASE("logits that are no numbers are refused, greedy or not") {
  for (const float temperature : {0.0F, 1.0F}) {
    CAPTURE(temperature);
    Sampler sampler(sampled(temperature), 3);
    CHECK(error_of([&] { sampler.sample(std::vector<float>{1, 2, kNan}.data()); }) == "10:logit of id 2 is not a number");
    CHECK(error_of([&] { sampler.sample(std::vector<float>{kNan, 2, 3}.data()); }) == "10:logit of id 0 is not a number");
    CHECK(error_of([&] { sampler.sample(std::vector<float>{1, kInfinity, 3}.data()); }) ==
          "10:best logit (id 1) is inf, expected a finite number");
    CHECK(error_of([&] { sampler.sample(std::vector<float>{-kInfinity, -kInfinity, -kInfinity}.data()); }) ==
          "10:best logit (id 0) is -inf, expected a finite number");
  }
}

TEST_CASE("repetition penalty divides positive and multiplies negative logits of seen ids, once each") {
  GenerationOptions options;
  options.repetition_penalty = 2;
  Sampler sampler(options, 4);
  for (const int32_t id : {0, 0, 2, -1, 4, 1 << 30}) sampler.see_prompt(id);  // Ids outside the vocabulary are ignored.
  // 0: 4/2 = 2; 1: 1.9; 2: 3/2 = 1.5; 3: 1.
  CHECK(sampler.sample(std::vector<float>{4, 1.9F, 3, 1}.data()) == 0);
  // 0: -1*2 = -2; 1: -1.5; 2: -0.9*2 = -1.8; 3: -1.6.
  CHECK(sampler.sample(std::vector<float>{-1, -1.5F, -0.9F, -1.6F}.data()) == 1);
  // 1 has been chosen, so it is seen too: 0: -2; 1: -3; 2: -1.8; 3: -1.6.
  CHECK(sampler.sample(std::vector<float>{-1, -1.5F, -0.9F, -1.6F}.data()) == 3);
}

TEST_CASE("presence and frequency penalties count generated ids only") {
  const std::vector<float> logits = {3, 2.5F, 1.2F};
  GenerationOptions options;
  options.presence_penalty = 1;
  options.frequency_penalty = 0.25F;
  Sampler sampler(options, 3);
  sampler.see_prompt(0);  // The prompt does not count.
  // 3, 2.5, 1.2 -> 0; 1.75, 2.5, 1.2 -> 1; 1.75, 1.25, 1.2 -> 0; 1.5, 1.25, 1.2 -> 0; 1.25, 1.25, 1.2 -> 0 (tie);
  // 1, 1.25, 1.2 -> 1; 1, 1, 1.2 -> 2.
  for (const int32_t expected : {0, 1, 0, 0, 0, 1, 2}) CHECK(sampler.sample(logits.data()) == expected);
  CHECK(logits == std::vector<float>{3, 2.5F, 1.2F});

  // All three together, in their order: (4 / 2) - 1 - 0.5 = 0.5 < 0.6.
  options.repetition_penalty = 2;
  options.frequency_penalty = 0.5F;
  Sampler all(options, 2);
  CHECK(all.sample(std::vector<float>{4, 0.6F}.data()) == 0);
  CHECK(all.sample(std::vector<float>{4, 0.6F}.data()) == 1);
  // Now 0: 0.5 as before, 1: 0.6 / 2 - 1.5 = -1.2.
  CHECK(all.sample(std::vector<float>{4, 0.6F}.data()) == 0);
}

TEST_CASE("extreme penalties keep finite logits finite and banned ids banned") {
  GenerationOptions options;
  options.repetition_penalty = 1e-30F;
  options.presence_penalty = 3e38F;
  options.frequency_penalty = 3e38F;
  Sampler sampler(options, 2);
  sampler.see_prompt(0);
  sampler.see_prompt(1);
  for (int i = 0; i < 10; ++i) CHECK(sampler.sample(std::vector<float>{-kInfinity, 3e38F}.data()) == 1);
}

TEST_CASE("the distribution of 20000 draws agrees with the plain reference") {
  struct Combination {
    float temperature;
    int32_t top_k;
    float top_p, min_p;
    size_t vocab;
    float spread;
  };
  const std::vector<Combination> combinations = {
      {1.0F, 0, 1, 0, 40, 3},       {0.3F, 0, 1, 0, 40, 3},         {2.5F, 0, 1, 0, 300, 2},    {1.0F, 1, 1, 0, 40, 3},
      {1.0F, 5, 1, 0, 40, 3},       {1.0F, 1000, 1, 0, 40, 3},      {0.7F, 0, 0.6F, 0, 40, 3},  {4.0F, 0, 0.95F, 0, 400, 1},
      {1.0F, 0, 1e-6F, 0, 40, 3},   {1.0F, 0, 1, 0.2F, 40, 3},      {1.0F, 12, 0.8F, 0, 40, 3}, {1.3F, 12, 1, 0.3F, 40, 3},
      {1.3F, 0, 0.9F, 0.1F, 40, 3}, {1.3F, 20, 0.9F, 0.1F, 100, 2}, {50.0F, 0, 0.5F, 0, 64, 2}, {1.0F, 2, 0.4F, 0.99F, 10, 1},
      {2.0F, 1500, 1, 0, 4000, 1},  {2.0F, 1500, 0.9F, 0, 4000, 1}};
  int64_t seed = 100;
  for (const Combination& c : combinations) {
    CAPTURE(c.temperature);
    CAPTURE(c.top_k);
    CAPTURE(c.top_p);
    CAPTURE(c.min_p);
    const GenerationOptions options = sampled(c.temperature, c.top_k, c.top_p, c.min_p, ++seed);
    const std::vector<float> logits = random_logits(c.vocab, c.spread, static_cast<uint64_t>(seed));
    const std::vector<double> expected = plain_distribution(logits, options);
    constexpr size_t kDraws = 20000;
    std::vector<double> seen(logits.size(), 0);
    for (const int32_t id : draws(options, logits, kDraws)) seen[static_cast<size_t>(id)] += 1;
    // Rare ids are pooled, so that each cell expects at least five.
    double chi_square = 0, pooled_expected = 0, pooled_seen = 0;
    int cells = 0;
    for (size_t id = 0; id < logits.size(); ++id) {
      const double expect = expected[id] * kDraws;
      if (expected[id] == 0) CHECK(seen[id] == 0);
      if (expect < 5) {
        pooled_expected += expect;
        pooled_seen += seen[id];
        continue;
      }
      chi_square += (seen[id] - expect) * (seen[id] - expect) / expect;
      ++cells;
    }
    if (pooled_expected > 0) {
      chi_square += (pooled_seen - pooled_expected) * (pooled_seen - pooled_expected) / pooled_expected;
      ++cells;
    }
    // Wilson and Hilferty's approximation of the 99.99 % point of chi-square.
    const double freedom = std::max(cells - 1, 1);
    const double limit = freedom * std::pow(1 - 2 / (9 * freedom) + 3.719 * std::sqrt(2 / (9 * freedom)), 3);
    CAPTURE(cells);
    CHECK(chi_square < limit);
  }
}

TEST_CASE("among equal logits, top-k and top-p keep the lower ids") {
  const std::vector<float> logits = {0, 1, 1, 1, 1, 0};
  const auto kept = [&](const GenerationOptions& options) {
    const std::vector<int32_t> ids = draws(options, logits, 2000);
    return std::set<int32_t>(ids.begin(), ids.end());
  };
  CHECK(kept(sampled(1, 2)) == std::set<int32_t>{1, 2});
  CHECK(kept(sampled(1, 5)) == std::set<int32_t>{0, 1, 2, 3, 4});
  CHECK(kept(sampled(1, 1)) == std::set<int32_t>{1});
  CHECK(kept(sampled(0.01F, 0, 0.5F)) == std::set<int32_t>{1, 2});
  CHECK(kept(sampled(0.01F, 0, 0.51F)) == std::set<int32_t>{1, 2, 3});
  CHECK(kept(sampled(1, 0, 1, 0.9F)) == std::set<int32_t>{1, 2, 3, 4});
}

TEST_CASE("a tiny temperature and banned ids leave the best") {
  const std::vector<float> logits = {-kInfinity, 3e38F, -3e38F, 2};
  for (const int32_t top_k : {0, 3}) {
    for (const int32_t id : draws(sampled(1e-40F, top_k), logits, 100)) CHECK(id == 1);
  }
  const std::vector<float> banned = {-kInfinity, 0, -kInfinity, 0};
  for (const int32_t id : draws(sampled(100, 3, 0.9F), banned, 1000)) CHECK((id == 1 || id == 3));
}

TEST_CASE("the same seed gives the same draws, on every machine") {
  const std::vector<float> logits = random_logits(200, 4, 1);
  const GenerationOptions options = sampled(1, 50, 0.9F, 0.01F, 1234);
  const std::vector<int32_t> first = draws(options, logits, 200);
  CHECK(first == draws(options, logits, 200));
  CHECK(first != draws(sampled(1, 50, 0.9F, 0.01F, 1235), logits, 200));
  // Four equal logits: the draw is the first two bits of mt19937_64 (seed 5489: 14514284786278117030, 4620546740167642908,
  // 13109570281517897720, 17462938647148434322, 355488278567739596).
  const std::vector<float> flat(4, 0.0F);
  CHECK(draws(sampled(1, 0, 1, 0, 5489), flat, 5) == std::vector<int32_t>{3, 1, 2, 3, 0});
}

TEST_CASE("a fresh seed is reported and repeats the draws") {
  const std::vector<float> logits = random_logits(200, 1, 1);
  Sampler fresh(sampled(1, 0, 1, 0, -1), 200);
  CHECK(fresh.seed() >= 0);
  CHECK(Sampler(sampled(1, 0, 1, 0, -1), 200).seed() != fresh.seed());
  Sampler again(sampled(1, 0, 1, 0, fresh.seed()), 200);
  for (int i = 0; i < 100; ++i) CHECK(fresh.sample(logits.data()) == again.sample(logits.data()));
}

TEST_CASE("log probabilities are those of a softmax") {
  const std::vector<float> logits = {1, 3, -2, 3, -kInfinity};
  const double sum = std::exp(1.0) + 2 * std::exp(3.0) + std::exp(-2.0);
  CHECK(logprob_of(logits.data(), 5, 0) == doctest::Approx(std::log(std::exp(1.0) / sum)).epsilon(1e-6));
  CHECK(logprob_of(logits.data(), 5, 4) == -kInfinity);
  const std::vector<TokenProbability> best = top_logprobs(logits.data(), 5, 3);
  REQUIRE(best.size() == 3);
  CHECK(best[0].id == 1);
  CHECK(best[1].id == 3);
  CHECK(best[2].id == 0);
  CHECK(best[0].logprob == doctest::Approx(std::log(std::exp(3.0) / sum)).epsilon(1e-6));
  CHECK(best[2].logprob == logprob_of(logits.data(), 5, 0));
  CHECK(top_logprobs(logits.data(), 5, 0).empty());
  CHECK(top_logprobs(logits.data(), 5, 20).size() == 5);
  // Large logits do not overflow.
  CHECK(logprob_of(std::vector<float>{3e38F, 3e38F}.data(), 2, 1) == doctest::Approx(-std::log(2.0)).epsilon(1e-6));
  CHECK(error_of([&] { logprob_of(logits.data(), 5, 5); }) == "1:id is 5, expected 0 to 4");
  CHECK(error_of([&] { top_logprobs(std::vector<float>{0, kNan}.data(), 2, 1); }) == "10:logit of id 1 is not a number");
}

TEST_CASE("the best n of a random vocabulary are those of a full sort") {
  const std::vector<float> logits = random_logits(5000, 3, 11);
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::stable_sort(ids.begin(), ids.end(),
                   [&](int32_t a, int32_t b) { return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)]; });
  const std::vector<TokenProbability> best = top_logprobs(logits.data(), 5000, 20);
  REQUIRE(best.size() == 20);
  for (size_t i = 0; i < 20; ++i) CHECK(best[i].id == ids[i]);
}

namespace {

/// The text before the first stop string, the slow way: the earliest place where one ends; of those, the longest.
std::string plain_stop(const std::string& text, const std::vector<std::string>& stops, bool& stopped) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const std::string& stop : stops) {
      if (stop.size() <= end && text.compare(end - stop.size(), stop.size(), stop) == 0) longest = std::max(longest, stop.size());
    }
    if (longest > 0) {
      stopped = true;
      return text.substr(0, end - longest);
    }
  }
  stopped = false;
  return text;
}

/// How many bytes at the end of `text` begin a stop string.
size_t plain_held(const std::string& text, const std::vector<std::string>& stops) {
  size_t held = 0;
  for (const std::string& stop : stops) {
    for (size_t n = 1; n < stop.size() && n <= text.size(); ++n) {
      if (text.compare(text.size() - n, n, stop, 0, n) == 0) held = std::max(held, n);
    }
  }
  return held;
}

}  // namespace

TEST_CASE("stop strings: by example") {
  StopMatcher matcher({"</s>", "USER:"});
  CHECK(matcher.push("Hello <") == "Hello ");
  CHECK(matcher.push("b>") == "<b>");
  CHECK(matcher.push(" US") == " ");
  CHECK(matcher.push("</") == "US");
  CHECK(!matcher.stopped());
  CHECK(matcher.push("s> and more") == "");
  CHECK(matcher.stopped());
  CHECK(matcher.push("more") == "");
  CHECK(matcher.finish() == "");

  StopMatcher unfinished({"###"});
  CHECK(unfinished.push("a##") == "a");
  CHECK(unfinished.finish() == "##");
  CHECK(!unfinished.stopped());

  StopMatcher none({});
  CHECK(none.push("text") == "text");
  CHECK(none.finish() == "");

  // "bc" is complete before "abcd" could be; of two that are complete at the same place the longer counts.
  StopMatcher first({"abcd", "bc"});
  CHECK(first.push("xabcd") == "xa");
  StopMatcher longer({"bc", "abc"});
  CHECK(longer.push("xabcd") == "x");
  CHECK(error_of([] { StopMatcher({"a", ""}); }) == "1:stop string 1 is empty, expected at least one character");
}

TEST_CASE("stop strings: random texts cut at random places") {
  std::mt19937_64 random(3);
  const auto below = [&random](size_t n) { return static_cast<size_t>(random() % n); };
  int matches = 0;
  for (int round = 0; round < 20000; ++round) {
    const size_t letters = 2 + below(3);
    const auto text_of = [&](size_t length) {
      std::string text;
      for (size_t i = 0; i < length; ++i) text += static_cast<char>('a' + below(letters));
      return text;
    };
    std::vector<std::string> stops;
    for (size_t i = below(4); i > 0; --i) stops.push_back(text_of(1 + below(7)));
    const std::string text = text_of(below(40));
    bool stops_here = false;
    const std::string expected = plain_stop(text, stops, stops_here);
    matches += stops_here ? 1 : 0;

    StopMatcher matcher(stops);
    std::string shown;
    for (size_t at = 0; at < text.size();) {
      const size_t count = 1 + below(5);
      shown += matcher.push(text.substr(at, count));
      at = std::min(text.size(), at + count);
      if (matcher.stopped()) continue;
      // All that can be shown is shown, and nothing else: whatever follows, a stop string can begin in the held rest only.
      REQUIRE(shown == text.substr(0, at - plain_held(text.substr(0, at), stops)));
    }
    REQUIRE(matcher.stopped() == stops_here);
    shown += matcher.finish();
    REQUIRE(shown == expected);
  }
  CHECK(matches > 5000);
  CHECK(matches < 19000);
}
