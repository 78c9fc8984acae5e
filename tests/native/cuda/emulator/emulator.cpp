// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <ucontext.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <vector>

#include "cuda_runtime.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

struct CUgraph_st {
  std::vector<std::function<cudaError_t()>> work;
};
struct CUstream_st {
  int device = 0;
  std::unique_ptr<CUgraph_st> captured;  ///< while it captures
  bool held = false;
  std::vector<std::function<cudaError_t()>> waiting;  ///< of a held stream
};
struct CUevent_st {
  int device = 0;
  cudaStream_t stream = nullptr;
  size_t work = 0;  ///< of the stream's waiting, what was there when it was recorded
};

namespace emulator {
namespace {

std::recursive_mutex device;  // guards the device's work; a test's engine may enqueue more from within
std::mutex memory_mutex;      // guards the three below
struct Allocation {
  size_t bytes;
  int device;
};
std::map<void*, Allocation> allocations;
size_t in_use = 0, memory_bytes = SIZE_MAX;

std::atomic<int> devices{1};
thread_local int current = 0;

Copies done;  // under `device`

/// What cudaMemcpy() has taken and not yet brought to the device. Under `device`.
std::vector<std::function<void()>> brought;
void bring() {
  for (const auto& copy : brought) copy();
  brought.clear();
}

constexpr size_t kStackBytes = 256 * 1024;
constexpr unsigned kWarp = 32;

enum class State { ready, at_block_barrier, at_warp_barrier, done };

struct Fiber {
  ucontext_t start;  ///< the beginning on a stack of its own; later changes of place are jumps, which make no system calls
  jmp_buf place;
  bool started = false;
  uint8_t* stack = nullptr;  ///< kStackBytes
  void* fake_stack = nullptr;
  uint3 index{};
  State state = State::ready;
};

/// The block that is running.
struct Block {
  std::vector<Fiber> fibers;
  std::vector<uint32_t> words;  ///< 32 a warp
  jmp_buf scheduler;
  const void* scheduler_stack = nullptr;
  size_t scheduler_stack_bytes = 0;
  size_t current = 0;
  const std::function<void()>* thread = nullptr;
};
Block* block = nullptr;

/// Tell AddressSanitizer that the next jump goes to another stack, and that it has arrived.
void leave([[maybe_unused]] void** fake_stack, [[maybe_unused]] const void* to, [[maybe_unused]] size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(fake_stack, to, bytes);
#endif
}
void arrive([[maybe_unused]] void* fake_stack, [[maybe_unused]] const void** from, [[maybe_unused]] size_t* bytes) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake_stack, from, bytes);
#endif
}

[[noreturn]] void to_scheduler() { _longjmp(block->scheduler, 1); }

void enter() {
  arrive(nullptr, &block->scheduler_stack, &block->scheduler_stack_bytes);
  (*block->thread)();
  block->fibers[block->current].state = State::done;
  leave(nullptr, block->scheduler_stack, block->scheduler_stack_bytes);
  to_scheduler();
}

/// Puts a fiber at the beginning of a thread.
[[gnu::noinline]] void prepare(Fiber& fiber) {
  fiber.state = State::ready;
  fiber.started = false;
  getcontext(&fiber.start);
  fiber.start.uc_stack.ss_sp = fiber.stack;
  fiber.start.uc_stack.ss_size = kStackBytes;
  fiber.start.uc_link = nullptr;
  makecontext(&fiber.start, enter, 0);
}

/// Runs a fiber until it waits or is done.
[[gnu::noinline]] void resume(Fiber& fiber) {
  threadIdx = fiber.index;
  void* fake_stack = nullptr;
  leave(&fake_stack, fiber.stack, kStackBytes);
  if (_setjmp(block->scheduler) != 0) {
    arrive(fake_stack, nullptr, nullptr);
    return;
  }
  if (fiber.started) _longjmp(fiber.place, 1);
  fiber.started = true;
  setcontext(&fiber.start);
}

[[gnu::noinline]] void wait(State state) {
  Fiber& fiber = block->fibers[block->current];
  fiber.state = state;
  leave(&fiber.fake_stack, block->scheduler_stack, block->scheduler_stack_bytes);
  if (_setjmp(fiber.place) == 0) to_scheduler();
  arrive(fiber.fake_stack, nullptr, nullptr);
}

/// Lets the fibers [begin, end) go on if all that are not done wait at such a barrier.
bool release(size_t begin, size_t end, State state) {
  bool any = false;
  for (size_t i = begin; i < end; ++i) {
    const State is = block->fibers[i].state;
    if (is != state && is != State::done) return false;
    any |= is == state;
  }
  for (size_t i = begin; i < end; ++i) {
    if (block->fibers[i].state == state) block->fibers[i].state = State::ready;
  }
  return any;
}

/// Runs every fiber to its end; false if some wait at barriers that the others do not reach.
bool run_block(std::mt19937& random) {
  Block& here = *block;
  const size_t count = here.fibers.size();
  std::vector<size_t> order(count);
  for (size_t i = 0; i < count; ++i) order[i] = i;
  for (;;) {
    std::shuffle(order.begin(), order.end(), random);
    bool progress = false, done = true;
    for (const size_t i : order) {
      Fiber& fiber = here.fibers[i];
      if (fiber.state == State::ready) {
        here.current = i;
        resume(fiber);
        progress = true;
      }
      done &= fiber.state == State::done;
    }
    if (done) return true;
    for (size_t warp = 0; warp < count; warp += kWarp) {
      progress |= release(warp, std::min<size_t>(warp + kWarp, count), State::at_warp_barrier);
    }
    progress |= release(0, count, State::at_block_barrier);
    if (!progress) return false;
  }
}

}  // namespace

cudaError_t run(const cudaLaunchConfig_t& config, const std::function<void()>& thread) {
  const dim3 grid = config.gridDim, size = config.blockDim;
  const size_t count = static_cast<size_t>(size.x) * size.y * size.z;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7FFFFFFF || grid.y > 65535 || grid.z > 65535 || count == 0 ||
      count > 1024) {
    return cudaErrorInvalidConfiguration;
  }
  static std::mt19937 random(1);
  Block here;
  here.fibers = std::vector<Fiber>(count);
  here.words.resize((count + kWarp - 1) / kWarp * kWarp);
  here.thread = &thread;
  static std::vector<std::unique_ptr<uint8_t[]>> stacks;  // kept from launch to launch
  while (stacks.size() < count) stacks.push_back(std::make_unique_for_overwrite<uint8_t[]>(kStackBytes));
  for (size_t i = 0; i < count; ++i) {
    Fiber& fiber = here.fibers[i];
    fiber.stack = stacks[i].get();
    const auto at = static_cast<unsigned>(i);
    fiber.index = {at % size.x, at / size.x % size.y, at / size.x / size.y};
  }
  block = &here;
  gridDim = grid;
  blockDim = size;
  bool whole = true;
  for (unsigned z = 0; z < grid.z && whole; ++z) {
    for (unsigned y = 0; y < grid.y && whole; ++y) {
      for (unsigned x = 0; x < grid.x && whole; ++x) {
        blockIdx = {x, y, z};
        for (Fiber& fiber : here.fibers) prepare(fiber);
        whole = run_block(random);
      }
    }
  }
  block = nullptr;
  if (!whole) std::fprintf(stderr, "emulator: threads wait at a barrier that others do not reach\n");
  return whole ? cudaSuccess : cudaErrorLaunchFailure;
}

cudaError_t enqueue(cudaStream_t stream, std::function<cudaError_t()> work) {
  if (stream != nullptr && stream->device != current) return cudaErrorInvalidResourceHandle;
  if (stream != nullptr && stream->captured != nullptr) {
    stream->captured->work.push_back(std::move(work));
    return cudaSuccess;
  }
  const std::lock_guard lock(device);
  if (stream != nullptr && stream->held) {
    stream->waiting.push_back(std::move(work));
    return cudaSuccess;
  }
  if (stream == nullptr) bring();
  return work();
}

void hold(cudaStream_t stream) { stream->held = true; }

namespace {

/// Does the first `count` pieces of what waits.
cudaError_t catch_up(cudaStream_t stream, size_t count) {
  const std::lock_guard lock(device);
  count = std::min(count, stream->waiting.size());
  const std::vector<std::function<cudaError_t()>> work(stream->waiting.begin(), stream->waiting.begin() + static_cast<long>(count));
  stream->waiting.erase(stream->waiting.begin(), stream->waiting.begin() + static_cast<long>(count));
  for (const auto& piece : work) {
    if (const cudaError_t error = piece(); error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

}  // namespace

size_t bytes_in_use() {
  const std::lock_guard lock(memory_mutex);
  return in_use;
}

size_t bytes_in_use(int of) {
  const std::lock_guard lock(memory_mutex);
  size_t sum = 0;
  for (const auto& [memory, allocation] : allocations) sum += allocation.device == of ? allocation.bytes : 0;
  return sum;
}

void set_devices(int count) { devices = count; }

Copies copies() {
  const std::lock_guard lock(device);
  return done;
}

void set_memory(size_t bytes) {
  const std::lock_guard lock(memory_mutex);
  memory_bytes = bytes;
}

void block_barrier() { wait(State::at_block_barrier); }
void warp_barrier() { wait(State::at_warp_barrier); }
uint32_t* warp_words() { return block->words.data() + block->current / kWarp * kWarp; }

}  // namespace emulator

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  const std::lock_guard lock(emulator::memory_mutex);
  if (emulator::in_use + bytes > emulator::memory_bytes) return cudaErrorMemoryAllocation;
  const size_t whole = (bytes + 255) / 256 * 256;
  *memory = std::aligned_alloc(256, whole);
  std::memset(*memory, 0xFF, whole);
  emulator::allocations[*memory] = {bytes, emulator::current};
  emulator::in_use += bytes;
  return cudaSuccess;
}

cudaError_t cudaFree(void* memory) {
  cudaDeviceSynchronize();
  const std::lock_guard lock(emulator::memory_mutex);
  const auto found = emulator::allocations.find(memory);
  if (found == emulator::allocations.end()) return cudaSuccess;
  emulator::in_use -= found->second.bytes;
  emulator::allocations.erase(found);
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  if (bytes == 0) return cudaSuccess;
  const std::lock_guard lock(emulator::device);
  const auto* first = static_cast<const uint8_t*>(from);
  if (kind == cudaMemcpyHostToDevice) {  // The host's memory has been read; when the device's is written is another matter.
    emulator::brought.push_back([to, copy = std::vector<uint8_t>(first, first + bytes)] { std::memcpy(to, copy.data(), copy.size()); });
    return cudaSuccess;
  }
  emulator::bring();
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return emulator::enqueue(stream, [=] {
    if (bytes > 0) std::memcpy(to, from, bytes);
    emulator::Copies& done = emulator::done;
    if (kind == cudaMemcpyHostToDevice) ++done.up, done.bytes_up += bytes;
    if (kind == cudaMemcpyDeviceToHost) ++done.down, done.bytes_down += bytes;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceSynchronize() {
  const std::lock_guard lock(emulator::device);
  emulator::bring();
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = emulator::current;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= emulator::devices) return cudaErrorInvalidDevice;
  emulator::current = device;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = emulator::devices;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= emulator::devices) return cudaErrorInvalidDevice;
  *properties = {};
  properties->minor = device;
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new CUstream_st;
  (*stream)->device = emulator::current;
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream == nullptr) return cudaDeviceSynchronize();
  if (stream->captured == nullptr) return emulator::catch_up(stream, SIZE_MAX);
  stream->captured.reset();  // as CUDA has it: a wait within a capture ends it
  return cudaErrorStreamCaptureInvalidated;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  (*event)->device = emulator::current;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const std::lock_guard lock(emulator::device);
  if (event->device != (stream != nullptr ? stream->device : emulator::current)) return cudaErrorInvalidResourceHandle;
  if (stream == nullptr) emulator::bring();
  *event = {event->device, stream, stream != nullptr ? stream->waiting.size() : 0};
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t event, unsigned) {
  return event->stream != nullptr ? emulator::catch_up(event->stream, event->work) : cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  const std::lock_guard lock(emulator::memory_mutex);
  *attributes = {};
  const auto* byte = static_cast<const uint8_t*>(pointer);
  for (const auto& [memory, allocation] : emulator::allocations) {
    const auto* begin = static_cast<const uint8_t*>(memory);
    if (byte >= begin && byte < begin + allocation.bytes) *attributes = {cudaMemoryTypeDevice, allocation.device};
  }
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  stream->captured = std::make_unique<CUgraph_st>();
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = stream->captured.release();
  return *graph != nullptr ? cudaSuccess : cudaErrorStreamCaptureInvalidated;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = new CUgraph_st(*graph);
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  for (const auto& work : executable->work) {
    if (const cudaError_t error = emulator::enqueue(stream, work); error != cudaSuccess) return error;
  }
  return cudaSuccess;
}
