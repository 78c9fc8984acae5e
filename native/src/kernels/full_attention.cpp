// SPDX-License-Identifier: Apache-2.0
#include "kernels/full_attention.h"

#include "kernels/full_attention_kernels.h"
#include "kernels/full_attention_layout.h"
#include "kernels/processor.h"

namespace vila::kernels {

int64_t full_prepare_tasks(const FullAttentionStep& step) { return step.batch * step.heads; }

int64_t full_attend_tasks(const FullAttentionStep& step) {
  return step.batch * step.heads * ((step.tokens + kTileQueries - 1) / kTileQueries);
}

size_t full_prepared_bytes(const FullAttentionStep& step) {
  return static_cast<size_t>(full_prepare_tasks(step)) * PreparedHead::bytes(FullSizes(step));
}

size_t full_scratch_bytes(const FullAttentionStep& step) { return FullScratch::bytes(FullSizes(step)); }

const std::vector<FullAttention>& full_attentions() {
  static const std::vector<FullAttention> list = [] {
    std::vector<FullAttention> usable;
#ifdef VILA_X86
    if (may_use(InstructionSet::avx512vnni)) usable.push_back(avx512vnni_full_attention());
    if (may_use(InstructionSet::avx2)) usable.push_back(avx2_full_attention());
#endif
    usable.push_back(portable_full_attention());
    return usable;
  }();
  return list;
}

}  // namespace vila::kernels
