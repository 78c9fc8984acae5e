// SPDX-License-Identifier: Apache-2.0
#include "kernels/epilogue_inline.h"
#include "kernels/epilogue_kernels.h"

namespace vila::kernels {

Epilogues portable_epilogues() { return {"portable", finish_inline, gate_inline}; }

}  // namespace vila::kernels
