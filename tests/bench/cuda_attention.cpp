// SPDX-License-Identifier: Apache-2.0
// How close the attention of a decode step comes to what the GPU's memory can do: bytes of the rows in use per second, beside
// copying memory, for capacities far above and little above the rows in use. One layer's kernels, in a CUDA graph over so many
// caches that none is still in the GPU's L2 when its turn comes again. Usage: bench_cuda_attention
#include <cuda_runtime.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <vector>

#include "common/error.h"
#include "cuda/decode_attention.h"

using namespace vila;  // NOLINT

namespace {

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) fail(ErrorCode::backend, what, ": ", cudaGetErrorString(error));
}

/// Device memory of zeros.
class Memory {
 public:
  explicit Memory(size_t bytes) {
    check(cudaMalloc(&data_, bytes), "allocating");
    check(cudaMemset(data_, 0, bytes), "clearing");
  }
  ~Memory() { cudaFree(data_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  void* get() const { return data_; }

 private:
  void* data_ = nullptr;
};

/// Seconds of what `work` puts on the stream, the median of 5 runs of 20 of them in a CUDA graph.
double seconds(cudaStream_t stream, const std::function<void()>& work) {
  constexpr int kRepeats = 20;
  work();  // outside of a capture first: kernels are loaded
  check(cudaStreamSynchronize(stream), "first run");
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capture");
  work();
  check(cudaStreamEndCapture(stream, &graph), "capture");
  check(cudaGraphInstantiate(&executable, graph, 0), "graph");
  std::vector<double> runs;
  for (int run = 0; run < 6; ++run) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kRepeats; ++i) check(cudaGraphLaunch(executable, stream), "launch");
    check(cudaStreamSynchronize(stream), "run");
    if (run > 0) runs.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / kRepeats);
  }
  check(cudaGraphExecDestroy(executable), "graph");
  check(cudaGraphDestroy(graph), "graph");
  std::sort(runs.begin(), runs.end());
  return runs[runs.size() / 2];
}

struct Shape {
  const char* model;
  int32_t heads, kv_heads, head_dim;
};
constexpr Shape kShapes[] = {{"VILA1.5-3B", 20, 20, 128}, {"Llama-3-VILA1.5-8B", 32, 8, 128}, {"VILA1.5-13B", 40, 40, 128}};

/// Prints one row of the table.
void measure(const Shape& shape, int32_t batch, int64_t capacity, int32_t used, double bandwidth, cudaStream_t stream) {
  constexpr size_t kBeyondL2 = size_t{512} << 20, kMost = size_t{16} << 30;
  const size_t row = static_cast<size_t>(shape.kv_heads * shape.head_dim) * sizeof(uint16_t) * static_cast<size_t>(batch);
  const size_t bytes = 2 * row * static_cast<size_t>(used);  // keys and values that are read
  const size_t cache = row * static_cast<size_t>(capacity);
  const size_t caches = std::max<size_t>(1, std::min(kBeyondL2 / bytes, kMost / (2 * cache)));
  const Memory keys(caches * cache), values(caches * cache);
  cuda::DecodeAttention step;
  step.batch = batch, step.heads = shape.heads, step.kv_heads = shape.kv_heads, step.head_dim = shape.head_dim;
  step.capacity = capacity;
  step.splits = cuda::decode_attention_splits(batch, shape.kv_heads, capacity, cuda::decode_attention_multiprocessors());
  step.scale = 1 / std::sqrt(static_cast<float>(shape.head_dim));
  const size_t width = static_cast<size_t>(batch * shape.heads * shape.head_dim) * sizeof(uint16_t);
  const Memory q(width), out(width), lengths(static_cast<size_t>(batch) * sizeof(int32_t));
  const Memory workspace(cuda::decode_attention_workspace(batch, shape.heads, shape.head_dim, step.splits) * sizeof(float) + 1);
  const std::vector<int32_t> all(static_cast<size_t>(batch), used);
  check(cudaMemcpy(lengths.get(), all.data(), all.size() * sizeof(int32_t), cudaMemcpyHostToDevice), "lengths");
  step.q = q.get(), step.out = out.get();
  step.lengths = static_cast<const int32_t*>(lengths.get());
  step.workspace = static_cast<float*>(workspace.get());
  const auto layers = [&] {
    for (size_t i = 0; i < caches; ++i) {
      step.keys = static_cast<const uint8_t*>(keys.get()) + i * cache;
      step.values = static_cast<const uint8_t*>(values.get()) + i * cache;
      cuda::decode_attention(step, stream);
    }
  };
  const double time = seconds(stream, layers) / static_cast<double>(caches);
  const double rate = static_cast<double>(bytes) / time;
  std::printf("| %s | %d | %lld | %d | %d | %.1f | %.0f | %.0f %% |\n", shape.model, batch, static_cast<long long>(capacity), used,
              step.splits, time * 1e6, rate / 1e9, 100 * rate / bandwidth);
}

void run() {
  cudaDeviceProp device;
  check(cudaGetDeviceProperties(&device, 0), "device");
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
  constexpr size_t kCopied = size_t{1} << 30;
  const Memory from(kCopied), to(kCopied);
  const double copying =
      seconds(stream, [&] { check(cudaMemcpyAsync(to.get(), from.get(), kCopied, cudaMemcpyDeviceToDevice, stream), "copying"); });
  const double bandwidth = 2.0 * static_cast<double>(kCopied) / copying;
  std::printf("%s; copying memory: %.0f GB/s read and written\n\n", device.name, bandwidth / 1e9);
  std::printf("| model, one layer, fp16 | batch | capacity | rows in use | splits | us | GB/s | of copying |\n");
  std::printf("|---|---|---|---|---|---|---|---|\n");
  for (const Shape& shape : kShapes) {
    for (const int32_t batch : {1, 4, 16, 64}) {
      for (const int64_t capacity : {512, 4096, 16384}) {
        for (const int32_t used : {300, 2000, 16000}) {
          if (used > capacity) continue;
          try {
            measure(shape, batch, capacity, used, bandwidth, stream);
          } catch (const Error& error) {
            std::printf("| %s | %d | %lld | %d | | | | %s |\n", shape.model, batch, static_cast<long long>(capacity), used,
                        error.what());
            cudaGetLastError();  // forgets an allocation that did not fit
          }
        }
      }
    }
  }
  check(cudaStreamDestroy(stream), "stream");
}

}  // namespace

int main() {
  try {
    run();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_cuda_attention: %s\n", error.what());
    return 1;
  }
}
