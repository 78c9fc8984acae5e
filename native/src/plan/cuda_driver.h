// SPDX-License-Identifier: Apache-2.0
// NVIDIA's driver and its devices, as doctor() tells of them. Needs no CUDA header and no toolkit.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vila::plan {

struct CudaDevice {
  std::string name;
  uint64_t memory_bytes = 0;
  int major = 0, minor = 0;  ///< compute capability
};

struct CudaDriver {
  int version = 0;                  ///< of CUDA, 1000 * major + 10 * minor; 0 without a driver
  std::vector<CudaDevice> devices;  ///< in CUDA's order
  std::string problem;              ///< why there is no device, in one line; empty where there is one
};

/// Opens the driver (for good: it is not made to be unloaded) and asks it for its devices. `file` is libcuda.so.1 when empty.
/// Throws nothing but std::bad_alloc. Any thread.
CudaDriver look_at_cuda_driver(const std::string& file);

/// "for CUDA 13.0, 1 device: NVIDIA H200 (139.8 GiB, compute capability 9.0)", or the problem. Devices whose compute capability is
/// less than `least_major`.0 are marked.
std::string describe(const CudaDriver& driver, int least_major);

}  // namespace vila::plan
