// SPDX-License-Identifier: Apache-2.0
#include "plan/encode_onnx.h"

#include <protozero/pbf_writer.hpp>

#include "common/error.h"
#include "common/mapped_file.h"

namespace vila::testing {
namespace {

using protozero::pbf_writer;

// Field and enum numbers: onnx.proto of ONNX 1.12.
int32_t onnx_type(DType type) {
  switch (type) {
    case DType::f32: return 1;
    case DType::u8: return 2;
    case DType::i8: return 3;
    case DType::i16: return 5;
    case DType::i32: return 6;
    case DType::i64: return 7;
    case DType::boolean: return 9;
    case DType::f16: return 10;
    case DType::bf16: return 16;
  }
  return 0;
}

void add_entry(pbf_writer& tensor, const std::string& key, const std::string& value) {
  pbf_writer entry(tensor, 13);
  entry.add_string(1, key);
  entry.add_string(2, value);
}

void add_tensor(pbf_writer& graph, const graph::Initializer& initializer) {
  pbf_writer tensor(graph, 5);
  for (int64_t dim : initializer.shape) tensor.add_int64(1, dim);
  tensor.add_int32(2, onnx_type(initializer.dtype));
  tensor.add_string(8, initializer.name);
  if (initializer.source == nullptr) {
    tensor.add_bytes(9, reinterpret_cast<const char*>(initializer.inline_data.data()), initializer.inline_data.size());
    return;
  }
  add_entry(tensor, "location", real_path(initializer.source->file->path()).substr(1));
  add_entry(tensor, "offset", std::to_string(initializer.source->offset));
  add_entry(tensor, "length", std::to_string(initializer.source->bytes));
  tensor.add_int32(14, 1);
}

void add_value(pbf_writer& graph, uint32_t field, const graph::ValueInfo& value) {
  pbf_writer info(graph, field);
  info.add_string(1, value.name);
  pbf_writer type(info, 2);
  pbf_writer tensor(type, 1);
  tensor.add_int32(1, onnx_type(value.dtype));
  pbf_writer shape(tensor, 2);
  for (const graph::Dim& dim : value.shape) {
    pbf_writer entry(shape, 1);
    if (dim.name.empty()) {
      entry.add_int64(1, dim.value);
    } else {
      entry.add_string(2, dim.name);
    }
  }
}

void add_attribute(pbf_writer& node, const graph::Attribute& attribute) {
  pbf_writer entry(node, 5);
  entry.add_string(1, attribute.name);
  if (const auto* integer = std::get_if<int64_t>(&attribute.value)) {
    entry.add_int64(3, *integer);
    entry.add_int32(20, 2);
  } else if (const auto* real = std::get_if<float>(&attribute.value)) {
    entry.add_float(2, *real);
    entry.add_int32(20, 1);
  } else {
    fail(ErrorCode::internal, "attribute ", attribute.name, ": the tests need integers and reals only");
  }
}

void add_node(pbf_writer& graph, const graph::Node& node) {
  pbf_writer entry(graph, 1);
  for (const std::string& input : node.inputs) entry.add_string(1, input);
  for (const std::string& output : node.outputs) entry.add_string(2, output);
  entry.add_string(4, node.op);
  entry.add_string(7, node.domain);
  for (const graph::Attribute& attribute : node.attributes) add_attribute(entry, attribute);
}

}  // namespace

std::string encode_onnx(const graph::Graph& graph) {
  std::string bytes;
  pbf_writer model(bytes);
  model.add_int64(1, 8);
  for (const auto& [domain, version] : graph.opsets) {
    pbf_writer opset(model, 8);
    opset.add_string(1, domain);
    opset.add_int64(2, version);
  }
  {
    pbf_writer body(model, 7);
    for (const graph::Node& node : graph.nodes) add_node(body, node);
    body.add_string(2, graph.name);
    for (const graph::Initializer& initializer : graph.initializers) add_tensor(body, initializer);
    for (const graph::ValueInfo& value : graph.inputs) add_value(body, 11, value);
    for (const graph::ValueInfo& value : graph.outputs) add_value(body, 12, value);
  }
  return bytes;
}

}  // namespace vila::testing
