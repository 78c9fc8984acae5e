// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/device.h"

#include <utility>

#include "common/error.h"

namespace vila::plan::tensorrt {

void check_cuda(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  const ErrorCode code = error == cudaErrorMemoryAllocation ? ErrorCode::capacity : ErrorCode::backend;
  fail(code, what, ": ", cudaGetErrorString(error), " (", cudaGetErrorName(error), ")");
}

DeviceMemory::DeviceMemory(size_t bytes) : bytes_(bytes) {
  if (bytes > 0) check_cuda(cudaMalloc(&memory_, bytes), "device memory");
}

DeviceMemory::~DeviceMemory() { cudaFree(memory_); }

DeviceMemory::DeviceMemory(DeviceMemory&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

DeviceMemory& DeviceMemory::operator=(DeviceMemory&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

HostMemory::HostMemory(size_t bytes) { check_cuda(cudaMallocHost(&memory_, bytes), "page-locked memory"); }

HostMemory::~HostMemory() { cudaFreeHost(memory_); }

DeviceGraph::~DeviceGraph() {
  if (executable_ != nullptr) cudaGraphExecDestroy(executable_);
}

DeviceGraph::DeviceGraph(DeviceGraph&& other) noexcept : executable_(std::exchange(other.executable_, nullptr)) {}

DeviceGraph& DeviceGraph::operator=(DeviceGraph&& other) noexcept {
  std::swap(executable_, other.executable_);
  return *this;
}

DeviceStream::DeviceStream() { check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "CUDA stream"); }

DeviceStream::~DeviceStream() { cudaStreamDestroy(stream_); }

void DeviceStream::copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  check_cuda(cudaMemcpyAsync(to, from, bytes, kind, stream_), "copy");
}

void DeviceStream::clear(void* memory, size_t bytes) { check_cuda(cudaMemsetAsync(memory, 0, bytes, stream_), "clear"); }

void DeviceStream::wait() { check_cuda(cudaStreamSynchronize(stream_), "work on the device"); }

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
  const cudaError_t error = cudaGraphInstantiate(&result.executable_, graph, 0);
  cudaGraphDestroy(graph);
  check_cuda(error, "CUDA graph");
  return result;
}

void DeviceStream::launch(const DeviceGraph& graph) { check_cuda(cudaGraphLaunch(graph.executable_, stream_), "CUDA graph"); }

}  // namespace vila::plan::tensorrt
