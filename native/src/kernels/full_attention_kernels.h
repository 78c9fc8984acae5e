// SPDX-License-Identifier: Apache-2.0
// The implementations behind full_attentions(); each may only run where the processor has its instruction set.
#pragma once

#include "kernels/full_attention.h"

namespace vila::kernels {

FullAttention portable_full_attention();
FullAttention avx2_full_attention();
FullAttention avx512vnni_full_attention();

}  // namespace vila::kernels
