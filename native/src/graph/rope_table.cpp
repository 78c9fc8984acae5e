// SPDX-License-Identifier: Apache-2.0
#include "graph/rope_table.h"

#include <cmath>

namespace vila::graph {

RopeTable make_rope_table(int64_t positions, int64_t head_dim, double theta, double scale) {
  const int64_t pairs = head_dim / 2;
  std::vector<float> frequency;
  for (int64_t i = 0; i < pairs; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    frequency.push_back(1.0F / static_cast<float>(std::pow(theta, static_cast<double>(exponent))));
  }
  RopeTable table;
  table.cos.reserve(static_cast<size_t>(positions * pairs));
  table.sin.reserve(static_cast<size_t>(positions * pairs));
  for (int64_t p = 0; p < positions; ++p) {
    const float position = static_cast<float>(p) / static_cast<float>(scale);
    for (const float f : frequency) {
      const auto angle = static_cast<double>(position * f);
      table.cos.push_back(static_cast<float>(std::cos(angle)));
      table.sin.push_back(static_cast<float>(std::sin(angle)));
    }
  }
  return table;
}

}  // namespace vila::graph
