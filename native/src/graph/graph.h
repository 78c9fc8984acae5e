// SPDX-License-Identifier: Apache-2.0
// An ONNX graph under construction, and its serialisation.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "common/dtype.h"

namespace vila::graph {

/// A dimension: a fixed number, or the name of a dynamic one.
struct Dim {
  int64_t value = -1;
  std::string name;
  Dim(int64_t v) : value(v) {}                // NOLINT(google-explicit-constructor)
  Dim(std::string n) : name(std::move(n)) {}  // NOLINT(google-explicit-constructor)
  Dim(const char* n) : name(n) {}             // NOLINT(google-explicit-constructor)
};

struct ValueInfo {
  std::string name;
  DType dtype = DType::f32;
  std::vector<Dim> shape;
};

struct Attribute {
  std::string name;
  std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>> value;
};

struct Node {
  std::string op, domain, name;  ///< domain "" is ai.onnx
  std::vector<std::string> inputs, outputs;
  std::vector<Attribute> attributes;
};

/// What the bytes of a uint8 tensor are, where they are none: types that the weights files of plans (qdq_weights.h) have.
enum class PackedType {
  none,         ///< what dtype says
  float8_e4m3,  ///< ONNX FLOAT8E4M3FN
  int4,         ///< ONNX INT4: two's complement, two to a byte in the order of the elements, the first in the low half
};

/// A weight: bytes inside the file (small, made by us) or a reference into a mapped checkpoint file (external data).
struct Initializer {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;        ///< in elements
  PackedType packed = PackedType::none;  ///< when it is another, dtype is u8
  std::vector<uint8_t> inline_data;  ///< used when `source` is absent
  std::shared_ptr<const TensorRef> source;
};

/// A whole model. Value type; build it with the dialects of dialect.h.
struct Graph {
  std::string name;
  std::vector<ValueInfo> inputs, outputs;
  std::vector<Node> nodes;
  std::vector<Initializer> initializers;
  std::vector<std::pair<std::string, int64_t>> opsets;  ///< domain, version
};

/// ONNX ModelProto bytes. External data locations are real paths without their leading slash (the backend opens them relative to
/// "/"), so that symbolic links in the checkpoint do not matter.
std::string serialize(const Graph& graph);

}  // namespace vila::graph
