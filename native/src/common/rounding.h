// SPDX-License-Identifier: Apache-2.0
// Floats rounded to narrower types, beyond dtype.h's to_f16().
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/dtype.h"

namespace vila {

/// The nearest bfloat16, ties to even; overflow gives infinity, NaN stays NaN.
uint16_t to_bf16(float v);
/// FP8 E4M3 as ONNX's FLOAT8E4M3FN: sign, 4 exponent bits (bias 7), 3 mantissa bits; no infinities, 0x7F and 0xFF are NaN.
float f8e4m3_to_f32(uint8_t v);
/// The nearest E4M3, ties to even; magnitudes above 448, infinities included, give 448; NaN stays NaN.
uint8_t to_f8e4m3(float v);
/// The other way of to_f32(): rounds `count` floats to f32, f16 or bf16.
void from_f32(DType type, const float* source, void* target, size_t count);

}  // namespace vila
