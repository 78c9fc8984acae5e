// SPDX-License-Identifier: Apache-2.0
#include "kernels/layer_norm_inline.h"
#include "kernels/layer_norm_kernels.h"

namespace vila::kernels {

LayerNorm portable_layer_norm() { return {"portable", normalize_inline}; }

}  // namespace vila::kernels
