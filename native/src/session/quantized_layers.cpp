// SPDX-License-Identifier: Apache-2.0
#include "session/quantized_layers.h"

#include "checkpoint/needed_tensors.h"

namespace vila {
namespace {

bool in_block(const graph::LinearUse& use, const LanguageSpec& language) {
  return use.name.starts_with(language.prefix + "model.layers.");
}

}  // namespace

graph::QuantizedLayer quantized_layer(const graph::LinearUse& use, const LanguageSpec& language, Precision precision,
                                      const KeptLayers& kept) {
  const bool block = in_block(use, language);
  if (block && is_packed(language, use.name)) return graph::packed_layer(use, language.packing, language.packing_group);
  return graph::rounded_layer(use, block && precision == Precision::int4 && !kept.contains(use.name) ? 4 : 8);
}

std::vector<graph::LinearUse> linear_uses(const BuildGraph& build) {
  std::vector<graph::LinearUse> uses;
  graph::BuildOptions record;
  record.uses = &uses;
  build(record);
  std::set<std::string> names;
  std::erase_if(uses, [&names](const graph::LinearUse& use) { return !names.insert(use.name).second; });
  return uses;
}

std::vector<graph::QuantizedLayer> quantized_layers(const BuildGraph& build, const LanguageSpec& language, Precision precision,
                                                    const KeptLayers& kept) {
  std::vector<graph::QuantizedLayer> layers;
  for (const graph::LinearUse& use : linear_uses(build)) layers.push_back(quantized_layer(use, language, precision, kept));
  return layers;
}

std::vector<graph::LinearUse> matrices_beside(const BuildGraph& build, const LanguageSpec& language, const TensorStore& tensors,
                                              bool synthetic) {
  std::vector<graph::LinearUse> uses = linear_uses(build);
  std::erase_if(uses, [&](const graph::LinearUse& use) {
    const bool packed = in_block(use, language) && is_packed(language, use.name);
    return packed || (!synthetic && tensors.get(use.name + ".weight").dtype == DType::bf16);
  });
  return uses;
}

}  // namespace vila
