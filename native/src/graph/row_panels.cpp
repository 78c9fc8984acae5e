// SPDX-License-Identifier: Apache-2.0
#include "graph/row_panels.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace vila::graph {

void for_each_panel(int64_t rows, int64_t panel, const std::function<void(int64_t first, int64_t last)>& work) {
  std::atomic<int64_t> next{0};
  std::mutex mutex;
  std::exception_ptr error;
  const auto run = [&]() noexcept {
    try {
      for (int64_t first = next.fetch_add(panel); first < rows; first = next.fetch_add(panel)) work(first, std::min(first + panel, rows));
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (error == nullptr) error = std::current_exception();
      next = rows;
    }
  };
  std::vector<std::thread> helpers;
  for (unsigned i = 1; i < std::thread::hardware_concurrency(); ++i) helpers.emplace_back(run);
  run();
  for (std::thread& helper : helpers) helper.join();
  if (error != nullptr) std::rethrow_exception(error);
}

}  // namespace vila::graph
