// SPDX-License-Identifier: Apache-2.0
// Memory, streams and graphs of the current CUDA device, released on that device at their end, in whatever thread. Every function
// throws capacity for lack of device memory and backend with CUDA's own words for anything else.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace vila::plan::tensorrt {

/// Throws unless `error` is success; `what` begins the message.
void check_cuda(cudaError_t error, const char* what);

/// The number of the device that is this thread's current one.
int current_device();

/// Makes a device this thread's current one as long as it lives; then the one before is current again. CUDA keeps one for each
/// thread, so that every call of ours from a caller's thread begins with this.
class DeviceScope {
 public:
  explicit DeviceScope(int device);
  ~DeviceScope();
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  const int device_, before_;
};

/// The same around `release`, for destructors: what goes wrong is passed over, since the device is lost then, or the process at its
/// end.
template <typename Release>
void release_on(int device, Release&& release) noexcept {
  int before = device;
  cudaGetDevice(&before);
  if (before != device) cudaSetDevice(device);
  release();
  if (before != device) cudaSetDevice(before);
}

/// Device memory, aligned to 256 bytes; empty by default.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  explicit DeviceMemory(size_t bytes);
  ~DeviceMemory();
  DeviceMemory(DeviceMemory&& other) noexcept;
  DeviceMemory& operator=(DeviceMemory&& other) noexcept;

  size_t bytes() const { return bytes_; }
  template <typename Element = void>
  Element* get() const {
    return static_cast<Element*>(memory_);
  }
  uint8_t* at(size_t offset) const { return static_cast<uint8_t*>(memory_) + offset; }

 private:
  void* memory_ = nullptr;
  size_t bytes_ = 0;
  int device_ = 0;
};

/// Page-locked memory of the host, which copies to and from the device need to run beside the host's work.
class HostMemory {
 public:
  explicit HostMemory(size_t bytes);
  ~HostMemory();
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;

  template <typename Element>
  Element* get() const {
    return static_cast<Element*>(memory_);
  }

 private:
  const int device_ = current_device();
  void* memory_ = nullptr;
};

/// A point in the work of a stream.
class DeviceEvent {
 public:
  DeviceEvent();
  ~DeviceEvent();
  DeviceEvent(const DeviceEvent&) = delete;
  DeviceEvent& operator=(const DeviceEvent&) = delete;

  cudaEvent_t get() const { return event_; }

 private:
  const int device_ = current_device();
  cudaEvent_t event_ = nullptr;
};

/// Throws invalid_argument, naming `what`, unless `bytes` from `memory` on are memory of the current device, as the driver knows
/// it.
void require_device_memory(const void* memory, size_t bytes, const char* what);

/// A captured piece of work; empty by default.
class DeviceGraph {
 public:
  DeviceGraph() = default;
  ~DeviceGraph();
  DeviceGraph(DeviceGraph&& other) noexcept;
  DeviceGraph& operator=(DeviceGraph&& other) noexcept;
  explicit operator bool() const { return executable_ != nullptr; }

 private:
  friend class DeviceStream;
  cudaGraphExec_t executable_ = nullptr;
  int device_ = 0;
};

/// A stream of its own, independent of the default one. Used while its device is the current one.
class DeviceStream {
 public:
  DeviceStream();
  ~DeviceStream();
  DeviceStream(const DeviceStream&) = delete;
  DeviceStream& operator=(const DeviceStream&) = delete;

  cudaStream_t get() const { return stream_; }
  void copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind);
  void clear(void* memory, size_t bytes);
  void wait();
  /// What this stream gets from now on comes behind what `other` has got so far. `event` may be used again at once.
  void follow(cudaStream_t other, const DeviceEvent& event);
  /// What `work` puts on this stream, instead of doing it. Throws what `work` throws.
  template <typename Work>
  DeviceGraph capture(Work&& work) {
    begin_capture();
    try {
      work();
    } catch (...) {
      abandon_capture();
      throw;
    }
    return end_capture();
  }
  void launch(const DeviceGraph& graph);

 private:
  void begin_capture();
  void abandon_capture() noexcept;
  DeviceGraph end_capture();
  const int device_ = current_device();
  cudaStream_t stream_ = nullptr;
};

}  // namespace vila::plan::tensorrt
