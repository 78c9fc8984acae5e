// SPDX-License-Identifier: Apache-2.0
#include "plan/decoder.h"

#include "common/error.h"

namespace vila::plan {

void Decoder::begin_sampling(SequenceCache& /*cache*/, const GenerationOptions& /*options*/, uint64_t /*seed*/,
                             const std::vector<int32_t>& /*prompt*/) {
  fail(ErrorCode::internal, "decoder: begin_sampling() of a backend that does not sample");
}

void Decoder::read_logits(SequenceCache& /*cache*/, float* /*logits*/) {
  fail(ErrorCode::internal, "decoder: read_logits() of a backend that does not sample");
}

void require_id(int32_t id, int64_t vocab) {
  if (id < 0 || id >= vocab) fail(ErrorCode::invalid_argument, "token id ", id, ": the model has ids 0 to ", vocab - 1);
}

}  // namespace vila::plan
