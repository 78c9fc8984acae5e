// SPDX-License-Identifier: Apache-2.0
// From logits to the next token of every request of a batch, on the device: what Sampler (session/sampler.h) does, in the same
// order (penalties, then greedy or temperature, top-k, top-p, min-p and a draw).
//
// How far it draws what Sampler draws for the same logits, options, prompt and seed:
// - Penalties, the greedy choice, what top-k keeps, ties (to the lower id), the random numbers (mt19937_64, one a token unless
//   greedy) and the refusal of NaN are exactly the same.
// - Weights are exp((logit - best) / temperature) in double, where CUDA's exp() and the host's may differ in the last bit, rounded
//   to a multiple of 2^-bits, bits = 63 - ceil(log2(vocab)) (2^-46 for 128,256 ids). Sums of weights are exact, where Sampler's are
//   rounded in the order of ids. So three comparisons may come out otherwise when both sides agree to about vocab * 2^-bits of the
//   sum: whether the last id of top-p is needed, whether a weight reaches min_p, and which of two neighbours the draw falls on. An
//   id whose weight is below half of 2^-bits is never drawn; Sampler draws all such ids together with a chance below
//   vocab * 2^-bits.
// - Results are the same in every run on every GPU on which exp() gives the same bits; nothing depends on the order of threads or
//   on the rest of the batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/sampling_math.h"
#include "cuda/stream.h"

namespace vila::cuda {

/// What a slot remembers of its request: the random numbers and which ids were seen. Device memory.
struct SamplerSlots {
  Twister* twisters = nullptr;  ///< [slots]
  uint32_t* seen = nullptr;  ///< [slots, vocab]: 0, or one more than how often an id was generated; null: no request has penalties
  int32_t slots = 0;
  int32_t vocab = 0;  ///< at most 2^22
};

/// Options of one request of a step, as GenerationOptions has them and check_options() passes them.
struct SamplingRequest {
  int32_t slot = -1;      ///< below SamplerSlots::slots; below 0: this row of the batch is left out. No two rows have one slot.
  float temperature = 0;  ///< 0 is greedy
  int32_t top_k = 0;
  float top_p = 1, min_p = 0;
  Penalties penalties;
};

/// Which stages any request of a batch needs; the others are not launched. Host.
struct SamplingStages {
  bool penalties = false, draws = false, top_k = false, top_p = false;
};
SamplingStages stages_of(const std::vector<SamplingRequest>& requests, int32_t vocab);

/// The choice for one row.
struct SampledToken {
  enum class Fault : int32_t { none = 0, not_a_number = 1, not_finite = 2 };
  int32_t id = -1;  ///< the token; or the lowest id with a NaN, or the best id, whose logit is not finite; -1: left out
  Fault fault = Fault::none;
  float logit = 0;  ///< of `id`, penalties applied
};
/// Throws internal, with the words of Sampler::sample, if there is a fault. Host.
void check_token(const SampledToken& token);

/// In place of the id of a faulty or left-out row: no row of an embedding table (gather_rows() writes NaN for it).
inline constexpr int32_t kNoToken = INT32_MAX;

/// One step. The layout of `workspace` is private; it need not be initialised and holds nothing between steps.
struct SamplingStep {
  int32_t batch = 0;
  const float* logits = nullptr;  ///< [batch, stride], the first vocab of each row; not changed
  int64_t stride = 0;
  const SamplingRequest* requests = nullptr;  ///< [batch]
  SamplingStages stages;                      ///< at least what stages_of() says
  void* workspace = nullptr;                  ///< sampling_workspace_bytes(), 256-byte aligned
  SampledToken* tokens = nullptr;             ///< [batch]: for the host
  int32_t* ids = nullptr;                     ///< [batch]: sources of gather_rows()
};

size_t sampling_workspace_bytes(int32_t batch, int32_t vocab);

/// Kernels "sampler_seed" and "sampler_see": begins a request in `slot`: forgets what was seen, seeds the numbers, and sees the
/// `count` ids of the prompt, int32 [count]; ids outside 0..vocab-1 are ignored, as those of image tokens.
void begin_sampling(const SamplerSlots& slots, int32_t slot, uint64_t seed, const int32_t* prompt_ids, int32_t count,
                    cudaStream_t stream);

/// Kernels "sampler_scan", "sampler_weigh", "sampler_digit", "sampler_sum" and "sampler_choose": chooses a token for every row and
/// remembers it in its slot. -infinity bans an id. A faulty row changes nothing in its slot.
void sample_tokens(const SamplerSlots& slots, const SamplingStep& step, cudaStream_t stream);

}  // namespace vila::cuda
