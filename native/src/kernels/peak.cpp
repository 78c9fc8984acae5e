// SPDX-License-Identifier: Apache-2.0
#include "kernels/peak.h"

#include <chrono>
#include <thread>
#include <vector>

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

double rate_of_one(const Product& product, uint64_t seed, double seconds) {
  const PackedShape shape{kOutputs, kInputs, kBlock, 8, Zero::middle};
  Memory weights(shape.bytes()), activations(RowsBuffer::bytes(kRows, kInputs)), scratch(product.scratch_bytes(shape));
  draw_weights(shape, seed, weights.data());
  std::vector<float> x(static_cast<size_t>(kRows * kInputs)), y(static_cast<size_t>(kRows * kOutputs));
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 17) - 8.0F;
  const RowsBuffer to(activations.data(), kRows, kInputs);
  for (int64_t row = 0; row < kRows; ++row) product.quantize(x.data(), row, kInputs, kInputs, to);
  const QuantizedRows rows{kRows, kInputs, to.q, to.scales, to.sums};
  const auto multiply = [&] {
    product.multiply({shape, weights.data()}, rows, 0, shape.panels(), y.data(), kOutputs, scratch.data());
  };
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

}  // namespace

double multiply_accumulates_per_second(const Product& product, int threads, double seconds) {
  std::vector<double> rates(static_cast<size_t>(threads));
  std::vector<std::thread> helpers;
  for (size_t i = 1; i < rates.size(); ++i) helpers.emplace_back([&, i] { rates[i] = rate_of_one(product, i, seconds); });
  rates[0] = rate_of_one(product, 0, seconds);
  for (std::thread& helper : helpers) helper.join();
  double sum = 0;
  for (const double rate : rates) sum += rate;
  return sum;
}

}  // namespace vila::kernels
