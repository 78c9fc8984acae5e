// SPDX-License-Identifier: Apache-2.0
#include "kernels/bf16_product.h"

#include "kernels/bf16_kernels.h"
#include "kernels/processor.h"

namespace vila::kernels {

const std::vector<Bf16Product>& bf16_products() {
  static const std::vector<Bf16Product> list = [] {
    std::vector<Bf16Product> usable;
#ifdef VILA_X86
    if (may_use(InstructionSet::avx512bf16)) usable.push_back(avx512bf16_bf16_product());
    if (may_use(InstructionSet::avx512)) usable.push_back(avx512_bf16_product());
    if (may_use(InstructionSet::avx2)) usable.push_back(avx2_bf16_product());
#endif
    usable.push_back(portable_bf16_product());
    return usable;
  }();
  return list;
}

}  // namespace vila::kernels
