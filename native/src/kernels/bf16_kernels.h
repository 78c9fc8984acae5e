// SPDX-License-Identifier: Apache-2.0
// The implementations behind bf16_products(); each may only run where the processor has its instruction set.
#pragma once

#include "kernels/bf16_product.h"

namespace vila::kernels {

Bf16Product portable_bf16_product();
Bf16Product avx2_bf16_product();
Bf16Product avx512_bf16_product();
Bf16Product avx512bf16_bf16_product();

}  // namespace vila::kernels
