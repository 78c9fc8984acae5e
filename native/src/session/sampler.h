// SPDX-License-Identifier: Apache-2.0
// From logits to the next token.
#pragma once

#include <cstdint>
#include <random>
#include <unordered_map>
#include <vector>

#include "vila/vila.h"

namespace vila {

/// Throws invalid_argument naming the field, its value and its bounds.
void check_options(const GenerationOptions& options);

/// Chooses tokens by GenerationOptions: repetition, presence and frequency penalties on the logits, then greedy, or
/// temperature, top-k, top-p, min-p in this order and a draw from what is left. Same seed, same logits: same tokens, on every
/// machine (no std distribution is used). Ties go to the lower id. One thread.
class Sampler {
 public:
  /// `vocab` bounds the ids. Options must have passed check_options.
  Sampler(const GenerationOptions& options, int32_t vocab);
  /// The seed in use (options.seed, or the fresh one).
  int64_t seed() const { return seed_; }
  /// Ids of the prompt: they count for the repetition penalty. Ids outside 0..vocab-1 are ignored.
  void see_prompt(int32_t id);
  /// Chooses from float32 [vocab]; `logits` is not changed. NaN logits throw internal. The chosen id is remembered for the
  /// penalties.
  int32_t sample(const float* logits);

 private:
  GenerationOptions options_;
  int32_t vocab_;
  int64_t seed_;
  std::mt19937_64 random_;
  std::vector<uint8_t> seen_;
  std::unordered_map<int32_t, int32_t> generated_;
  std::vector<float> scratch_;
  std::vector<int32_t> order_;
};

/// Natural-log probabilities: of `id`, and the `n` best (best first, ties to the lower id). Computed in double.
float logprob_of(const float* logits, int32_t vocab, int32_t id);
std::vector<TokenProbability> top_logprobs(const float* logits, int32_t vocab, int32_t n);

/// Holds back text that could be the beginning of a stop string.
class StopMatcher {
 public:
  explicit StopMatcher(std::vector<std::string> stops);
  /// Adds text; returns what can be shown. After a match `stopped()` is true and nothing more comes.
  std::string push(const std::string& text);
  /// The text that was still held back (empty after a match).
  std::string finish();
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace vila
