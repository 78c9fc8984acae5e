// SPDX-License-Identifier: Apache-2.0
#include "kernels/layer_norm.h"

#include "kernels/layer_norm_kernels.h"
#include "kernels/processor.h"

namespace vila::kernels {

const std::vector<LayerNorm>& layer_norms() {
  static const std::vector<LayerNorm> list = [] {
    std::vector<LayerNorm> usable;
#ifdef VILA_X86
    if (may_use(InstructionSet::avx512)) usable.push_back(avx512_layer_norm());
    if (may_use(InstructionSet::avx2)) usable.push_back(avx2_layer_norm());
#endif
    usable.push_back(portable_layer_norm());
    return usable;
  }();
  return list;
}

}  // namespace vila::kernels
