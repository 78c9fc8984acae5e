// SPDX-License-Identifier: Apache-2.0
#include "kernels/peak.h"

#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

namespace vila::kernels {
namespace {

constexpr int64_t kRounds = 4096;  ///< between two looks at the clock

double rate_of(int64_t (*at_best)(int64_t), double seconds) {
  at_best(kRounds);  // A processor may need a moment for wide vectors.
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  double elapsed = 0, done = 0;
  do {
    done += static_cast<double>(at_best(kRounds));
    elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  } while (elapsed < seconds);
  return done / elapsed;
}

double rate_of_threads(int64_t (*at_best)(int64_t), int threads, double seconds) {
  std::vector<double> rates(static_cast<size_t>(threads));
  std::vector<std::thread> helpers;
  for (size_t i = 1; i < rates.size(); ++i) helpers.emplace_back([&, i] { rates[i] = rate_of(at_best, seconds); });
  rates[0] = rate_of(at_best, seconds);
  for (std::thread& helper : helpers) helper.join();
  return std::accumulate(rates.begin(), rates.end(), 0.0);
}

}  // namespace

double multiply_accumulates_per_second(const Product& product, int threads, double seconds) {
  return rate_of_threads(product.at_best, threads, seconds);
}

double multiply_accumulates_per_second(const Bf16Product& product, int threads, double seconds) {
  return rate_of_threads(product.at_best, threads, seconds);
}

}  // namespace vila::kernels
