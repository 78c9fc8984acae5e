// SPDX-License-Identifier: Apache-2.0
// Device memory of tests.
#pragma once

#include <cuda_runtime.h>
#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

namespace vila::testing {

/// An array on the device, filled with 0xA5 bytes where the test puts nothing. Owned; released at its end.
template <typename Element>
class DeviceArray {
 public:
  explicit DeviceArray(size_t count) : count_(count) {
    const std::vector<uint8_t> filler(bytes(), 0xA5);
    REQUIRE(cudaMalloc(&memory_, bytes() > 0 ? bytes() : 1) == cudaSuccess);
    REQUIRE(cudaMemcpy(memory_, filler.data(), bytes(), cudaMemcpyHostToDevice) == cudaSuccess);
  }
  explicit DeviceArray(const std::vector<Element>& values) : DeviceArray(values.size()) { write(values); }
  ~DeviceArray() { cudaFree(memory_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  Element* get() const { return static_cast<Element*>(memory_); }
  void write(const std::vector<Element>& values) {
    REQUIRE(values.size() == count_);
    REQUIRE(cudaMemcpy(memory_, values.data(), bytes(), cudaMemcpyHostToDevice) == cudaSuccess);
  }
  /// Waits for all work.
  std::vector<Element> read() const {
    std::vector<Element> values(count_);
    const cudaError_t error = cudaDeviceSynchronize();
    INFO("device: " << cudaGetErrorString(error));
    REQUIRE(error == cudaSuccess);
    REQUIRE(cudaMemcpy(values.data(), memory_, bytes(), cudaMemcpyDeviceToHost) == cudaSuccess);
    return values;
  }

 private:
  size_t bytes() const { return count_ * sizeof(Element); }
  size_t count_;
  void* memory_ = nullptr;
};

}  // namespace vila::testing
