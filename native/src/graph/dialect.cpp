// SPDX-License-Identifier: Apache-2.0
#include "graph/dialect.h"

#include <cstring>

namespace vila::graph {

Dialect::Dialect(std::string graph_name) { graph_.name = std::move(graph_name); }

Value Dialect::input(const std::string& name, DType dtype, std::vector<Dim> shape) {
  graph_.inputs.push_back({name, dtype, std::move(shape)});
  return name;
}

void Dialect::output(const Value& value, const std::string& name, DType dtype, std::vector<Dim> shape) {
  node("Identity", {value}, {name}, {}, "");
  declare_output(name, dtype, std::move(shape));
}

void Dialect::declare_output(const std::string& name, DType dtype, std::vector<Dim> shape) {
  graph_.outputs.push_back({name, dtype, std::move(shape)});
}

void Dialect::import(const std::string& domain, int64_t version) { graph_.opsets.emplace_back(domain, version); }

Graph Dialect::finish() { return std::exchange(graph_, Graph{}); }

Value Dialect::fresh(const std::string& stem) {
  const std::string name = scope_.empty() ? stem : scope_ + "/" + stem;
  const int64_t count = used_[name]++;
  return count == 0 ? name : name + "." + std::to_string(count);
}

void Dialect::node(const std::string& op, std::vector<Value> inputs, std::vector<Value> outputs, std::vector<Attribute> attributes,
                   const std::string& domain) {
  Node added;
  added.op = op;
  added.domain = domain;
  added.name = fresh("node/" + op);
  added.inputs = std::move(inputs);
  added.outputs = std::move(outputs);
  added.attributes = std::move(attributes);
  graph_.nodes.push_back(std::move(added));
}

Value Dialect::node(const std::string& op, std::vector<Value> inputs, std::vector<Attribute> attributes,
                    const std::string& domain) {
  const Value result = fresh(op);
  node(op, std::move(inputs), std::vector<Value>{result}, std::move(attributes), domain);
  return result;
}

Value Dialect::stored(const TensorRef& tensor) {
  const auto [found, added] = stored_.try_emplace(tensor.name, tensor.name);
  if (added) {
    Initializer initializer;
    initializer.name = tensor.name;
    initializer.dtype = tensor.dtype;
    initializer.shape = tensor.shape;
    initializer.source = std::make_shared<const TensorRef>(tensor);
    graph_.initializers.push_back(std::move(initializer));
  }
  return found->second;
}

Value Dialect::constant(const std::string& name, std::vector<int64_t> shape, const std::vector<float>& values) {
  Initializer initializer;
  initializer.name = name;
  initializer.shape = std::move(shape);
  initializer.inline_data.resize(values.size() * sizeof(float));
  std::memcpy(initializer.inline_data.data(), values.data(), initializer.inline_data.size());
  graph_.initializers.push_back(std::move(initializer));
  return name;
}

Value Dialect::integers(const std::vector<int64_t>& values) {
  const auto [found, added] = integers_.try_emplace(values);
  if (added) {
    Initializer initializer;
    initializer.name = "integers";
    for (const int64_t value : values) initializer.name.append("_").append(std::to_string(value));
    initializer.dtype = DType::i64;
    initializer.shape = {static_cast<int64_t>(values.size())};
    initializer.inline_data.resize(values.size() * sizeof(int64_t));
    std::memcpy(initializer.inline_data.data(), values.data(), initializer.inline_data.size());
    found->second = initializer.name;
    graph_.initializers.push_back(std::move(initializer));
  }
  return found->second;
}

Value Dialect::reshape(const Value& x, const std::vector<int64_t>& shape) { return node("Reshape", {x, integers(shape)}); }

Value Dialect::transpose(const Value& x, const std::vector<int64_t>& permutation) {
  return node("Transpose", {x}, {{"perm", permutation}});
}

Value Dialect::concat(const std::vector<Value>& parts, int64_t axis) { return node("Concat", parts, {{"axis", axis}}); }

std::vector<Value> Dialect::split(const Value& x, int64_t parts, int64_t axis) {
  std::vector<Value> results;
  for (int64_t i = 0; i < parts; ++i) results.push_back(fresh("Split"));
  node("Split", {x}, results, {{"axis", axis}, {"num_outputs", parts}}, "");
  return results;
}

Value Dialect::slice(const Value& x, int64_t axis, int64_t begin, int64_t end) {
  return node("Slice", {x, integers({begin}), integers({end}), integers({axis})});
}

Value Dialect::pad_after(const Value& x, const std::vector<int64_t>& after) {
  std::vector<int64_t> pads(after.size(), 0);
  pads.insert(pads.end(), after.begin(), after.end());
  return node("Pad", {x, integers(pads)});
}

Value Dialect::prepend_token(const Value& x, const Value& token, int64_t channels) {
  const Value count = node("Shape", {x}, {{"start", int64_t{0}}, {"end", int64_t{1}}});
  const Value shape = concat({count, integers({1, channels})}, 0);
  return concat({node("Expand", {reshape(token, {1, 1, channels}), shape}), x}, 1);
}

Value Dialect::add(const Value& a, const Value& b) { return node("Add", {a, b}); }

Value Dialect::multiply(const Value& a, const Value& b) { return node("Mul", {a, b}); }

}  // namespace vila::graph
