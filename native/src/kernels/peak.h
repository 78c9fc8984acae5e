// SPDX-License-Identifier: Apache-2.0
// What the products of this room reach at best.
#pragma once

#include "kernels/bf16_product.h"
#include "kernels/product.h"

namespace vila::kernels {

/// Multiply-accumulates a second in `threads` threads that each multiply their own small matrix, in 8 bits or bfloat16, over and
/// over for `seconds`: sum of what each reaches. A thread's data is a third of a megabyte, or two thirds, so it stays in a core's
/// own cache.
double multiply_accumulates_per_second(const Product& product, int threads, double seconds);
double multiply_accumulates_per_second(const Bf16Product& product, int threads, double seconds);

}  // namespace vila::kernels
