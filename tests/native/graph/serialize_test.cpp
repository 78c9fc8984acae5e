// SPDX-License-Identifier: Apache-2.0
// The bytes of serialize() read back with a protobuf reader and the field numbers of onnx.proto, written here a second time on
// purpose.
#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <protozero/pbf_reader.hpp>

#include "graph/graph.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
using protozero::pbf_reader;

namespace {

/// A message as field number to its values; sub-messages and strings as bytes, numbers as decimals.
using Fields = std::map<uint32_t, std::vector<std::string>>;
Fields parse(const std::string& bytes) {
  Fields fields;
  pbf_reader reader(bytes);
  while (reader.next()) {
    std::vector<std::string>& values = fields[reader.tag()];
    switch (reader.wire_type()) {
      case protozero::pbf_wire_type::varint: values.push_back(std::to_string(reader.get_int64())); break;
      case protozero::pbf_wire_type::fixed32: values.push_back(std::to_string(reader.get_float())); break;
      case protozero::pbf_wire_type::length_delimited: values.push_back(reader.get_string()); break;
      default: FAIL("unexpected wire type");
    }
  }
  return fields;
}

using Strings = std::vector<std::string>;

/// A tensor of two fp16 numbers at offset 3 of `path`.
std::shared_ptr<const TensorRef> tensor_at(const std::string& path) {
  TensorRef tensor;
  tensor.name = "w";
  tensor.dtype = DType::f16;
  tensor.shape = {1, 2};
  tensor.file = MappedFile::open(path);
  tensor.offset = 3;
  tensor.bytes = 4;
  return std::make_shared<const TensorRef>(tensor);
}

graph::Graph sample(const std::string& path) {
  graph::Graph g;
  g.name = "sample";
  g.opsets = {{"", 20}, {"com.microsoft", 1}};
  g.inputs = {{"x", DType::f32, {"rows", 2}}, {"n", DType::i32, {}}};
  g.outputs = {{"y", DType::boolean, {7}}};
  graph::Initializer own;
  own.name = "shape";
  own.dtype = DType::i64;
  own.shape = {2};
  own.inline_data.resize(16);
  const int64_t numbers[] = {-1, 5};
  std::memcpy(own.inline_data.data(), numbers, 16);
  graph::Initializer weight;
  weight.name = "w";
  weight.dtype = DType::f16;
  weight.shape = {1, 2};
  weight.source = tensor_at(path);
  g.initializers = {own, weight};
  g.nodes = {{"Foo", "com.microsoft", "first", {"x", "", "w"}, {"a", ""}, {}},
             {"Bar",
              "",
              "second",
              {"a", "shape"},
              {"y"},
              {{"i", int64_t{-3}},
               {"f", 0.5F},
               {"s", std::string("tanh")},
               {"is", std::vector<int64_t>{1, -2}},
               {"fs", std::vector<float>{1.5F, 2.5F}}}}};
  return g;
}

}  // namespace

TEST_CASE("a graph becomes an ONNX model with every part in its field") {
  const TempDir folder;
  write_file(folder / "weights.bin", "0123456789");
  const std::string path = (folder / "weights.bin").string();
  Fields model = parse(graph::serialize(sample(path)));
  CHECK(model[1] == Strings{"10"});
  CHECK(model[2] == Strings{"vila4j"});
  REQUIRE(model[8].size() == 2);
  CHECK(parse(model[8][0]) == Fields{{1, {""}}, {2, {"20"}}});
  CHECK(parse(model[8][1]) == Fields{{1, {"com.microsoft"}}, {2, {"1"}}});
  REQUIRE(model[7].size() == 1);

  Fields graph = parse(model[7][0]);
  CHECK(graph[2] == Strings{"sample"});
  REQUIRE(graph[1].size() == 2);
  CHECK(parse(graph[1][0]) == Fields{{1, {"x", "", "w"}}, {2, {"a", ""}}, {3, {"first"}}, {4, {"Foo"}}, {7, {"com.microsoft"}}});
  Fields second = parse(graph[1][1]);
  CHECK(second.count(7) == 0);
  REQUIRE(second[5].size() == 5);
  CHECK(parse(second[5][0]) == Fields{{1, {"i"}}, {3, {"-3"}}, {20, {"2"}}});
  CHECK(parse(second[5][1]) == Fields{{1, {"f"}}, {2, {std::to_string(0.5F)}}, {20, {"1"}}});
  CHECK(parse(second[5][2]) == Fields{{1, {"s"}}, {4, {"tanh"}}, {20, {"3"}}});
  CHECK(parse(second[5][3]) == Fields{{1, {"is"}}, {8, {"1", "-2"}}, {20, {"7"}}});
  CHECK(parse(second[5][4]) == Fields{{1, {"fs"}}, {7, {std::to_string(1.5F), std::to_string(2.5F)}}, {20, {"6"}}});

  REQUIRE(graph[5].size() == 2);
  Fields own = parse(graph[5][0]);
  CHECK(own[1] == Strings{"2"});
  CHECK(own[2] == Strings{"7"});
  CHECK(own[8] == Strings{"shape"});
  CHECK(own[9] == Strings{std::string("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x05\0\0\0\0\0\0\0", 16)});
  CHECK(own.count(14) == 0);
  Fields weight = parse(graph[5][1]);
  CHECK(weight[1] == Strings{"1", "2"});
  CHECK(weight[2] == Strings{"10"});
  CHECK(weight.count(9) == 0);
  CHECK(weight[14] == Strings{"1"});
  REQUIRE(weight[13].size() == 3);
  const std::string location = std::filesystem::canonical(path).string().substr(1);
  CHECK(parse(weight[13][0]) == Fields{{1, {"location"}}, {2, {location}}});
  CHECK(parse(weight[13][1]) == Fields{{1, {"offset"}}, {2, {"3"}}});
  CHECK(parse(weight[13][2]) == Fields{{1, {"length"}}, {2, {"4"}}});

  REQUIRE(graph[11].size() == 2);
  Fields input = parse(graph[11][0]);
  CHECK(input[1] == Strings{"x"});
  Fields type = parse(parse(input[2].at(0))[1].at(0));
  CHECK(type[1] == Strings{"1"});
  Fields shape = parse(type[2].at(0));
  CHECK(shape[1] == Strings{std::string("\x12\x04rows", 6), std::string("\x08\x02", 2)});
  Fields scalar = parse(parse(parse(graph[11][1])[2].at(0))[1].at(0));
  CHECK(scalar[1] == Strings{"6"});
  CHECK(scalar[2] == Strings{""});  // a shape without dimensions, not a missing one
  REQUIRE(graph[12].size() == 1);
  CHECK(parse(graph[12][0])[1] == Strings{"y"});
}

TEST_CASE("packed types: their ONNX types, elements as shape, two int4 to a byte") {
  const auto initializer = [](graph::PackedType type, size_t bytes) {
    graph::Graph g;
    g.name = "packed";
    graph::Initializer weight;
    weight.name = "w";
    weight.dtype = DType::u8;
    weight.packed = type;
    weight.shape = {3, 5};
    weight.inline_data.resize(bytes);
    g.initializers = {weight};
    return parse(parse(parse(graph::serialize(g))[7][0])[5][0]);
  };
  CHECK(initializer(graph::PackedType::int4, 8)[1] == Strings{"3", "5"});
  CHECK(initializer(graph::PackedType::int4, 8)[2] == Strings{"22"});
  CHECK(initializer(graph::PackedType::float8_e4m3, 15)[2] == Strings{"17"});
  CHECK(error_of([&] { initializer(graph::PackedType::int4, 15); }) ==
        "10:graph packed: initializer w has 15 bytes, expected 8");
}

TEST_CASE("the location of a weight is the real file behind symbolic links") {
  const TempDir folder;
  write_file(folder / "blob", "0123456789");
  std::filesystem::create_symlink(folder / "blob", folder / "weights.bin");
  const std::string bytes = graph::serialize(sample((folder / "weights.bin").string()));
  CHECK(bytes.find(std::filesystem::canonical(folder / "blob").string().substr(1)) != std::string::npos);
  CHECK(bytes.find("weights.bin") == std::string::npos);
}

TEST_CASE("the same graph gives the same bytes") {
  const TempDir folder;
  write_file(folder / "weights.bin", "0123456789");
  const std::string path = (folder / "weights.bin").string();
  CHECK(graph::serialize(sample(path)) == graph::serialize(sample(path)));
}

TEST_CASE("every element type has its ONNX number") {
  const std::vector<std::pair<DType, std::string>> types{{DType::f32, "1"},     {DType::u8, "2"},   {DType::i8, "3"},
                                                         {DType::i16, "5"},     {DType::i32, "6"},  {DType::i64, "7"},
                                                         {DType::boolean, "9"}, {DType::f16, "10"}, {DType::bf16, "16"}};
  for (const auto& [dtype, number] : types) {
    graph::Graph g;
    g.name = "types";
    g.inputs = {{"x", dtype, {1}}};
    g.outputs = {{"x", dtype, {1}}};
    Fields input = parse(parse(parse(graph::serialize(g))[7].at(0))[11].at(0));
    CHECK(parse(parse(input[2].at(0))[1].at(0))[1] == Strings{number});
  }
}

TEST_CASE("a graph that contradicts itself is refused") {
  const TempDir folder;
  write_file(folder / "weights.bin", "0123456789");
  const graph::Graph good = sample((folder / "weights.bin").string());
  graph::Graph g = good;
  g.nodes[1].inputs[0] = "b";
  CHECK(error_of([&] { graph::serialize(g); }) == "10:graph sample: node second uses b, which nothing before it defines");
  g = good;
  std::swap(g.nodes[0], g.nodes[1]);
  CHECK(error_of([&] { graph::serialize(g); }) == "10:graph sample: node second uses a, which nothing before it defines");
  g = good;
  g.nodes[1].outputs[0] = "x";
  CHECK(error_of([&] { graph::serialize(g); }) == "10:graph sample: value x is defined twice");
  g = good;
  g.outputs[0].name = "z";
  CHECK(error_of([&] { graph::serialize(g); }) == "10:graph sample: an output uses z, which nothing before it defines");
  g = good;
  g.initializers[1].shape = {3, 2};
  CHECK(error_of([&] { graph::serialize(g); }) == "10:graph sample: initializer w has 4 bytes, expected 12");
}
