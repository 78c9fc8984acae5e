// SPDX-License-Identifier: Apache-2.0
// What this processor and system offer, as the files of this room are compiled for it.
#pragma once

namespace vila::kernels {

bool has_avx2();        ///< with FMA and F16C
bool has_avx512();      ///< F, BW, VL, DQ, and has_avx2()
bool has_avx512vnni();  ///< and has_avx512()
bool has_avx512bf16();  ///< and has_avx512()

}  // namespace vila::kernels
