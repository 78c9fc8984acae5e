// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/dtype.h"

struct __half {
  uint16_t bits;
};
inline float __half2float(__half value) { return vila::f16_to_f32(value.bits); }
inline __half __float2half_rn(float value) { return {vila::to_f16(value)}; }
