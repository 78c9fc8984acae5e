// SPDX-License-Identifier: Apache-2.0
// The implementations behind attentions(); each may only run where the processor has its instruction set.
#pragma once

#include "kernels/attention.h"

namespace vila::kernels {

Attention portable_attention();
Attention avx2_attention();
Attention avx512_attention();

}  // namespace vila::kernels
