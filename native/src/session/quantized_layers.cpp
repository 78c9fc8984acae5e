// SPDX-License-Identifier: Apache-2.0
#include "session/quantized_layers.h"

#include "checkpoint/needed_tensors.h"

namespace vila {

graph::QuantizedLayer quantized_layer(const graph::LinearUse& use, const LanguageSpec& language, Precision precision,
                                      const KeptLayers& kept) {
  const bool block = use.name.starts_with(language.prefix + "model.layers.");
  if (block && is_packed(language, use.name)) return graph::packed_layer(use, language.packing, language.packing_group);
  return graph::rounded_layer(use, block && precision == Precision::int4 && !kept.contains(use.name) ? 4 : 8);
}

std::vector<graph::QuantizedLayer> quantized_layers(const std::function<graph::Graph(const graph::BuildOptions&)>& build,
                                                    const LanguageSpec& language, Precision precision, const KeptLayers& kept) {
  std::vector<graph::LinearUse> uses;
  graph::BuildOptions record;
  record.uses = &uses;
  build(record);
  std::vector<graph::QuantizedLayer> layers;
  std::set<std::string> names;
  for (const graph::LinearUse& use : uses) {
    if (names.insert(use.name).second) layers.push_back(quantized_layer(use, language, precision, kept));
  }
  return layers;
}

}  // namespace vila
