// SPDX-License-Identifier: Apache-2.0
// How our own linear layers are shared out over a session's threads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "plan/onnxruntime/operator.h"

namespace vila::plan::onnxruntime {

/// Calls work(row) for each row of activations.
template <typename Work>
void for_each_row(const Call& call, int64_t rows, const Work& work) {
  constexpr int64_t kRowsPerTask = 16;
  call.parallel_for((rows + kRowsPerTask - 1) / kRowsPerTask, [&](int64_t task) {
    const int64_t first = task * kRowsPerTask;
    for (int64_t row = first; row < std::min(first + kRowsPerTask, rows); ++row) work(row);
  });
}

/// Into how many tasks a product of `rows` rows with `bytes` of weights is cut, at most `most` (at least 1).
inline int64_t linear_tasks(size_t bytes, int64_t rows, int64_t most) {
  constexpr size_t kTaskBytes = 64 << 10;  // of weights that one task of a decode step reads
  constexpr int64_t kMostTasks = 64;
  const auto by_size = static_cast<int64_t>(bytes / kTaskBytes) * (rows > 1 ? 8 : 1);
  return std::clamp<int64_t>(by_size, 1, std::min(kMostTasks, most));
}

}  // namespace vila::plan::onnxruntime
