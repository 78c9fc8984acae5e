// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention_inline.h"
#include "kernels/attention_kernels.h"

namespace vila::kernels {

Attention portable_attention() { return {"portable", append_inline, attend_inline}; }

}  // namespace vila::kernels
