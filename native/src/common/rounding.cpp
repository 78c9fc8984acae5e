// SPDX-License-Identifier: Apache-2.0
#include "common/rounding.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "common/error.h"

namespace vila {

uint16_t to_bf16(float v) {
  const auto bits = std::bit_cast<uint32_t>(v);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<uint16_t>(bits >> 16 | 0x40U);  // quiet, so that the payload stays
  return static_cast<uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

float f8e4m3_to_f32(uint8_t v) {
  const int exponent = v >> 3 & 0xF, mantissa = v & 0x7;
  float magnitude = 0;
  if (exponent == 0xF && mantissa == 0x7) {
    magnitude = std::bit_cast<float>(0x7FC00000U);
  } else if (exponent == 0) {
    magnitude = std::ldexp(static_cast<float>(mantissa), -9);  // subnormal: mantissa / 8 * 2^-6
  } else {
    magnitude = std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
  }
  return (v & 0x80U) != 0 ? -magnitude : magnitude;
}

uint8_t to_f8e4m3(float v) {
  const auto sign = static_cast<uint8_t>(std::signbit(v) ? 0x80U : 0U);
  const float magnitude = std::fabs(v);
  const auto with_sign = [sign](int code) { return static_cast<uint8_t>(sign | code); };
  if (std::isnan(v)) return with_sign(0x7F);
  if (magnitude >= 448) return with_sign(0x7E);
  if (magnitude < std::ldexp(1.0F, -6)) return with_sign(static_cast<int>(std::nearbyint(std::ldexp(magnitude, 9))));  // 8: 2^-6
  int exponent = 0;
  const float fraction = std::frexp(magnitude, &exponent);  // in [0.5, 1)
  const int steps = static_cast<int>(std::nearbyint(std::ldexp(fraction, 4)));  // 8..16 eighths; 16 carries into the exponent
  return with_sign((exponent + 6) * 8 + steps - 8);
}

void from_f32(DType type, const float* source, void* target, size_t count) {
  if (count == 0) return;
  auto* bytes = static_cast<uint8_t*>(target);
  const auto put = [bytes](size_t i, uint16_t value) { std::memcpy(bytes + 2 * i, &value, sizeof value); };
  switch (type) {
    case DType::f32: std::memcpy(target, source, count * sizeof(float)); return;
    case DType::bf16:
      for (size_t i = 0; i < count; ++i) put(i, to_bf16(source[i]));
      return;
    case DType::f16:
      for (size_t i = 0; i < count; ++i) put(i, to_f16(source[i]));
      return;
    default: fail(ErrorCode::internal, "from_f32: ", name_of(type), " is not a float type");
  }
}

}  // namespace vila
