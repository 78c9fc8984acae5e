// SPDX-License-Identifier: Apache-2.0
// Matrices in bfloat16 in a file beside the plan (weights_file.h), under the names and in the shapes that they have in the
// checkpoint: rounded where the checkpoint stores another type, or drawn at random.
#pragma once

#include <cstdint>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "graph/quantized_weights.h"
#include "graph/weights_file.h"

namespace vila::graph {

/// The file, but for its last 16 bytes, for layers whose "<name>.weight" [out, in] are in `tensors`, which must outlive it: the
/// header, then a piece a layer, each number rounded to the nearest bfloat16, in all processors with memory for one layer. A piece
/// throws unsupported for a tensor that is not of floats.
WeightsPieces rounded_matrices(const std::vector<LinearUse>& layers, const TensorStore& tensors);
/// The same file with random numbers of mean 0 and standard deviation 1/sqrt(in), the same each time.
WeightsPieces random_matrices(const std::vector<LinearUse>& layers);
/// Bytes of that file, its checksum included.
int64_t matrices_bytes(const std::vector<LinearUse>& layers);
/// What the file would hold, for the size of a plan: tensors whose place is somewhere in one of `tensors`' files. Nothing is
/// written or read.
TensorStore outline_matrices(const std::vector<LinearUse>& layers, const TensorStore& tensors);

}  // namespace vila::graph
