// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/device.h"

#include <utility>

#include "common/error.h"

namespace vila::plan::tensorrt {

void check_cuda(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // It is told here: whoever asks next is not to take it for its own.
  const ErrorCode code = error == cudaErrorMemoryAllocation ? ErrorCode::capacity : ErrorCode::backend;
  fail(code, what, ": ", cudaGetErrorString(error), " (", cudaGetErrorName(error), ")");
}

int current_device() {
  int device = 0;
  check_cuda(cudaGetDevice(&device), "CUDA device");
  return device;
}

DeviceScope::DeviceScope(int device) : device_(device), before_(current_device()) {
  if (device_ != before_) check_cuda(cudaSetDevice(device_), "CUDA device");
}

DeviceScope::~DeviceScope() {
  if (device_ != before_) cudaSetDevice(before_);
}

DeviceMemory::DeviceMemory(size_t bytes) : bytes_(bytes), device_(current_device()) {
  if (bytes > 0) check_cuda(cudaMalloc(&memory_, bytes), "device memory");
}

DeviceMemory::~DeviceMemory() {
  if (memory_ != nullptr) release_on(device_, [this] { cudaFree(memory_); });
}

DeviceMemory::DeviceMemory(DeviceMemory&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)), bytes_(std::exchange(other.bytes_, 0)), device_(other.device_) {}

DeviceMemory& DeviceMemory::operator=(DeviceMemory&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(bytes_, other.bytes_);
  std::swap(device_, other.device_);
  return *this;
}

HostMemory::HostMemory(size_t bytes) { check_cuda(cudaMallocHost(&memory_, bytes), "page-locked memory"); }

HostMemory::~HostMemory() {
  release_on(device_, [this] { cudaFreeHost(memory_); });
}

DeviceEvent::DeviceEvent() { check_cuda(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "CUDA event"); }

DeviceEvent::~DeviceEvent() {
  release_on(device_, [this] { cudaEventDestroy(event_); });
}

void require_device_memory(const void* memory, size_t bytes, const char* what) {
  const auto* first = static_cast<const uint8_t*>(memory);
  const int current = current_device();
  for (const uint8_t* byte : {first, first + (bytes - 1)}) {
    cudaPointerAttributes attributes{};
    const cudaError_t error = cudaPointerGetAttributes(&attributes, byte);
    const char* place = byte == first ? " begins at " : " ends at ";
    if (error == cudaErrorInvalidValue || (error == cudaSuccess && attributes.type == cudaMemoryTypeUnregistered)) {
      cudaGetLastError();  // of older drivers, for memory that they do not know
      fail(ErrorCode::invalid_argument, what, place, static_cast<const void*>(byte), ", which is no memory of a CUDA device");
    }
    check_cuda(error, what);
    if (attributes.type == cudaMemoryTypeHost) {
      fail(ErrorCode::invalid_argument, what, place, static_cast<const void*>(byte),
           ", which is memory of the host, expected a device's");
    }
    if (attributes.type == cudaMemoryTypeDevice && attributes.device != current) {
      fail(ErrorCode::invalid_argument, what, place, static_cast<const void*>(byte), ", which is memory of device ",
           attributes.device, ", expected device ", current);
    }
  }
}

DeviceGraph::~DeviceGraph() {
  if (executable_ != nullptr) release_on(device_, [this] { cudaGraphExecDestroy(executable_); });
}

DeviceGraph::DeviceGraph(DeviceGraph&& other) noexcept
    : executable_(std::exchange(other.executable_, nullptr)), device_(other.device_) {}

DeviceGraph& DeviceGraph::operator=(DeviceGraph&& other) noexcept {
  std::swap(executable_, other.executable_);
  std::swap(device_, other.device_);
  return *this;
}

DeviceStream::DeviceStream() { check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "CUDA stream"); }

DeviceStream::~DeviceStream() {
  release_on(device_, [this] { cudaStreamDestroy(stream_); });
}

void DeviceStream::copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  check_cuda(cudaMemcpyAsync(to, from, bytes, kind, stream_), "copy");
}

void DeviceStream::clear(void* memory, size_t bytes) { check_cuda(cudaMemsetAsync(memory, 0, bytes, stream_), "clear"); }

void DeviceStream::wait() { check_cuda(cudaStreamSynchronize(stream_), "work on the device"); }

void DeviceStream::follow(cudaStream_t other, const DeviceEvent& event) {
  check_cuda(cudaEventRecord(event.get(), other), "event on the caller's CUDA stream");
  check_cuda(cudaStreamWaitEvent(stream_, event.get(), 0), "wait for the caller's CUDA stream");
}

void DeviceStream::begin_capture() {
  check_cuda(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "capture of a CUDA graph");
}

void DeviceStream::abandon_capture() noexcept {
  cudaGraph_t graph = nullptr;
  if (cudaStreamEndCapture(stream_, &graph) == cudaSuccess) cudaGraphDestroy(graph);
  cudaGetLastError();  // What broke the capture is reported by whoever met it.
}

DeviceGraph DeviceStream::end_capture() {
  cudaGraph_t graph = nullptr;
  check_cuda(cudaStreamEndCapture(stream_, &graph), "capture of a CUDA graph");
  DeviceGraph result;
  result.device_ = device_;
  const cudaError_t error = cudaGraphInstantiate(&result.executable_, graph, 0);
  cudaGraphDestroy(graph);
  check_cuda(error, "CUDA graph");
  return result;
}

void DeviceStream::launch(const DeviceGraph& graph) { check_cuda(cudaGraphLaunch(graph.executable_, stream_), "CUDA graph"); }

}  // namespace vila::plan::tensorrt
