// SPDX-License-Identifier: Apache-2.0
// From logits to the next token.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "vila/vila.h"

namespace vila {

/// Throws invalid_argument naming the field, its value and its bounds.
void check_options(const GenerationOptions& options);

/// Chooses tokens by GenerationOptions: repetition, presence and frequency penalties on the logits, then greedy, or
/// temperature, top-k, top-p, min-p in this order and a draw from what is left. Same seed, same logits: same tokens, on every
/// machine (no std distribution is used). Ties go to the lower id. One thread. Memory is taken by the constructor only.
class Sampler {
 public:
  /// `vocab` bounds the ids. Options must have passed check_options.
  Sampler(const GenerationOptions& options, int32_t vocab);
  /// The seed in use (options.seed, or the fresh one).
  int64_t seed() const { return seed_; }
  /// Ids of the prompt: they count for the repetition penalty. Ids outside 0..vocab-1 are ignored.
  void see_prompt(int32_t id);
  /// Chooses from float32 [vocab]; `logits` is not changed. -infinity bans an id; NaN, +infinity, or no finite logit at all
  /// throw internal. The chosen id is remembered for the penalties. Unless greedy, each call takes one number from the seed's
  /// sequence.
  int32_t sample(const float* logits);

 private:
  const float* penalize(const float* logits);
  int32_t draw(const float* logits, float best);
  void weigh_top_k(const float* logits, float best);
  void drop_beyond_top_p(const float* logits);
  double weight(float logit, float best) const;
  void see(int32_t id);

  GenerationOptions options_;
  int32_t vocab_;
  int64_t seed_;
  bool penalized_;
  std::mt19937_64 random_;
  std::vector<uint8_t> seen_;           ///< [vocab] of prompt or answer
  std::vector<int32_t> seen_ids_;       ///< the same as a list
  std::vector<int32_t> generated_;      ///< [vocab] how often each id was chosen
  std::vector<float> penalized_logits_; ///< [vocab]
  std::vector<double> weights_;         ///< [vocab] probabilities before normalisation; 0: dropped
  std::vector<int32_t> order_;          ///< [vocab] ids, partly sorted
};

/// Natural-log probabilities: of `id`, and the `n` best (best first, ties to the lower id). Computed in double. Logits that
/// Sampler::sample refuses throw internal here too; an id outside 0..vocab-1 throws invalid_argument.
float logprob_of(const float* logits, int32_t vocab, int32_t id);
std::vector<TokenProbability> top_logprobs(const float* logits, int32_t vocab, int32_t n);

/// Holds back text that could be the beginning of a stop string.
///
/// The text ends where the first stop string is complete: of all places where some stop string ends, the earliest counts; of
/// several stop strings that end there, the longest. So the answer does not depend on how the text is cut into pieces. What is
/// held back is never more than the longest stop string, and it is exactly the longest end of the text that begins a stop string.
class StopMatcher {
 public:
  /// Throws invalid_argument on an empty stop string.
  explicit StopMatcher(std::vector<std::string> stops);
  /// Adds text (whole UTF-8 characters); returns what can be shown. After a match `stopped()` is true and nothing more comes.
  std::string push(const std::string& text);
  /// The text that was still held back (empty after a match).
  std::string finish();
  bool stopped() const { return stopped_; }

 private:
  /// A stop string and how much of its beginning the text now ends with (Knuth, Morris, Pratt: "Fast pattern matching in
  /// strings", 1977).
  struct Pattern {
    explicit Pattern(std::string stop);
    /// Takes one byte of text; true when the whole stop string has been seen.
    bool advance(char byte);

    std::string text;
    std::vector<size_t> border;     ///< border[n]: the longest proper beginning of text[0,n) that also ends it
    size_t matched = 0;
  };
  std::vector<Pattern> patterns_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace vila
