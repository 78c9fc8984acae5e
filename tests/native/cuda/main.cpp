// SPDX-License-Identifier: Apache-2.0
// Runs the tests of a kernel, or says that there is no GPU and returns what ctest takes for a skipped test.
#include <cuda_runtime.h>
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

int main(int argc, char** argv) {
  constexpr int kSkipped = 77;
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) {
    std::printf("SKIPPED: the CUDA kernels have not run on a GPU: %s\n",
                error != cudaSuccess ? cudaGetErrorString(error) : "none found");
    return kSkipped;
  }
  cudaDeviceProp device;
  if (cudaGetDeviceProperties(&device, 0) == cudaSuccess) {
    std::printf("device: %s, compute capability %d.%d\n", device.name, device.major, device.minor);
  }
  return doctest::Context(argc, argv).run();
}
