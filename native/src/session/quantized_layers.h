// SPDX-License-Identifier: Apache-2.0
// Which layers of a plan are kept in how many bits.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/model_spec.h"
#include "graph/builders.h"
#include "graph/quantized_weights.h"
#include "session/precision.h"

namespace vila {

/// Layers of the decoder's blocks, by name, that stay at 8 bits in int4 (rounding_noise.h).
using KeptLayers = std::set<std::string>;

/// How a layer of any of the three graphs is kept in int8 or int4: layers of the decoder's blocks that the checkpoint packs as it
/// packs them, else 4 bits in the decoder's blocks for int4, but for those in `kept`, else 8.
graph::QuantizedLayer quantized_layer(const graph::LinearUse& use, const LanguageSpec& language, Precision precision,
                                      const KeptLayers& kept);

/// The layers of a graph that `build` makes, in its order, and for the language model the embedding table; what is used twice, as a
/// table that is the head too, is there once.
std::vector<graph::QuantizedLayer> quantized_layers(const std::function<graph::Graph(const graph::BuildOptions&)>& build,
                                                    const LanguageSpec& language, Precision precision, const KeptLayers& kept);

}  // namespace vila
