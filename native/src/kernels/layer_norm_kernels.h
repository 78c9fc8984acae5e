// SPDX-License-Identifier: Apache-2.0
// The implementations behind layer_norms(); each may only run where the processor has its instruction set.
#pragma once

#include "kernels/layer_norm.h"

namespace vila::kernels {

LayerNorm portable_layer_norm();
LayerNorm avx2_layer_norm();
LayerNorm avx512_layer_norm();

}  // namespace vila::kernels
