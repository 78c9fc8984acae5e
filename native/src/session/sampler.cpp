// SPDX-License-Identifier: Apache-2.0
#include "session/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "common/error.h"
#include "common/utf8.h"

namespace vila {
namespace {

constexpr int32_t kMostTopLogprobs = 20;
constexpr int32_t kFewRanks = 1024;  // Up to here a heap finds the best ranks faster than partitioning.

template <typename Value>
void require(bool ok, const char* field, Value value, const char* expected) {
  if (!ok) fail(ErrorCode::invalid_argument, field, " is ", value, ", expected ", expected);
}

/// The best id. Throws internal unless it has a finite logit and there is no NaN.
int32_t best_of(const float* logits, int32_t vocab) {
  int32_t best = 0;
  float value = -std::numeric_limits<float>::infinity();
  for (int32_t id = 0; id < vocab; ++id) {
    if (logits[id] <= value) continue;
    if (std::isnan(logits[id])) fail(ErrorCode::internal, "logit of id ", id, " is not a number");
    best = id;
    value = logits[id];
  }
  if (!std::isfinite(logits[best])) fail(ErrorCode::internal, "best logit (id ", best, ") is ", logits[best], ", expected a finite number");
  return best;
}

/// Turns logits into natural-log probabilities.
class LogSoftmax {
 public:
  LogSoftmax(const float* logits, int32_t vocab) : best_(logits[best_of(logits, vocab)]) {
    double sum = 0;
    for (int32_t id = 0; id < vocab; ++id) sum += std::exp(static_cast<double>(logits[id]) - best_);
    log_sum_ = std::log(sum);
  }
  float operator()(float logit) const { return static_cast<float>((static_cast<double>(logit) - best_) - log_sum_); }

 private:
  double best_, log_sum_ = 0;
};

/// Whether `a` comes before `b`: the greater logit, then the lower id.
struct Better {
  const float* logits;
  bool operator()(int32_t a, int32_t b) const { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; }
};

/// A number in [0, 1) from the upper 53 bits.
double uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

/// The place in `weights` where the running sum passes `u` times the whole; a weight of 0 is never chosen.
size_t pick(const std::vector<double>& weights, double u) {
  const double target = u * std::accumulate(weights.begin(), weights.end(), 0.0);
  double sum = 0;
  size_t last = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] <= 0) continue;
    sum += weights[i];
    last = i;
    if (sum > target) break;
  }
  return last;
}

int64_t fresh_seed() {
  std::random_device device;
  const uint64_t bits = static_cast<uint64_t>(device()) << 32 | device();
  return static_cast<int64_t>(bits >> 1);
}

}  // namespace

void check_options(const GenerationOptions& options) {
  require(options.max_new_tokens >= 1, "max_new_tokens", options.max_new_tokens, "at least 1");
  require(std::isfinite(options.temperature) && options.temperature >= 0, "temperature", options.temperature,
          "a finite number of at least 0");
  require(options.top_k >= 0, "top_k", options.top_k, "at least 0 (0 is off)");
  require(options.top_p > 0 && options.top_p <= 1, "top_p", options.top_p, "a number greater than 0 and at most 1 (1 is off)");
  require(options.min_p >= 0 && options.min_p < 1, "min_p", options.min_p, "a number of at least 0 and less than 1 (0 is off)");
  require(std::isfinite(options.repetition_penalty) && options.repetition_penalty > 0, "repetition_penalty",
          options.repetition_penalty, "a finite number greater than 0 (1 is off)");
  require(std::isfinite(options.presence_penalty), "presence_penalty", options.presence_penalty, "a finite number (0 is off)");
  require(std::isfinite(options.frequency_penalty), "frequency_penalty", options.frequency_penalty, "a finite number (0 is off)");
  require(options.top_logprobs >= -1 && options.top_logprobs <= kMostTopLogprobs, "top_logprobs", options.top_logprobs,
          "-1 (off) or 0 to 20");
  for (size_t i = 0; i < options.stop.size(); ++i) {
    const std::string field = join("stop[", i, "]");
    if (options.stop[i].empty()) fail(ErrorCode::invalid_argument, field, " is empty, expected at least one character");
    require_utf8(options.stop[i], field);
  }
  for (size_t i = 0; i < options.stop_ids.size(); ++i) {
    require(options.stop_ids[i] >= 0, join("stop_ids[", i, "]").c_str(), options.stop_ids[i], "at least 0");
  }
}

Sampler::Sampler(const GenerationOptions& options, int32_t vocab)
    : options_(options),
      vocab_(vocab),
      seed_(options.seed >= 0 ? options.seed : fresh_seed()),
      penalized_(options.repetition_penalty != 1 || options.presence_penalty != 0 || options.frequency_penalty != 0),
      random_(static_cast<uint64_t>(seed_)) {
  if (vocab <= 0) fail(ErrorCode::internal, "sampler: vocabulary of ", vocab, " ids, expected at least 1");
  const size_t size = static_cast<size_t>(vocab);
  if (penalized_) {
    seen_.resize(size);
    seen_ids_.reserve(size);
    generated_.resize(size);
    penalized_logits_.resize(size);
  }
  if (options.temperature > 0) {
    weights_.resize(size);
    order_.resize(size);
  }
}

void Sampler::see(int32_t id) {
  if (seen_[static_cast<size_t>(id)] != 0) return;
  seen_[static_cast<size_t>(id)] = 1;
  seen_ids_.push_back(id);
}

void Sampler::see_prompt(int32_t id) {
  if (penalized_ && id >= 0 && id < vocab_) see(id);
}

int32_t Sampler::sample(const float* logits) {
  const float* values = penalized_ ? penalize(logits) : logits;
  const int32_t best = best_of(values, vocab_);
  const int32_t id = options_.temperature > 0 ? draw(values, values[best]) : best;
  if (penalized_) {
    see(id);
    ++generated_[static_cast<size_t>(id)];
  }
  return id;
}

const float* Sampler::penalize(const float* logits) {
  std::copy(logits, logits + vocab_, penalized_logits_.begin());
  for (const int32_t id : seen_ids_) {
    float& logit = penalized_logits_[static_cast<size_t>(id)];
    if (!std::isfinite(logit)) continue;
    const int32_t times = generated_[static_cast<size_t>(id)];
    double value = logit;
    value = value > 0 ? value / options_.repetition_penalty : value * options_.repetition_penalty;
    if (times > 0) value -= static_cast<double>(options_.presence_penalty) + static_cast<double>(options_.frequency_penalty) * times;
    // A finite logit stays finite, whatever the penalties.
    constexpr double kMost = std::numeric_limits<float>::max();
    logit = static_cast<float>(std::clamp(value, -kMost, kMost));
  }
  return penalized_logits_.data();
}

double Sampler::weight(float logit, float best) const {
  return std::exp((static_cast<double>(logit) - static_cast<double>(best)) / static_cast<double>(options_.temperature));
}

int32_t Sampler::draw(const float* logits, float best) {
  const double u = uniform(random_);
  if (options_.top_k > 0 && options_.top_k < vocab_) {
    weigh_top_k(logits, best);
  } else {
    for (int32_t id = 0; id < vocab_; ++id) weights_[static_cast<size_t>(id)] = weight(logits[id], best);
  }
  if (options_.top_p < 1) drop_beyond_top_p(logits);
  for (double& w : weights_) w = w >= options_.min_p ? w : 0;  // The best weight is exactly 1.
  return static_cast<int32_t>(pick(weights_, u));
}

void Sampler::weigh_top_k(const float* logits, float best) {
  const auto kept = order_.begin() + options_.top_k;
  std::iota(order_.begin(), order_.end(), 0);
  if (options_.top_k <= kFewRanks) {
    std::partial_sort(order_.begin(), kept, order_.end(), Better{logits});
  } else {
    std::nth_element(order_.begin(), kept, order_.end(), Better{logits});
  }
  std::fill(weights_.begin(), weights_.end(), 0.0);
  for (auto id = order_.begin(); id != kept; ++id) weights_[static_cast<size_t>(*id)] = weight(logits[*id], best);
}

void Sampler::drop_beyond_top_p(const float* logits) {
  const double total = std::accumulate(weights_.begin(), weights_.end(), 0.0);
  const double p = options_.top_p;
  // Weights below this are in sum less than what top-p drops, so all of them are dropped.
  const double negligible = (1 - p) * total / vocab_;
  auto end = order_.begin();
  for (int32_t id = 0; id < vocab_; ++id) {
    double& w = weights_[static_cast<size_t>(id)];
    if (w >= negligible) {
      *end++ = id;
    } else {
      w = 0;
    }
  }
  // Halves the ranks in question until one is left: with it, and not before, the sum reaches p.
  auto first = order_.begin(), last = end;
  double sum = 0;
  while (last - first > 1) {
    const auto middle = first + (last - first) / 2;
    std::nth_element(first, middle, last, Better{logits});
    double half = 0;
    for (auto id = first; id != middle; ++id) half += weights_[static_cast<size_t>(*id)];
    if (sum + half >= p * total) {
      last = middle;
    } else {
      sum += half;
      first = middle;
    }
  }
  for (auto id = first + 1; id != end; ++id) weights_[static_cast<size_t>(*id)] = 0;
}

float logprob_of(const float* logits, int32_t vocab, int32_t id) {
  if (id < 0 || id >= vocab) fail(ErrorCode::invalid_argument, "id is ", id, ", expected 0 to ", vocab - 1);
  return LogSoftmax(logits, vocab)(logits[id]);
}

std::vector<TokenProbability> top_logprobs(const float* logits, int32_t vocab, int32_t n) {
  const LogSoftmax log_softmax(logits, vocab);
  const size_t count = static_cast<size_t>(std::clamp(n, 0, vocab));
  std::vector<int32_t> ids;
  ids.reserve(count + 1);
  const Better better{logits};
  for (int32_t id = 0; id < vocab && count > 0; ++id) {
    if (ids.size() == count && !better(id, ids.back())) continue;
    ids.insert(std::upper_bound(ids.begin(), ids.end(), id, better), id);
    if (ids.size() > count) ids.pop_back();
  }
  std::vector<TokenProbability> best(count);
  for (size_t i = 0; i < count; ++i) best[i] = {ids[i], log_softmax(logits[ids[i]])};
  return best;
}

}  // namespace vila
