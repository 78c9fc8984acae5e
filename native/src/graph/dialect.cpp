// SPDX-License-Identifier: Apache-2.0
#include "graph/dialect.h"

#include <cstring>

#include "common/error.h"
#include "common/rounding.h"
#include "graph/onnx_schema.h"

namespace vila::graph {

Dialect::Dialect(std::string graph_name, DType compute) : compute_(compute) { graph_.name = std::move(graph_name); }

Value Dialect::input(const std::string& name, DType dtype, std::vector<Dim> shape) {
  graph_.inputs.push_back({name, dtype, std::move(shape)});
  return name;
}

void Dialect::output(const Value& value, const std::string& name, DType dtype, std::vector<Dim> shape) {
  if (dtype == compute_) {
    node("Identity", {value}, {name}, {}, "");
  } else {
    node("Cast", {value}, {name}, {{"to", static_cast<int64_t>(onnx_type(dtype))}}, "");
  }
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

Value Dialect::cast(const Value& x, DType to) { return node("Cast", {x}, {{"to", static_cast<int64_t>(onnx_type(to))}}); }

void Dialect::check_float(const TensorRef& tensor) {
  if (tensor.dtype == DType::f32 || tensor.dtype == DType::f16 || tensor.dtype == DType::bf16) return;
  fail(ErrorCode::unsupported, tensor.file->path(), ": tensor ", tensor.name, " is ", name_of(tensor.dtype),
       ", expected fp32, fp16 or bf16");
}

Value Dialect::stored(const TensorRef& tensor) { return stored(tensor, PackedType::none, tensor.shape); }

Value Dialect::stored(const TensorRef& tensor, PackedType type, std::vector<int64_t> shape) {
  const auto [found, added] = stored_.try_emplace(tensor.name, tensor.name);
  if (added) {
    Initializer initializer;
    initializer.name = tensor.name;
    initializer.dtype = tensor.dtype;
    initializer.shape = std::move(shape);
    initializer.packed = type;
    initializer.source = std::make_shared<const TensorRef>(tensor);
    graph_.initializers.push_back(std::move(initializer));
  }
  return found->second;
}

Value Dialect::constant(const std::string& name, std::vector<int64_t> shape, const std::vector<float>& values, DType dtype) {
  Initializer initializer;
  initializer.name = name;
  initializer.dtype = dtype;
  initializer.shape = std::move(shape);
  initializer.inline_data.resize(values.size() * size_of(dtype));
  from_f32(dtype, values.data(), initializer.inline_data.data(), values.size());
  graph_.initializers.push_back(std::move(initializer));
  return name;
}

Value Dialect::zero(const std::string& name, DType dtype, PackedType packed) {
  Initializer initializer;
  initializer.name = name;
  initializer.dtype = dtype;
  initializer.packed = packed;
  initializer.inline_data.resize(size_of(dtype));
  graph_.initializers.push_back(std::move(initializer));
  return name;
}

Value Dialect::integers(const std::vector<int64_t>& values) {
  const auto [found, added] = integers_.try_emplace(values);
  if (added) {
    std::string name = "integers";
    for (const int64_t value : values) name.append("_").append(std::to_string(value));
    found->second = integer_tensor(name, {static_cast<int64_t>(values.size())}, values);
  }
  return found->second;
}

Value Dialect::integer_tensor(const std::string& name, std::vector<int64_t> shape, const std::vector<int64_t>& values) {
  Initializer initializer;
  initializer.name = name;
  initializer.dtype = DType::i64;
  initializer.shape = std::move(shape);
  initializer.inline_data.resize(values.size() * sizeof(int64_t));
  std::memcpy(initializer.inline_data.data(), values.data(), initializer.inline_data.size());
  graph_.initializers.push_back(std::move(initializer));
  return name;
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

Value Dialect::linear(const Value& x, const Linear& layer) {
  if (const auto* tensor = std::get_if<const TensorRef*>(&layer.matrix)) return linear(x, **tensor, layer.bias);
  if (const auto* packed = std::get_if<PackedLinear>(&layer.matrix)) return linear(x, *packed, layer.bias);
  if (const auto* quantized = std::get_if<QuantizedLinear>(&layer.matrix)) return linear(x, *quantized, layer.bias);
  return linear(x, std::get<QdqLinear>(layer.matrix), layer.bias);
}

std::vector<Value> Dialect::linears(const Value& x, const std::vector<Linear>& layers) {
  std::vector<Value> results;
  for (const Linear& layer : layers) results.push_back(linear(x, layer));
  return results;
}

Value Dialect::activated_linear(const Value& x, const Linear& layer, Activation activation) {
  return activate(linear(x, layer), activation);
}

Value Dialect::added_linear(const Value& sum, const Value& x, const Linear& layer) { return add(sum, linear(x, layer)); }

Value Dialect::gated_linear(const Value& x, const Linear& gate, const Linear& up) {
  const Value gates = linear(x, gate), ups = linear(x, up);
  return multiply(activate(gates, Activation::silu), ups);
}

}  // namespace vila::graph
