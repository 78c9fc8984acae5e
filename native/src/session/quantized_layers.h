// SPDX-License-Identifier: Apache-2.0
// Which layers of a plan are kept in how many bits, and where.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
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

using BuildGraph = std::function<graph::Graph(const graph::BuildOptions&)>;

/// The linear layers of a graph, in its order, and for the language model the embedding table; what is used twice, as a table that
/// is the head too, is there once.
std::vector<graph::LinearUse> linear_uses(const BuildGraph& build);

/// The same as they are kept in int8 or int4.
std::vector<graph::QuantizedLayer> quantized_layers(const BuildGraph& build, const LanguageSpec& language, Precision precision,
                                                    const KeptLayers& kept);

/// Those of them that a plan in bf16 cannot read from the checkpoint: all that it neither packs nor stores in bf16, or of a
/// `synthetic` one, whose matrices are drawn, all.
std::vector<graph::LinearUse> matrices_beside(const BuildGraph& build, const LanguageSpec& language, const TensorStore& tensors,
                                              bool synthetic);

}  // namespace vila
