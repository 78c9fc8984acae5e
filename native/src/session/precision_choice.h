// SPDX-License-Identifier: Apache-2.0
// Which precision a model is computed in where none is asked for: the finest whose weights fit the memory.
#pragma once

#include <array>
#include <cstdint>
#include <iterator>
#include <string>

#include "checkpoint/checkpoint.h"
#include "session/precision.h"

namespace vila {

/// Bytes of a checkpoint's weights in each precision, by parameters alone, in the order of Precision. fp32: 4 bytes a parameter,
/// bf16: 2, in both layers that the checkpoint packs as packed_weights.h keeps them. int8 and int4: see quantized_layers.h; the
/// rest, embedding table included, at 8 bits. int4 is the least: no layer counts as one that stays at 8 bits (rounding_noise.h).
/// With `images_only` of the vision tower and the projector alone.
using PrecisionSizes = std::array<int64_t, std::size(kPrecisions)>;
PrecisionSizes precision_sizes(const Checkpoint& checkpoint, bool images_only);

/// A precision and why it is that one, in words.
struct PrecisionChoice {
  Precision precision = Precision::fp32;
  std::string reason;
};

/// The finest precision whose size is at most 0.6 of `memory` bytes, int4 where none is; any fits where `memory` is 0 (unknown). The
/// language model of a `synthetic` checkpoint has no fp32.
PrecisionChoice choose_precision(const PrecisionSizes& sizes, bool synthetic, uint64_t memory);

/// As `asked` says (LoadOptions::precision), or for "default" chosen for `memory` bytes. Throws invalid_argument for an unknown name,
/// and for fp32 of a synthetic checkpoint's language model.
PrecisionChoice resolve_precision(const std::string& asked, const Checkpoint& checkpoint, bool images_only, uint64_t memory);

}  // namespace vila
