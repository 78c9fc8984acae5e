// SPDX-License-Identifier: Apache-2.0
#include "kernels/epilogue_inline.h"
#include "kernels/epilogue_kernels.h"

namespace vila::kernels {

Epilogues avx512_epilogues() { return {"avx512", finish_inline, gate_inline}; }

}  // namespace vila::kernels
