// SPDX-License-Identifier: Apache-2.0
// The plain form of what cuda/decode_attention.h says, in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace vila::testing {

/// One head over the first `length` rows of its keys and values [rows, head_dim], elements as widened(element): [head_dim]; zeros
/// for a length of 0 or less.
template <typename Element, typename Widened>
std::vector<double> attended_head(const Element* q, const Element* keys, const Element* values, int64_t length, int64_t head_dim,
                                  double scale, const Widened& widened) {
  const auto number = [&](const Element* from, int64_t i) { return static_cast<double>(widened(from[i])); };
  std::vector<double> scores, sums(static_cast<size_t>(head_dim), 0.0);
  double largest = -std::numeric_limits<double>::infinity(), total = 0;
  for (int64_t row = 0; row < length; ++row) {
    double score = 0;
    for (int64_t i = 0; i < head_dim; ++i) score += number(q, i) * number(keys, row * head_dim + i);
    scores.push_back(score * scale);
    largest = std::max(largest, scores.back());
  }
  for (int64_t row = 0; row < length; ++row) {
    const double weight = std::exp(scores[static_cast<size_t>(row)] - largest);
    total += weight;
    for (int64_t i = 0; i < head_dim; ++i) sums[static_cast<size_t>(i)] += weight * number(values, row * head_dim + i);
  }
  for (double& sum : sums) sum = total > 0 ? sum / total : 0;
  return sums;
}

}  // namespace vila::testing
