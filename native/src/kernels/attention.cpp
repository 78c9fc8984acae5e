// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention.h"

#include "kernels/attention_kernels.h"
#include "kernels/attention_tiles.h"
#include "kernels/processor.h"

namespace vila::kernels {

int64_t append_tasks(const AttentionStep& step) { return step.batch * step.kv_heads * step.length; }

int64_t attend_tasks(const AttentionStep& step) {
  const int64_t rows = step.length * (step.heads / step.kv_heads);
  return step.batch * step.kv_heads * ((rows + kTileRows - 1) / kTileRows);
}

size_t attend_scratch(const AttentionStep& step) { return AttendScratch::bytes(step.head_dim); }

const std::vector<Attention>& attentions() {
  static const std::vector<Attention> list = [] {
    std::vector<Attention> usable;
#ifdef VILA_X86
    if (may_use(InstructionSet::avx512)) usable.push_back(avx512_attention());
    if (may_use(InstructionSet::avx2)) usable.push_back(avx2_attention());
#endif
    usable.push_back(portable_attention());
    return usable;
  }();
  return list;
}

}  // namespace vila::kernels
