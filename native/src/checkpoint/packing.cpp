// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/packing.h"

#include <algorithm>

#include "checkpoint/awq.h"
#include "checkpoint/needed_tensors.h"
#include "common/error.h"

namespace vila {
namespace {

using Packing = LanguageSpec::Packing;

/// A layout and a group: what all packed layers of a checkpoint share.
struct Candidate {
  Packing packing;
  int64_t group;
  bool operator==(const Candidate&) const = default;
};

std::string text_of(const Candidate& c) { return join(name_of(c.packing), " with groups of ", c.group); }

std::string shape_of(const TensorStore& store, const std::string& name) {
  if (!store.contains(name)) return "no " + name.substr(name.rfind('.') + 1);
  const TensorRef& tensor = store.get(name);
  std::string text = name.substr(name.rfind('.') + 1) + " " + name_of(tensor.dtype) + " [";
  for (size_t i = 0; i < tensor.shape.size(); ++i) text += join(i == 0 ? "" : ",", tensor.shape[i]);
  return text + "]";
}

bool fits(const Candidate& candidate, const LinearLayer& layer, const TensorStore& store) {
  const AwqLayout layout{candidate.packing, candidate.group, layer.out, layer.in};
  if (!awq_misfit(layout).empty()) return false;
  for (const AwqTensor& part : awq_tensors(layout)) {
    const std::string name = layer.name + part.suffix;
    if (!store.contains(name) || store.get(name).shape != part.shape) return false;
    if (part.dtype && store.get(name).dtype != *part.dtype) return false;
  }
  return true;
}

/// What every packed layer of a block fits. There is at most one: layouts and groups differ in the shape of the scales, also where
/// the weights are square.
std::optional<Candidate> fitting(const std::vector<LinearLayer>& layers, const TensorStore& store) {
  for (const Packing packing : {Packing::llm_awq_v2, Packing::llm_awq_v1, Packing::awq_gemm}) {
    for (const int64_t group : kAwqGroups) {
      const Candidate candidate{packing, group};
      const auto suits = [&](const LinearLayer& layer) { return fits(candidate, layer, store); };
      if (std::all_of(layers.begin(), layers.end(), suits)) return candidate;
    }
  }
  return std::nullopt;
}

/// Sorts the layers of block `i` into packed (returned) and plain (added to `plain`).
std::vector<LinearLayer> packed_layers(const LanguageSpec& language, int64_t i, const TensorStore& store, const std::string& folder,
                                       std::set<std::string>& plain) {
  std::vector<LinearLayer> packed;
  for (const LinearLayer& layer : block_linears(language, i)) {
    const bool codes = store.contains(layer.name + ".qweight"), weight = store.contains(layer.name + ".weight");
    if (codes && weight) fail(ErrorCode::bad_file, folder, ": holds both ", layer.name, ".qweight and ", layer.name, ".weight");
    if (codes) {
      packed.push_back(layer);
    } else if (weight) {
      plain.insert(layer.name);
    }  // Neither: needed_tensors() will name the one that is missing.
  }
  return packed;
}

}  // namespace

void recognise_packing(LanguageSpec& language, const TensorStore& store, const std::string& folder) {
  const Candidate said{language.packing, language.packing_group};
  std::set<std::string> plain;
  std::vector<LinearLayer> first;  // packed layers of the first block that has any
  for (int64_t i = 0; i < language.layers; ++i) {
    const std::vector<LinearLayer> packed = packed_layers(language, i, store, folder, plain);
    if (first.empty()) first = packed;
  }
  if (first.empty()) {
    if (said.packing == Packing::none) return;
    fail(ErrorCode::bad_file, folder, ": quantization_config says ", text_of(said), ", but no linear layer has a qweight");
  }
  const std::optional<Candidate> found = fitting(first, store);
  if (!found) {
    const std::string& name = first.back().name;
    fail(ErrorCode::bad_file, folder, ": linear layer ", name, " has ", shape_of(store, name + ".qweight"), ", ",
         shape_of(store, name + ".scales"), ", ", shape_of(store, name + ".qzeros"), ", ", shape_of(store, name + ".scaled_zeros"),
         ", which for [", first.back().out, ",", first.back().in, "] is no AWQ layout with groups of 128, 64 or 32");
  }
  if (said.packing != Packing::none && said != *found) {
    fail(ErrorCode::bad_file, folder, ": quantization_config says ", text_of(said), ", but the tensors are ", text_of(*found));
  }
  language.packing = found->packing;
  language.packing_group = found->group;
  language.plain_linears = std::move(plain);
}

}  // namespace vila
