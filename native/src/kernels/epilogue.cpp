// SPDX-License-Identifier: Apache-2.0
#include "kernels/epilogue.h"

#include "kernels/epilogue_kernels.h"
#include "kernels/processor.h"

namespace vila::kernels {

const std::vector<Epilogues>& epilogues() {
  static const std::vector<Epilogues> list = [] {
    std::vector<Epilogues> usable;
#ifdef VILA_X86
    if (may_use(InstructionSet::avx512)) usable.push_back(avx512_epilogues());
    if (may_use(InstructionSet::avx2)) usable.push_back(avx2_epilogues());
#endif
    usable.push_back(portable_epilogues());
    return usable;
  }();
  return list;
}

}  // namespace vila::kernels
