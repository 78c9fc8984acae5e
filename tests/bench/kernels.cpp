// SPDX-License-Identifier: Apache-2.0
// How close our products come to what this machine can do: bytes of weights per second for one row (a decode step)
// against reading memory, operations per second for several rows (a joined step of so many requests, a prompt), also as multiples of
// those of one row; and what the instructions alone reach (kernels/peak.h). Usage: bench_kernels [threads] [kernel]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "kernels/bf16_product.h"
#include "kernels/peak.h"
#include "kernels/product.h"

using namespace vila::kernels;  // NOLINT

namespace {

using Clock = std::chrono::steady_clock;

struct Free {
  void operator()(uint8_t* p) const { std::free(p); }
};
using Memory = std::unique_ptr<uint8_t, Free>;
Memory allocate(size_t bytes) { return Memory(static_cast<uint8_t*>(std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096))); }

/// Seconds of work(thread) in all threads at once, the median of 5 runs.
double seconds(int threads, const std::function<void(int)>& work) {
  std::vector<double> runs;
  for (int run = 0; run < 6; ++run) {
    const auto start = Clock::now();
    std::vector<std::thread> pool;
    for (int t = 1; t < threads; ++t) pool.emplace_back(work, t);
    work(0);
    for (std::thread& t : pool) t.join();
    if (run > 0) runs.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  std::sort(runs.begin(), runs.end());
  return runs[runs.size() / 2];
}

volatile uint64_t sink = 0;

/// What the instructions of each kernel reach on registers alone, the median of 5 measurements.
template <class Product>
void print_peaks(const char* what, const std::vector<Product>& list, int threads, const std::string& kernel) {
  for (const Product& product : list) {
    if (!kernel.empty() && kernel != product.name) continue;
    std::vector<double> rates;
    for (int i = 0; i < 5; ++i) rates.push_back(multiply_accumulates_per_second(product, threads, 0.25));
    std::sort(rates.begin(), rates.end());
    std::printf("| %s | %s | %.0f |\n", product.name, what, 2 * rates[rates.size() / 2] / 1e9);
  }
}

/// The same of products with bfloat16 weights, which lie as a checkpoint stores them.
void bench_bf16(int threads, const std::string& kernel, double bandwidth) {
  constexpr int64_t kOutputs = 6912, kInputs = 2560;
  constexpr int kMatrices = 8;
  constexpr size_t kBytes = kOutputs * kInputs * sizeof(uint16_t);
  std::vector<Memory> weights;
  for (int i = 0; i < kMatrices; ++i) {
    weights.push_back(allocate(kBytes));
    std::memset(weights.back().get(), 0x3C, kBytes);
  }
  for (const Bf16Product& product : bf16_products()) {
    if (!kernel.empty() && kernel != product.name) continue;
    double one = 0;
    for (const int64_t rows : {1, 2, 4, 6, 8, 32, 64, 256}) {
      if (std::string(product.name) == "portable" && rows > 4) continue;
      const std::vector<float> x(static_cast<size_t>(rows * kInputs), 1.5F);
      std::vector<float> y(static_cast<size_t>(rows * kOutputs));
      const Memory prepared = allocate(product.row_bytes(kInputs) * static_cast<size_t>(rows));
      for (int64_t row = 0; row < rows; ++row) product.prepare(x.data(), row, kInputs, prepared.get());
      std::vector<Memory> scratch;
      for (int t = 0; t < threads; ++t) scratch.push_back(allocate(product.scratch_bytes));
      const int used = rows >= 32 ? 2 : kMatrices;
      const double time = seconds(threads, [&](int t) {
        const int64_t panels = kOutputs / kBf16Panel, from = panels * t / threads, to = panels * (t + 1) / threads;
        for (int i = 0; i < used; ++i) {
          product.multiply({kOutputs, kInputs, weights[static_cast<size_t>(i)].get()}, prepared.get(), rows, from * kBf16Panel,
                           to * kBf16Panel, y.data(), kOutputs, scratch[static_cast<size_t>(t)].get());
        }
      });
      const double bytes = static_cast<double>(kBytes) * used / time;
      const double operations = 2.0 * static_cast<double>(kOutputs * kInputs * rows) * used / time;
      if (rows == 1) one = operations;
      std::printf("| %s | bf16 | %lld | %.1f | %.0f %% | %.0f | %.2f |\n", product.name, static_cast<long long>(rows), bytes / 1e9,
                  100 * bytes / bandwidth, operations / 1e9, operations / one);
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  const int threads = count > 1 ? std::atoi(arguments[1]) : static_cast<int>(std::thread::hardware_concurrency());
  const std::string kernel = count > 2 ? arguments[2] : "";
  std::printf("%d threads\n| kernel | instructions alone | GOP/s |\n|---|---|---|\n", threads);
  print_peaks("int8", products(), threads, kernel);
  print_peaks("bf16", bf16_products(), threads, kernel);
  // Enough matrices of a 3B model's feed-forward shape that no cache holds them.
  const PackedShape base{6912, 2560, 32, 4, Zero::middle};
  constexpr int kMatrices = 32;
  const size_t total = base.bytes() * kMatrices;
  const Memory read = allocate(total);
  std::memset(read.get(), 1, total);
  const double reading = seconds(threads, [&](int t) {
    uint64_t sum = 0;
    const auto* words = reinterpret_cast<const uint64_t*>(read.get());
    const size_t each = total / 8 / static_cast<size_t>(threads), from = each * static_cast<size_t>(t);
    for (size_t i = from; i < from + each; ++i) sum += words[i];
    sink = sink + sum;
  });
  const double bandwidth = static_cast<double>(total) / reading;
  std::printf("reading memory: %.1f GB/s\n", bandwidth / 1e9);
  std::printf("| kernel | bits | rows | GB/s of weights | of reading | GOP/s | of one row |\n|---|---|---|---|---|---|---|\n");
  for (const int bits : {4, 8}) {
    PackedShape shape = base;
    shape.bits = bits;
    const int matrices = bits == 4 ? kMatrices : kMatrices / 2;
    std::vector<Memory> weights;
    for (int i = 0; i < matrices; ++i) {
      weights.push_back(allocate(shape.bytes()));
      std::memset(weights.back().get(), 0x21, shape.bytes());
    }
    for (const Product& product : products()) {
      if (!kernel.empty() && kernel != product.name) continue;
      double one = 0;
      for (const int64_t rows : {1, 2, 4, 6, 8, 32, 64, 256}) {
        if (std::string(product.name) == "portable" && rows > 4) continue;
        const Memory buffer = allocate(RowsBuffer::bytes(rows, shape.padded_k()));
        const RowsBuffer to(buffer.get(), rows, shape.padded_k());
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        std::vector<float> x(static_cast<size_t>(rows * shape.k)), y(static_cast<size_t>(rows * shape.n));
        for (float& v : x) v = normal(random);
        for (int64_t row = 0; row < rows; ++row) product.quantize(x.data(), row, shape.k, shape.padded_k(), to);
        const QuantizedRows view{rows, shape.padded_k(), to.q, to.scales, to.sums};
        std::vector<Memory> scratch;
        for (int t = 0; t < threads; ++t) scratch.push_back(allocate(product.scratch_bytes(shape) + 64));
        const int used = rows >= 32 ? std::max(1, matrices / 8) : matrices;
        const double time = seconds(threads, [&](int t) {
          const int64_t panels = shape.panels(), from = panels * t / threads, to_panel = panels * (t + 1) / threads;
          for (int i = 0; i < used; ++i) {
            product.multiply({shape, weights[static_cast<size_t>(i)].get()}, view, from, to_panel, y.data(), shape.n,
                             scratch[static_cast<size_t>(t)].get());
          }
        });
        const double bytes = static_cast<double>(shape.bytes()) * used / time;
        const double operations = 2.0 * static_cast<double>(shape.n * shape.k * rows) * used / time;
        if (rows == 1) one = operations;
        std::printf("| %s | %d | %lld | %.1f | %.0f %% | %.0f | %.2f |\n", product.name, bits, static_cast<long long>(rows),
                    bytes / 1e9, 100 * bytes / bandwidth, operations / 1e9, operations / one);
      }
    }
  }
  bench_bf16(threads, kernel, bandwidth);
  return 0;
}
