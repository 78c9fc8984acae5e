// SPDX-License-Identifier: Apache-2.0
// In which numbers the plans of a model compute.
#pragma once

#include <optional>
#include <string>

#include "common/dtype.h"

namespace vila {

enum class Precision {
  fp32,  ///< everything in float32
  bf16,  ///< weights of linear layers and the embedding table in bfloat16, activations that enter them rounded to it where the
         ///< processor multiplies bfloat16; the cache in fp16. Layers that a checkpoint packs are computed as in fp32
  int8,  ///< weights of linear layers and activations that enter them in 8 bits, blocks of 32; the cache in fp16
  int4,  ///< the same, weights of the decoder's blocks in 4 bits, but for layers that this would harm (rounding_noise.h)
         ///< In these two, layers that a checkpoint packs keep their codes and groups.
};

/// All, finest first.
inline constexpr Precision kPrecisions[] = {Precision::fp32, Precision::bf16, Precision::int8, Precision::int4};

/// "fp32", "bf16", "int8", "int4"
const char* name_of(Precision precision);
/// Nothing for "default". Throws invalid_argument for an unknown name.
std::optional<Precision> parse_precision(const std::string& name);
/// Whether linear layers are rounded to 8 bits or less.
inline bool quantizes(Precision precision) { return precision == Precision::int8 || precision == Precision::int4; }
/// Of keys and values in the cache.
inline DType cache_dtype(Precision precision) { return precision == Precision::fp32 ? DType::f32 : DType::f16; }

}  // namespace vila
