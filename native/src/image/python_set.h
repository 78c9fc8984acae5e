// SPDX-License-Identifier: Apache-2.0
// The order in which CPython iterates over a set of pairs of small integers.
//
// VILA's list of tile grids is a Python set sorted (stably) by area, so grids of the same area keep the set's own order, and that
// order decides ties. It is the same on every 64-bit CPython since 3.8: the hash of a tuple of integers is not randomised.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace vila {

/// An open-addressing hash set with CPython's tuple hash, probe sequence and growth.
class PythonPairSet {
 public:
  using Pair = std::pair<int32_t, int32_t>;

  PythonPairSet() : table_(8) {}
  /// Adds a pair of numbers >= 0; nothing happens when it is in the set already.
  void add(Pair pair);
  /// The pairs in iteration order.
  std::vector<Pair> items() const;

 private:
  /// The slot that holds `pair`, or the free one where it belongs.
  std::optional<Pair>& slot(Pair pair);

  std::vector<std::optional<Pair>> table_;  ///< its size is a power of two
  size_t used_ = 0;
};

}  // namespace vila
