// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <protozero/pbf_builder.hpp>
#include <set>
#include <string>

#include "common/error.h"
#include "common/mapped_file.h"
#include "graph/graph.h"
#include "graph/onnx_schema.h"

namespace vila::graph {

onnx::DataType onnx_type(DType type) {
  switch (type) {
    case DType::f32: return onnx::DataType::float32;
    case DType::f16: return onnx::DataType::float16;
    case DType::bf16: return onnx::DataType::bfloat16;
    case DType::i64: return onnx::DataType::int64;
    case DType::i32: return onnx::DataType::int32;
    case DType::i16: return onnx::DataType::int16;
    case DType::i8: return onnx::DataType::int8;
    case DType::u8: return onnx::DataType::uint8;
    case DType::boolean: return onnx::DataType::boolean;
  }
  fail(ErrorCode::internal, "graph: no ONNX type for ", static_cast<int>(type));
}

namespace {

using protozero::pbf_builder;

onnx::DataType data_type(const Initializer& initializer) {
  switch (initializer.packed) {
    case PackedType::none: return onnx_type(initializer.dtype);
    case PackedType::float8_e4m3: return onnx::DataType::float8e4m3fn;
    case PackedType::int4: return onnx::DataType::int4;
  }
  fail(ErrorCode::internal, "graph: no ONNX type for packed type ", static_cast<int>(initializer.packed));
}

// Protobuf stores a negative enum or int32 as ten bytes; none of ours is negative.
template <typename Enum>
int32_t number(Enum value) {
  return static_cast<int32_t>(value);
}

void write_attribute(pbf_builder<onnx::NodeField>& node, const Attribute& attribute) {
  pbf_builder<onnx::AttributeField> out(node, onnx::NodeField::attribute);
  out.add_string(onnx::AttributeField::name, attribute.name);
  const auto type = [&out](onnx::AttributeType t) { out.add_enum(onnx::AttributeField::type, number(t)); };
  if (const auto* integer = std::get_if<int64_t>(&attribute.value)) {
    out.add_int64(onnx::AttributeField::i, *integer);
    type(onnx::AttributeType::integer);
  } else if (const auto* real = std::get_if<float>(&attribute.value)) {
    out.add_float(onnx::AttributeField::f, *real);
    type(onnx::AttributeType::real);
  } else if (const auto* text = std::get_if<std::string>(&attribute.value)) {
    out.add_bytes(onnx::AttributeField::s, *text);
    type(onnx::AttributeType::string);
  } else if (const auto* integers = std::get_if<std::vector<int64_t>>(&attribute.value)) {
    for (const int64_t value : *integers) out.add_int64(onnx::AttributeField::ints, value);
    type(onnx::AttributeType::integers);
  } else {
    for (const float value : std::get<std::vector<float>>(attribute.value)) out.add_float(onnx::AttributeField::floats, value);
    type(onnx::AttributeType::reals);
  }
}

void write_node(pbf_builder<onnx::GraphField>& graph, const Node& node) {
  pbf_builder<onnx::NodeField> out(graph, onnx::GraphField::node);
  for (const std::string& input : node.inputs) out.add_string(onnx::NodeField::input, input);
  for (const std::string& output : node.outputs) out.add_string(onnx::NodeField::output, output);
  out.add_string(onnx::NodeField::name, node.name);
  out.add_string(onnx::NodeField::op_type, node.op);
  for (const Attribute& attribute : node.attributes) write_attribute(out, attribute);
  if (!node.domain.empty()) out.add_string(onnx::NodeField::domain, node.domain);
}

void write_external_data(pbf_builder<onnx::Tensor>& tensor, const TensorRef& source) {
  const auto entry = [&tensor](const char* key, const std::string& value) {
    pbf_builder<onnx::Entry> out(tensor, onnx::Tensor::external_data);
    out.add_string(onnx::Entry::key, key);
    out.add_string(onnx::Entry::value, value);
  };
  entry("location", real_path(source.file->path()).substr(1));
  entry("offset", std::to_string(source.offset));
  entry("length", std::to_string(source.bytes));
  tensor.add_enum(onnx::Tensor::data_location, number(onnx::DataLocation::external));
}

void write_initializer(pbf_builder<onnx::GraphField>& graph, const Initializer& initializer) {
  pbf_builder<onnx::Tensor> out(graph, onnx::GraphField::initializer);
  for (const int64_t dim : initializer.shape) out.add_int64(onnx::Tensor::dims, dim);
  out.add_int32(onnx::Tensor::data_type, number(data_type(initializer)));
  out.add_string(onnx::Tensor::name, initializer.name);
  if (initializer.source) {
    write_external_data(out, *initializer.source);
  } else {
    out.add_bytes(onnx::Tensor::raw_data, reinterpret_cast<const char*>(initializer.inline_data.data()),
                  initializer.inline_data.size());
  }
}

void write_value_info(pbf_builder<onnx::GraphField>& graph, onnx::GraphField field, const ValueInfo& value) {
  std::string shape;
  pbf_builder<onnx::Shape> dims(shape);
  for (const Dim& dim : value.shape) {
    pbf_builder<onnx::Dimension> dimension(dims, onnx::Shape::dim);
    if (dim.name.empty()) {
      dimension.add_int64(onnx::Dimension::dim_value, dim.value);
    } else {
      dimension.add_string(onnx::Dimension::dim_param, dim.name);
    }
  }
  pbf_builder<onnx::ValueInfoField> out(graph, field);
  out.add_string(onnx::ValueInfoField::name, value.name);
  pbf_builder<onnx::Type> type(out, onnx::ValueInfoField::type);
  pbf_builder<onnx::TensorType> tensor(type, onnx::Type::tensor_type);
  tensor.add_int32(onnx::TensorType::elem_type, number(onnx_type(value.dtype)));
  // As a whole, because an empty sub-message under construction is dropped: a scalar would have no shape instead of an empty one.
  tensor.add_message(onnx::TensorType::shape, shape);
}

void check_initializer(const Graph& graph, const Initializer& initializer) {
  uint64_t bytes = size_of(initializer.dtype);
  for (const int64_t dim : initializer.shape) bytes *= static_cast<uint64_t>(dim);
  if (initializer.packed == PackedType::int4) bytes = (bytes + 1) / 2;
  const uint64_t found = initializer.source ? initializer.source->bytes : initializer.inline_data.size();
  if (found != bytes) {
    fail(ErrorCode::internal, "graph ", graph.name, ": initializer ", initializer.name, " has ", found, " bytes, expected ", bytes);
  }
}

/// Every value has one producer, which comes before its users.
void check(const Graph& graph) {
  std::set<std::string> known;
  const auto define = [&](const std::string& value) {
    if (!known.insert(value).second) fail(ErrorCode::internal, "graph ", graph.name, ": value ", value, " is defined twice");
  };
  const auto use = [&](const std::string& value, const std::string& user) {
    if (!known.contains(value)) {
      fail(ErrorCode::internal, "graph ", graph.name, ": ", user, " uses ", value, ", which nothing before it defines");
    }
  };
  for (const ValueInfo& input : graph.inputs) define(input.name);
  for (const Initializer& initializer : graph.initializers) {
    define(initializer.name);
    check_initializer(graph, initializer);
  }
  for (const Node& node : graph.nodes) {
    for (const std::string& input : node.inputs) {
      if (!input.empty()) use(input, "node " + node.name);
    }
    for (const std::string& output : node.outputs) {
      if (!output.empty()) define(output);
    }
  }
  for (const ValueInfo& output : graph.outputs) use(output.name, "an output");
}

}  // namespace

std::string serialize(const Graph& graph) {
  check(graph);
  std::string bytes;
  pbf_builder<onnx::Model> model(bytes);
  model.add_int64(onnx::Model::ir_version, onnx::kIrVersion);
  model.add_string(onnx::Model::producer_name, "vila4j");
  {
    pbf_builder<onnx::GraphField> out(model, onnx::Model::graph);
    for (const Node& node : graph.nodes) write_node(out, node);
    out.add_string(onnx::GraphField::name, graph.name);
    for (const Initializer& initializer : graph.initializers) write_initializer(out, initializer);
    for (const ValueInfo& input : graph.inputs) write_value_info(out, onnx::GraphField::input, input);
    for (const ValueInfo& output : graph.outputs) write_value_info(out, onnx::GraphField::output, output);
  }
  for (const auto& [domain, version] : graph.opsets) {
    pbf_builder<onnx::OperatorSet> out(model, onnx::Model::opset_import);
    out.add_string(onnx::OperatorSet::domain, domain);
    out.add_int64(onnx::OperatorSet::version, version);
  }
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    fail(ErrorCode::unsupported, "graph ", graph.name, ": ", bytes.size(), " bytes without its weights, protobuf holds at most ",
         std::numeric_limits<int32_t>::max());
  }
  return bytes;
}

}  // namespace vila::graph
