// SPDX-License-Identifier: Apache-2.0
// The rows of a matrix, a few at a time, in all processors.
#pragma once

#include <cstdint>
#include <functional>

namespace vila::graph {

/// Calls `work(first, last)` for the rows [first, last) of each panel of `panel` rows, from several threads at once, until all
/// `rows` are done. What is thrown first is thrown on; panels that have not begun by then are left out.
void for_each_panel(int64_t rows, int64_t panel, const std::function<void(int64_t first, int64_t last)>& work);

}  // namespace vila::graph
