// SPDX-License-Identifier: Apache-2.0
// Elements of fp32, fp16 and bf16 as float32 and back (nearest, ties to even), one at a time or eight.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "common/dtype.h"

namespace vila::cuda {

__device__ inline float to_float(__half value) { return __half2float(value); }
__device__ inline float to_float(__nv_bfloat16 value) { return __bfloat162float(value); }

template <typename Element>
__device__ Element from_float(float value);
template <>
__device__ inline float from_float<float>(float value) {
  return value;
}
template <>
__device__ inline __half from_float<__half>(float value) {
  return __float2half_rn(value);
}
template <>
__device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float value) {
  return __float2bfloat16_rn(value);
}

/// Element `index` of an array whose type is known at run time: f32, f16 or bf16.
__device__ inline float element_at(DType type, const void* array, int64_t index) {
  if (type == DType::f16) return to_float(static_cast<const __half*>(array)[index]);
  if (type == DType::bf16) return to_float(static_cast<const __nv_bfloat16*>(array)[index]);
  return static_cast<const float*>(array)[index];
}

/// Eight elements of 16 bits, read at once; `from` is a multiple of 16 bytes.
template <typename Element>
struct alignas(16) Eight {
  Element values[8];
};
template <typename Element>
__device__ void load_eight(const Element* from, float (&to)[8]) {
  const uint4 bits = *reinterpret_cast<const uint4*>(from);
  Eight<Element> eight;
  memcpy(&eight, &bits, sizeof eight);
#pragma unroll
  for (int i = 0; i < 8; ++i) to[i] = to_float(eight.values[i]);
}

}  // namespace vila::cuda
