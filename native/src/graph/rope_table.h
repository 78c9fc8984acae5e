// SPDX-License-Identifier: Apache-2.0
// Cosines and sines of rotary position embedding.
#pragma once

#include <cstdint>
#include <vector>

namespace vila::graph {

/// Row-major [positions, head_dim/2]: the angle of pair i at position p is (p / scale) * theta^(-2i/head_dim). Angles are formed in
/// float32, as the models were trained (transformers' LlamaRotaryEmbedding and its linear scaling).
struct RopeTable {
  std::vector<float> cos, sin;
};
RopeTable make_rope_table(int64_t positions, int64_t head_dim, double theta, double scale);

}  // namespace vila::graph
