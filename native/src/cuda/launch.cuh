// SPDX-License-Identifier: Apache-2.0
// Checks and launches, the same for every kernel.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "common/error.h"
#include "cuda/stream.h"

namespace vila::cuda {

/// Throws backend with the kernel's name unless `error` is success.
inline void check(cudaError_t error, const char* kernel) {
  if (error != cudaSuccess) {
    fail(ErrorCode::backend, "CUDA kernel ", kernel, ": ", cudaGetErrorString(error), " (", cudaGetErrorName(error), ")");
  }
}

/// Throws invalid_argument: "<kernel>: <field> is <value>, expected <expected>".
template <typename Value>
void require(bool ok, const char* kernel, const char* field, const Value& value, const char* expected) {
  if (!ok) fail(ErrorCode::invalid_argument, kernel, ": ", field, " is ", value, ", expected ", expected);
}

/// Throws invalid_argument unless a pointer is there and a multiple of `alignment`.
inline void require_pointer(const void* pointer, const char* kernel, const char* field, uintptr_t alignment) {
  if (pointer == nullptr) fail(ErrorCode::invalid_argument, kernel, ": ", field, " is null, expected device memory");
  if (reinterpret_cast<uintptr_t>(pointer) % alignment != 0) {
    fail(ErrorCode::invalid_argument, kernel, ": ", field, " is ", pointer, ", expected a multiple of ", alignment);
  }
}

/// Enqueues kernel(args...). Grids are never empty here.
template <typename... Params, typename... Args>
void launch(const char* name, void (*kernel)(Params...), dim3 grid, unsigned block, cudaStream_t stream, const Args&... args) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(block);
  config.stream = stream;
  check(cudaLaunchKernelEx(&config, kernel, args...), name);
}

/// ceil(count / size) of numbers that are not negative.
template <typename Number>
constexpr Number pieces(Number count, Number size) {
  return (count + size - 1) / size;
}

}  // namespace vila::cuda
