// SPDX-License-Identifier: Apache-2.0
#include "common/error.h"
#include "cuda/token_sampler.h"

namespace vila::cuda {

void check_token(const SampledToken& token) {
  switch (token.fault) {
    case SampledToken::Fault::none: return;
    case SampledToken::Fault::not_a_number: fail(ErrorCode::internal, "logit of id ", token.id, " is not a number");
    case SampledToken::Fault::not_finite:
      fail(ErrorCode::internal, "best logit (id ", token.id, ") is ", token.logit, ", expected a finite number");
  }
}

SamplingStages stages_of(const std::vector<SamplingRequest>& requests, int32_t vocab) {
  SamplingStages stages;
  for (const SamplingRequest& request : requests) {
    if (request.slot < 0) continue;
    const Penalties& penalties = request.penalties;
    const bool draws = request.temperature > 0;
    stages.penalties |= penalties.repetition != 1 || penalties.presence != 0 || penalties.frequency != 0;
    stages.draws |= draws;
    stages.top_k |= draws && request.top_k > 0 && request.top_k < vocab;
    stages.top_p |= draws && request.top_p < 1;
  }
  return stages;
}

}  // namespace vila::cuda
