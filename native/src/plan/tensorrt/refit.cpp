// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/refit.h"

#include <algorithm>
#include <map>

#include "common/error.h"

namespace vila::plan::tensorrt {

std::vector<std::string> weight_names(const std::vector<const char*>& listed, const std::string& label) {
  const auto unnamed = std::count(listed.begin(), listed.end(), nullptr);
  if (unnamed > 0) {
    fail(ErrorCode::backend, label, ": the plan needs ", unnamed, " weights that have no name, of ", listed.size(),
         "; they cannot be taken from the graph");
  }
  return {listed.begin(), listed.end()};
}

std::vector<GraphWeights> weights_named(const graph::Graph& graph, const std::vector<std::string>& names, const std::string& label) {
  std::map<std::string, const graph::Initializer*> by_name;
  for (const graph::Initializer& initializer : graph.initializers) by_name[initializer.name] = &initializer;
  std::vector<GraphWeights> result;
  for (const std::string& name : names) {
    const auto found = by_name.find(name);
    if (found == by_name.end()) fail(ErrorCode::internal, label, ": the plan needs weights ", name, ", which the graph does not have");
    const graph::Initializer& weights = *found->second;
    const bool mapped = weights.source != nullptr;
    int64_t count = 1;
    for (const int64_t dim : weights.shape) count *= dim;
    const uint64_t bytes = mapped ? weights.source->bytes : weights.inline_data.size();
    const uint64_t expected = weights.packed == graph::PackedType::int4 ? (static_cast<uint64_t>(count) + 1) / 2
                                                                        : static_cast<uint64_t>(count) * size_of(weights.dtype);
    if (bytes != expected) fail(ErrorCode::bad_file, label, ": weights ", name, " have ", bytes, " bytes, expected ", expected);
    const void* data = mapped ? static_cast<const void*>(weights.source->data()) : weights.inline_data.data();
    result.push_back({name, weights.dtype, weights.packed, data, count});
  }
  return result;
}

}  // namespace vila::plan::tensorrt
