// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/dtype.h"
#include "common/rounding.h"

struct __nv_bfloat16 {
  uint16_t bits;
};
inline float __bfloat162float(__nv_bfloat16 value) { return vila::bf16_to_f32(value.bits); }
inline __nv_bfloat16 __float2bfloat16_rn(float value) { return {vila::to_bf16(value)}; }
