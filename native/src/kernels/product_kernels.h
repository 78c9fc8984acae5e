// SPDX-License-Identifier: Apache-2.0
// The implementations behind products(); each may only run where the processor has its instruction set.
#pragma once

#include "kernels/product.h"

namespace vila::kernels {

Product portable_product();
Product avx2_product();
Product avx512vnni_product();

}  // namespace vila::kernels
