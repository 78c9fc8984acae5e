// SPDX-License-Identifier: Apache-2.0
// The image pyramid of S2 (VILA1.5-3b-s2): a normalised square at several scales, each cut into crops for the tower.
#pragma once

#include <cstdint>
#include <vector>

namespace vila {

/// Float planes [channels, height, width], row by row.
struct Planes {
  int64_t channels = 0, height = 0, width = 0;
  std::vector<float> data;
};

/// PyTorch's interpolate(mode="bicubic", align_corners=False) in float32: the cubic of a = -0.75 at (i + 0.5) * in/out - 0.5, four
/// neighbours a side clamped to the border, no antialiasing. Throws invalid_argument for an empty image or size.
Planes interpolate_bicubic(const Planes& planes, int64_t height, int64_t width);

/// parts x parts equal crops, row by row. Throws invalid_argument unless `parts` divides both sides.
std::vector<Planes> split_planes(const Planes& planes, int64_t parts);

/// The crops of every scale in the order of `scales`: the planes resized to scale x scale, split into ceil(scale / split_size)
/// parts a side. Throws invalid_argument for scales that are not ascending or cannot be split evenly.
std::vector<Planes> multiscale_crops(const Planes& planes, const std::vector<int64_t>& scales, int64_t split_size);

}  // namespace vila
