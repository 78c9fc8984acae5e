// SPDX-License-Identifier: Apache-2.0
#include "kernels/peak.h"

#include <chrono>
#include <cstring>
#include <functional>
#include <numeric>
#include <thread>
#include <vector>

#include "common/random.h"

namespace vila::kernels {
namespace {

constexpr int64_t kOutputs = 256, kInputs = 1024, kRows = 64;
constexpr size_t kAlignment = 64;

/// Bytes at a multiple of 64.
class Memory {
 public:
  explicit Memory(size_t size) : bytes_(size + kAlignment) {}
  uint8_t* data() {
    const auto address = reinterpret_cast<uintptr_t>(bytes_.data());
    return bytes_.data() + (kAlignment - address % kAlignment) % kAlignment;
  }

 private:
  std::vector<uint8_t> bytes_;
};

/// Multiply-accumulates a second of `multiply`, which does kOutputs * kInputs * kRows of them.
double rate_of(const std::function<void()>& multiply, double seconds) {
  multiply();  // brings the data into the cache
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  double elapsed = 0, products = 0;
  do {
    multiply();
    ++products;
    elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  } while (elapsed < seconds);
  return products * static_cast<double>(kOutputs * kInputs * kRows) / elapsed;
}

std::vector<float> activations() {
  std::vector<float> x(static_cast<size_t>(kRows * kInputs));
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 17) - 8.0F;
  return x;
}

double rate_of_one(const Product& product, uint64_t seed, double seconds) {
  const PackedShape shape{kOutputs, kInputs, kBlock, 8, Zero::middle};
  Memory weights(shape.bytes()), quantized(RowsBuffer::bytes(kRows, kInputs)), scratch(product.scratch_bytes(shape));
  draw_weights(shape, seed, weights.data());
  const std::vector<float> x = activations();
  std::vector<float> y(static_cast<size_t>(kRows * kOutputs));
  const RowsBuffer to(quantized.data(), kRows, kInputs);
  for (int64_t row = 0; row < kRows; ++row) product.quantize(x.data(), row, kInputs, kInputs, to);
  const QuantizedRows rows{kRows, kInputs, to.q, to.scales, to.sums};
  return rate_of(
      [&] { product.multiply({shape, weights.data()}, rows, 0, shape.panels(), y.data(), kOutputs, scratch.data()); }, seconds);
}

double rate_of_one(const Bf16Product& product, uint64_t seed, double seconds) {
  Memory weights(kOutputs * kInputs * sizeof(uint16_t)), prepared(kRows * product.row_bytes(kInputs));
  Memory scratch(product.scratch_bytes);
  Random random(seed);
  for (int64_t i = 0; i < kOutputs * kInputs; ++i) {  // of magnitude 1 to 2
    const auto weight = static_cast<uint16_t>(0x3F80 | (random.next() & 0x807F));
    std::memcpy(weights.data() + i * static_cast<int64_t>(sizeof weight), &weight, sizeof weight);
  }
  const std::vector<float> x = activations();
  std::vector<float> y(static_cast<size_t>(kRows * kOutputs));
  for (int64_t row = 0; row < kRows; ++row) product.prepare(x.data(), row, kInputs, prepared.data());
  const Bf16Matrix matrix{kOutputs, kInputs, weights.data()};
  return rate_of(
      [&] { product.multiply(matrix, prepared.data(), kRows, 0, kOutputs, y.data(), kOutputs, scratch.data()); }, seconds);
}

template <class P>
double rate_of_threads(const P& product, int threads, double seconds) {
  std::vector<double> rates(static_cast<size_t>(threads));
  std::vector<std::thread> helpers;
  for (size_t i = 1; i < rates.size(); ++i) helpers.emplace_back([&, i] { rates[i] = rate_of_one(product, i, seconds); });
  rates[0] = rate_of_one(product, 0, seconds);
  for (std::thread& helper : helpers) helper.join();
  return std::accumulate(rates.begin(), rates.end(), 0.0);
}

}  // namespace

double multiply_accumulates_per_second(const Product& product, int threads, double seconds) {
  return rate_of_threads(product, threads, seconds);
}

double multiply_accumulates_per_second(const Bf16Product& product, int threads, double seconds) {
  return rate_of_threads(product, threads, seconds);
}

}  // namespace vila::kernels
