// SPDX-License-Identifier: Apache-2.0
// What no product on this processor can exceed.
#pragma once

#include "kernels/bf16_product.h"
#include "kernels/product.h"

namespace vila::kernels {

/// Multiply-accumulates a second in `threads` threads that each do nothing but a product's at_best() for `seconds`: the sum of each
/// thread's fastest millisecond. A product reaches less, because it reads, unpacks and scales numbers too.
double multiply_accumulates_per_second(const Product& product, int threads, double seconds);
double multiply_accumulates_per_second(const Bf16Product& product, int threads, double seconds);

}  // namespace vila::kernels
