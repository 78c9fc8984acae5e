// SPDX-License-Identifier: Apache-2.0
#include "image/python_set.h"

#include <bit>

namespace vila {
namespace {

/// hash((a, b)) of CPython >= 3.8: the 64-bit xxHash rounds over the items' hashes; a small integer is its own hash.
uint64_t tuple_hash(PythonPairSet::Pair pair) {
  constexpr uint64_t kPrime1 = 11400714785074694791ULL, kPrime2 = 14029467366897019727ULL, kPrime5 = 2870177450012600261ULL;
  uint64_t sum = kPrime5;
  for (const int32_t item : {pair.first, pair.second}) {
    sum += static_cast<uint64_t>(item) * kPrime2;
    sum = std::rotl(sum, 31) * kPrime1;
  }
  sum += uint64_t{2} ^ kPrime5 ^ uint64_t { 3527539 };
  return sum == ~uint64_t{0} ? 1546275796 : sum;
}

}  // namespace

std::optional<PythonPairSet::Pair>& PythonPairSet::slot(Pair pair) {
  constexpr uint64_t kLinearProbes = 9;
  constexpr int kPerturbShift = 5;
  const uint64_t hash = tuple_hash(pair), mask = table_.size() - 1;
  uint64_t perturb = hash, at = hash & mask;
  while (true) {
    const uint64_t probes = at + kLinearProbes <= mask ? kLinearProbes : 0;
    for (uint64_t i = at; i <= at + probes; ++i) {
      if (!table_[i].has_value() || *table_[i] == pair) return table_[i];
    }
    perturb >>= kPerturbShift;
    at = (at * 5 + 1 + perturb) & mask;
  }
}

void PythonPairSet::add(Pair pair) {
  std::optional<Pair>& target = slot(pair);
  if (target.has_value()) return;
  target = pair;
  ++used_;
  if (used_ * 5 < (table_.size() - 1) * 3) return;
  size_t size = 8;
  while (size <= used_ * 4) size *= 2;
  const std::vector<Pair> old = items();
  table_.assign(size, std::nullopt);
  for (const Pair& item : old) slot(item) = item;
}

std::vector<PythonPairSet::Pair> PythonPairSet::items() const {
  std::vector<Pair> pairs;
  for (const std::optional<Pair>& entry : table_) {
    if (entry.has_value()) pairs.push_back(*entry);
  }
  return pairs;
}

}  // namespace vila
