// SPDX-License-Identifier: Apache-2.0
#include "kernels/peak.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

namespace vila::kernels {
namespace {

constexpr int64_t kRounds = 1024;   ///< between two looks at the clock
constexpr double kStretch = 0.001;  ///< seconds; shorter than what a system lets a thread run without a break

/// Of the fastest stretch: other programs and breaks of the system are no part of a peak.
double rate_of(int64_t (*at_best)(int64_t), double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); };
  const auto begin = Clock::now();
  double best = 0;
  do {
    const auto start = Clock::now();
    double done = 0, elapsed = 0;
    do {
      done += static_cast<double>(at_best(kRounds));
      elapsed = since(start);
    } while (elapsed < kStretch);
    best = std::max(best, done / elapsed);
  } while (since(begin) < seconds);
  return best;
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
