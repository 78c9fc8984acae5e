// SPDX-License-Identifier: Apache-2.0
#include "kernels/layer_norm_inline.h"
#include "kernels/layer_norm_kernels.h"

namespace vila::kernels {

LayerNorm avx512_layer_norm() { return {"avx512", normalize_inline}; }

}  // namespace vila::kernels
