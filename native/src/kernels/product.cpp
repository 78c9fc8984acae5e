// SPDX-License-Identifier: Apache-2.0
#include "kernels/product.h"

#include "kernels/processor.h"
#include "kernels/product_kernels.h"

namespace vila::kernels {

const std::vector<Product>& products() {
  static const std::vector<Product> list = [] {
    std::vector<Product> usable;
#ifdef VILA_X86
    if (may_use(InstructionSet::avx512vnni)) usable.push_back(avx512vnni_product());
    if (may_use(InstructionSet::avx2)) usable.push_back(avx2_product());
#endif
    usable.push_back(portable_product());
    return usable;
  }();
  return list;
}

}  // namespace vila::kernels
