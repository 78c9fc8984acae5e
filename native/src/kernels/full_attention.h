// SPDX-License-Identifier: Apache-2.0
// Attention of every token with every token, in whole numbers of 16 bits: what an image encoder of products in 8 bits or bfloat16
// needs.
//
// Queries and keys are rounded to steps of their largest element (one step for each token and head), so fine that sums of products
// just fit 32 bits: 12 to 13 bits and a sign for usual heads. Weights are e^(score - largest) in steps of 1/kWeightSteps, what
// rounding leaves over going to the next token, so that many small weights are not lost; values are rounded to 10 bits and a sign,
// with one step for kKeyBlock tokens of a channel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vila::kernels {

/// One layer's attention over `batch` sequences of `tokens` tokens. Any sizes from 1 on; head_dim is at most kMostFullHeadDim.
struct FullAttentionStep {
  int64_t batch = 0, tokens = 0, heads = 0, head_dim = 0;
  const float* q = nullptr;  ///< [batch, tokens, heads * head_dim]
  const float* k = nullptr;  ///< as q
  const float* v = nullptr;  ///< as q
  float scale = 1;           ///< of q times k
  float* out = nullptr;      ///< as q
};

/// One implementation. All tasks of prepare() must be done before the first of attend(); tasks of one kind may run at once. Numbers
/// that are not finite make what depends on them not finite, and nothing else.
struct FullAttention {
  const char* name;  ///< "portable", "avx2", "avx512vnni"
  /// Task `task` of full_prepare_tasks(): a sequence's keys and values of one head into `prepared` (full_prepared_bytes(), aligned
  /// to 64).
  void (*prepare)(const FullAttentionStep& step, int64_t task, uint8_t* prepared);
  /// Task `task` of full_attend_tasks(): some tokens of one head. `scratch` has full_scratch_bytes(), aligned to 64, and belongs to
  /// this call alone.
  void (*attend)(const FullAttentionStep& step, int64_t task, const uint8_t* prepared, uint8_t* scratch);
};

inline constexpr int64_t kMostFullHeadDim = 1024;

int64_t full_prepare_tasks(const FullAttentionStep& step);
int64_t full_attend_tasks(const FullAttentionStep& step);
size_t full_prepared_bytes(const FullAttentionStep& step);
size_t full_scratch_bytes(const FullAttentionStep& step);

/// The implementations that this processor can run, best first; never empty, the last one is "portable".
const std::vector<FullAttention>& full_attentions();

}  // namespace vila::kernels
