// SPDX-License-Identifier: Apache-2.0
// The attention of every token with every token against plain double sums, for every implementation this processor has.
#include "kernels/full_attention.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/tested_sets.h"

using namespace vila::kernels;  // NOLINT
using vila::testing::check_tested;

namespace {

/// Memory at a multiple of 64.
class Memory {
 public:
  explicit Memory(size_t bytes) : raw_(bytes + 64, 0xA5), begin_(raw_.data()) {
    begin_ += (64 - reinterpret_cast<uintptr_t>(begin_) % 64) % 64;
  }
  uint8_t* data() { return begin_; }

 private:
  std::vector<uint8_t> raw_;
  uint8_t* begin_;
};

/// Random numbers of one step, and the answer in double.
struct Step {
  Step(int64_t batch, int64_t tokens, int64_t heads, int64_t head_dim) {
    view.batch = batch, view.tokens = tokens, view.heads = heads, view.head_dim = head_dim;
    view.scale = 1.0F / std::sqrt(static_cast<float>(head_dim));
    std::mt19937 random(static_cast<uint32_t>(tokens * 7 + head_dim));
    std::normal_distribution<float> normal;
    const auto count = static_cast<size_t>(batch * tokens * heads * head_dim);
    for (std::vector<float>* numbers : {&q, &k, &v}) {
      numbers->resize(count);
      for (float& number : *numbers) number = normal(random);
    }
    for (float& number : q) number *= 3;  // Weights that differ.
  }

  std::vector<float> run(const FullAttention& attention) {
    std::vector<float> out(q.size(), -77.0F);
    view.q = q.data(), view.k = k.data(), view.v = v.data(), view.out = out.data();
    Memory prepared(full_prepared_bytes(view)), scratch(full_scratch_bytes(view));
    for (int64_t task = full_prepare_tasks(view) - 1; task >= 0; --task) attention.prepare(view, task, prepared.data());
    for (int64_t task = full_attend_tasks(view) - 1; task >= 0; --task) attention.attend(view, task, prepared.data(), scratch.data());
    return out;
  }

  size_t at(int64_t sequence, int64_t token, int64_t head, int64_t channel) const {
    return static_cast<size_t>(((sequence * view.tokens + token) * view.heads + head) * view.head_dim + channel);
  }

  double expected(int64_t sequence, int64_t token, int64_t head, int64_t channel) const {
    std::vector<double> scores;
    double largest = -1e300, total = 0, sum = 0;
    for (int64_t t = 0; t < view.tokens; ++t) {
      double score = 0;
      for (int64_t i = 0; i < view.head_dim; ++i)
        score += static_cast<double>(q[at(sequence, token, head, i)]) * static_cast<double>(k[at(sequence, t, head, i)]);
      scores.push_back(score * static_cast<double>(view.scale));
      largest = std::max(largest, scores.back());
    }
    for (int64_t t = 0; t < view.tokens; ++t) {
      const double weight = std::exp(scores[static_cast<size_t>(t)] - largest);
      total += weight;
      sum += weight * static_cast<double>(v[at(sequence, t, head, channel)]);
    }
    return sum / total;
  }

  FullAttentionStep view;
  std::vector<float> q, k, v;
};

}  // namespace

TEST_CASE("full attention: every implementation that there is") {
  check_tested("attention of images", full_attentions(), {InstructionSet::avx512vnni, InstructionSet::avx2});
}

TEST_CASE("full attention: odd numbers of tokens and channels, several sequences and heads") {
  const std::vector<std::vector<int64_t>> cases = {{1, 1, 1, 1},  {1, 2, 1, 3},   {2, 7, 3, 8},   {1, 33, 2, 9},  {1, 65, 2, 72},
                                                   {2, 97, 1, 64}, {1, 129, 2, 17}, {3, 32, 1, 80}, {1, 201, 1, 128}};
  for (const std::vector<int64_t>& c : cases) {
    Step step(c[0], c[1], c[2], c[3]);
    for (const FullAttention& attention : full_attentions()) {
      CAPTURE(attention.name);
      CAPTURE(c[1]);
      CAPTURE(c[3]);
      const std::vector<float> out = step.run(attention);
      double worst = 0, error = 0, power = 0;
      for (int64_t s = 0; s < c[0]; ++s) {
        for (int64_t t = 0; t < c[1]; ++t) {
          for (int64_t head = 0; head < c[2]; ++head) {
            for (int64_t channel = 0; channel < c[3]; channel += 3) {
              const double wanted = step.expected(s, t, head, channel);
              const double difference = static_cast<double>(out[step.at(s, t, head, channel)]) - wanted;
              worst = std::isnan(difference) ? 1.0 : std::max(worst, std::abs(difference));
              error += difference * difference;
              power += wanted * wanted;
            }
          }
        }
      }
      // Values are about 1, the largest of a block about 3, in steps of a 1,023rd of it.
      CHECK(worst < 4e-3);
      CHECK(std::sqrt(error / power) < 1.5e-3);
    }
  }
}

TEST_CASE("full attention: many small weights beside a large one are not lost") {
  // The first key takes nearly everything and its value is 0; what is left is the mean of values of 1, times their small weight.
  constexpr int64_t kTokens = 501, kHeadDim = 8;
  for (const FullAttention& attention : full_attentions()) {
    CAPTURE(attention.name);
    for (const double apart : {8.0, 10.0, 11.0, 12.0}) {
      Step step(1, kTokens, 1, kHeadDim);
      step.view.scale = 1;
      std::fill(step.q.begin(), step.q.end(), 0.0F);
      std::fill(step.k.begin(), step.k.end(), 0.0F);
      std::fill(step.v.begin(), step.v.end(), 1.0F);
      for (size_t i = 0; i < step.q.size(); i += kHeadDim) step.q[i] = 1.0F;
      step.k[0] = static_cast<float>(apart);
      std::fill(step.v.begin(), step.v.begin() + kHeadDim, 0.0F);
      const double wanted = step.expected(0, 5, 0, 0);
      CHECK(step.run(attention)[step.at(0, 5, 0, 0)] == doctest::Approx(wanted).epsilon(0.02));
    }
  }
}

TEST_CASE("full attention: extremes") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  for (const FullAttention& attention : full_attentions()) {
    CAPTURE(attention.name);
    Step step(1, 70, 2, 12);
    const std::vector<float> clean = step.run(attention);
    // A query that is not finite spoils its own token's head, a value its channel, a key its head; all of them nothing else.
    step.q[step.at(0, 40, 1, 3)] = nan;
    step.v[step.at(0, 69, 0, 7)] = infinity;
    const std::vector<float> spoilt = step.run(attention);
    bool right = true;
    for (int64_t t = 0; t < 70; ++t) {
      for (int64_t head = 0; head < 2; ++head) {
        for (int64_t c = 0; c < 12; ++c) {
          const bool bad = (head == 1 && t == 40) || (head == 0 && c == 7);
          const float got = spoilt[step.at(0, t, head, c)];
          right = right && (bad ? std::isnan(got) : got == clean[step.at(0, t, head, c)]);
        }
      }
    }
    CHECK(right);
    Step keys(1, 70, 2, 12);
    keys.k[keys.at(0, 69, 1, 0)] = -infinity;
    const std::vector<float> out = keys.run(attention);
    CHECK(std::isnan(out[keys.at(0, 0, 1, 0)]));
    CHECK(out[keys.at(0, 0, 0, 0)] == clean[keys.at(0, 0, 0, 0)]);
    // Scores so far apart that nothing but the largest is left; and no scores at all: the mean.
    Step sharp(1, 9, 1, 4);
    for (float& x : sharp.q) x *= 1e6F;
    CHECK(sharp.run(attention)[sharp.at(0, 3, 0, 1)] == doctest::Approx(sharp.expected(0, 3, 0, 1)).epsilon(2e-3));
    std::fill(sharp.q.begin(), sharp.q.end(), 0.0F);
    CHECK(std::abs(static_cast<double>(sharp.run(attention)[sharp.at(0, 3, 0, 1)]) - sharp.expected(0, 3, 0, 1)) < 2e-3);
  }
}
