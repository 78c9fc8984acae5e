// SPDX-License-Identifier: Apache-2.0
// How much a language model minds that its weights are rounded to 4 bits, layer by layer.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "session/quantized_layers.h"

namespace vila {

/// What rounding one linear layer of a decoder block to 4 bits, and no other, changes.
struct LayerNoise {
  std::string layer;  ///< before ".weight"
  double moved = 0;   ///< see rounding_noise
};

/// A layer that moves more than this stays at 8 bits in int4. Rounding costs any layer about a twelfth of what it adds; the four
/// blocks of the demo model that training alone has made move at most 0.025. More is found where a block adds a multiple of what it
/// finds, where scores are large, or where differences of large numbers count.
inline constexpr double kMostMoved = 0.025;

/// Runs random tokens (always the same ones) through the decoder's blocks in 8 bits and each linear layer in 4 bits beside that, at
/// its place: `moved` is the root of the mean, over the tokens, of |difference in what the layer's half of the block adds|^2 /
/// |the stream after that|^2. The weights are read once, with memory for the activations and a few rows; all processors. `progress`
/// is told the share that is done after each block, and what it throws is thrown on. For layers that are stored plainly
/// (LanguageSpec::packing none). Throws what quantize_row throws, naming the tensor.
std::vector<LayerNoise> rounding_noise(const LanguageSpec& spec, const TensorStore& tensors,
                                       const std::function<void(double done)>& progress);

/// A line "<layer> <moved>" each, and back from that: the layers above kMostMoved. What is no number is above.
std::string noise_text(const std::vector<LayerNoise>& noise);
KeptLayers kept_layers(const std::string& noise_text);

}  // namespace vila
