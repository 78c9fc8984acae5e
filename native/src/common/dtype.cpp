// SPDX-License-Identifier: Apache-2.0
#include "common/dtype.h"

#include <cstring>

#include "common/error.h"

namespace vila {

const char* name_of(DType t) {
  switch (t) {
    case DType::f32: return "fp32";
    case DType::f16: return "fp16";
    case DType::bf16: return "bf16";
    case DType::i64: return "int64";
    case DType::i32: return "int32";
    case DType::i16: return "int16";
    case DType::i8: return "int8";
    case DType::u8: return "uint8";
    case DType::boolean: return "bool";
  }
  return "?";
}

float f16_to_f32(uint16_t v) {
  const uint32_t sign = static_cast<uint32_t>(v & 0x8000U) << 16;
  const uint32_t exponent = (v >> 10) & 0x1FU;
  uint32_t mantissa = v & 0x3FFU;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000U | (mantissa << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  if (mantissa == 0) return std::bit_cast<float>(sign);
  uint32_t shift = 0;
  while ((mantissa & 0x400U) == 0) {
    mantissa <<= 1;
    ++shift;
  }
  return std::bit_cast<float>(sign | ((113 - shift) << 23) | ((mantissa & 0x3FFU) << 13));
}

uint16_t to_f16(float v) {
  const auto bits = std::bit_cast<uint32_t>(v);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000U);
  const uint32_t magnitude = bits & 0x7FFFFFFFU;
  const auto with_sign = [sign](uint32_t half) { return static_cast<uint16_t>(sign | half); };
  if (magnitude > 0x7F800000U) return with_sign(0x7E00U);
  if (magnitude >= 0x47800000U) return with_sign(0x7C00U);  // 65536 and more
  if (magnitude < 0x38800000U) {                            // below 2^-14: adding 0.5 rounds at the place of the last subnormal bit
    const float rounded = std::bit_cast<float>(magnitude) + 0.5F;
    return with_sign(std::bit_cast<uint32_t>(rounded) - 0x3F000000U);
  }
  const uint32_t odd = magnitude >> 13 & 1U;
  return with_sign((magnitude - 0x38000000U + 0xFFFU + odd) >> 13);  // 65520 and more carry into infinity
}

void to_f32(DType type, const void* source, float* target, size_t count) {
  if (count == 0) return;  // memcpy takes no null pointers, not even for nothing.
  const auto* bytes = static_cast<const uint8_t*>(source);
  const auto half = [bytes](size_t i) {  // Files need not align their tensors.
    uint16_t value;
    std::memcpy(&value, bytes + 2 * i, sizeof value);
    return value;
  };
  switch (type) {
    case DType::f32: std::memcpy(target, source, count * sizeof(float)); return;
    case DType::bf16:
      for (size_t i = 0; i < count; ++i) target[i] = bf16_to_f32(half(i));
      return;
    case DType::f16:
      for (size_t i = 0; i < count; ++i) target[i] = f16_to_f32(half(i));
      return;
    default: fail(ErrorCode::internal, "to_f32: ", name_of(type), " is not a float type");
  }
}

}  // namespace vila
