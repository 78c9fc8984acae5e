// SPDX-License-Identifier: Apache-2.0
// A CUDA device of plain C++, as much of one as the kernels and their tests use: the kernels' own source files are compiled with
// this header in place of the toolkit's. A kernel's blocks run one after the other, the threads of a block as fibers that change
// places at barriers and warp exchanges, in an order that differs from launch to launch (by a fixed seed), so that a missing
// barrier shows as a wrong result. A barrier that not every thread reaches is an error. It says nothing about speed, about memory
// order between blocks, or about the arithmetic of a real device's exp().
//
// Work on a stream is done at once, or kept while the stream captures, or, on a stream that emulator::hold() holds, when another
// stream waits for an event of it: so a missing wait shows. What cudaMemcpy() brings to the device is there for the default stream,
// and for others once that was waited for, as CUDA promises no more. Any thread may use the device; one at a time does.
//
// There are as many devices as emulator::set_devices() says, alike but for their names, each thread with a current one of its own.
// Work on a stream while another device than the stream's is current is an error (a real device forgives some of it).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __grid_constant__
#define __launch_bounds__(threads)

struct CUstream_st;
typedef CUstream_st* cudaStream_t;
struct CUevent_st;
typedef CUevent_st* cudaEvent_t;

struct uint3 {
  unsigned x, y, z;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInvalidDevice = 101,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorLaunchFailure = 719,
  cudaErrorStreamCaptureInvalidated = 901
};
inline const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaSuccess                         ? "no error"
         : error == cudaErrorInvalidValue             ? "invalid argument"
         : error == cudaErrorMemoryAllocation         ? "out of memory"
         : error == cudaErrorInvalidConfiguration     ? "invalid configuration argument"
         : error == cudaErrorInvalidDevice            ? "invalid device ordinal"
         : error == cudaErrorInvalidResourceHandle    ? "invalid resource handle"
         : error == cudaErrorStreamCaptureInvalidated ? "operation failed due to a previous error during capture"
                                                      : "unspecified launch failure";
}
inline const char* cudaGetErrorName(cudaError_t error) {
  return error == cudaSuccess                         ? "cudaSuccess"
         : error == cudaErrorInvalidValue             ? "cudaErrorInvalidValue"
         : error == cudaErrorMemoryAllocation         ? "cudaErrorMemoryAllocation"
         : error == cudaErrorInvalidConfiguration     ? "cudaErrorInvalidConfiguration"
         : error == cudaErrorInvalidDevice            ? "cudaErrorInvalidDevice"
         : error == cudaErrorInvalidResourceHandle    ? "cudaErrorInvalidResourceHandle"
         : error == cudaErrorStreamCaptureInvalidated ? "cudaErrorStreamCaptureInvalidated"
                                                      : "cudaErrorLaunchFailure";
}

namespace emulator {

/// Does work on a stream, or keeps it while the stream captures.
cudaError_t enqueue(cudaStream_t stream, std::function<cudaError_t()> work);
/// Memory of all devices that is in use, that of one, and how much there is (nothing bounds it at first).
size_t bytes_in_use();
size_t bytes_in_use(int device);
void set_memory(size_t bytes);
/// How many devices there are; 1 at first.
void set_devices(int count);
/// Copies between host and device that streams have done so far, those of graphs too.
struct Copies {
  int up = 0, down = 0;
  size_t bytes_up = 0, bytes_down = 0;
};
Copies copies();
/// Keeps the work of this stream from now on until it is waited for, as a slow device would.
void hold(cudaStream_t stream);

}  // namespace emulator

enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
/// Filled with 0xFF bytes, which are no numbers in any float type.
cudaError_t cudaMalloc(void** memory, size_t bytes);
cudaError_t cudaFree(void* memory);
inline cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  *memory = std::malloc(bytes);
  return cudaSuccess;
}
inline cudaError_t cudaFreeHost(void* memory) {
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
inline cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  return emulator::enqueue(stream, [=] {
    std::memset(to, value, bytes);
    return cudaSuccess;
  });
}
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount = 16 };
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaSetDevice(int device);
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  *value = 4;
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize();
inline cudaError_t cudaGetLastError() { return cudaSuccess; }

constexpr unsigned cudaStreamNonBlocking = 1;
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);

constexpr unsigned cudaEventDisableTiming = 2;
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);

enum cudaMemoryType { cudaMemoryTypeUnregistered, cudaMemoryTypeHost, cudaMemoryTypeDevice, cudaMemoryTypeManaged };
struct cudaPointerAttributes {
  cudaMemoryType type = cudaMemoryTypeUnregistered;
  int device = -1;
};
/// What cudaMalloc() has given is memory of the device, all else is unknown.
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer);

struct CUgraph_st;
typedef CUgraph_st* cudaGraph_t;
typedef CUgraph_st* cudaGraphExec_t;
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal };
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable);
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream);

cudaError_t cudaGetDeviceCount(int* count);
struct cudaDeviceProp {
  char name[32] = "emulator";
  int major = 0, minor = 0, multiProcessorCount = 4;
};
/// Device n is "emulator" of compute capability 0.n.
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
};

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

namespace emulator {

/// Runs `thread` once for every thread of the grid.
cudaError_t run(const cudaLaunchConfig_t& config, const std::function<void()>& thread);
/// Waits for the block, or for the warp.
void block_barrier();
void warp_barrier();
/// 32 words that the warp exchanges.
uint32_t* warp_words();

}  // namespace emulator

template <typename... Params, typename... Args>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Params...), const Args&... args) {
  return emulator::enqueue(config->stream, [launch = *config, kernel, args...] {
    return emulator::run(launch, [&] { kernel(args...); });
  });
}

inline void __syncthreads() { emulator::block_barrier(); }
inline float __shfl_xor_sync(unsigned, float value, int distance) {
  const unsigned lane = threadIdx.x % 32;
  std::memcpy(emulator::warp_words() + lane, &value, sizeof value);
  emulator::warp_barrier();
  std::memcpy(&value, emulator::warp_words() + (lane ^ static_cast<unsigned>(distance)), sizeof value);
  emulator::warp_barrier();
  return value;
}
template <typename Number>
Number atomicAdd(Number* at, Number value) {
  const Number before = *at;
  *at += value;
  return before;
}
inline float __int_as_float(int bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
using std::max;
using std::min;
