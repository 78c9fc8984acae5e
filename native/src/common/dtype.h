// SPDX-License-Identifier: Apache-2.0
// Element types and conversions.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace vila {

enum class DType : uint8_t { f32, f16, bf16, i64, i32, i16, i8, u8, boolean };

/// Bytes of one element.
constexpr size_t size_of(DType t) {
  switch (t) {
    case DType::i64: return 8;
    case DType::f32: case DType::i32: return 4;
    case DType::f16: case DType::bf16: case DType::i16: return 2;
    default: return 1;
  }
}
/// "fp32", "bf16", ...
const char* name_of(DType t);

inline float bf16_to_f32(uint16_t v) { return std::bit_cast<float>(static_cast<uint32_t>(v) << 16); }
/// IEEE binary16, subnormals, infinities and NaN included.
float f16_to_f32(uint16_t v);
/// The nearest binary16, ties to even; overflow gives infinity, NaN stays NaN.
uint16_t to_f16(float v);
/// Converts `count` elements of type f32, f16 or bf16 to float.
void to_f32(DType type, const void* source, float* target, size_t count);

}  // namespace vila
