// SPDX-License-Identifier: Apache-2.0
// The implementations behind epilogues(); each may only run where the processor has its instruction set.
#pragma once

#include "kernels/epilogue.h"

namespace vila::kernels {

Epilogues portable_epilogues();
Epilogues avx2_epilogues();
Epilogues avx512_epilogues();

}  // namespace vila::kernels
