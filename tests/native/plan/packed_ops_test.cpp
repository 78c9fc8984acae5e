// SPDX-License-Identifier: Apache-2.0
// The operators over packed matrices inside graphs: against the kernels that they are made of, alone and in company; refusals.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "common/dtype.h"
#include "graph/names.h"
#include "kernels/epilogue.h"
#include "kernels/packed_matrix.h"
#include "plan/plan.h"
#include "plan/small_graph.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::plan;     // NOLINT
using namespace vila::testing;  // NOLINT
using kernels::PackedShape;
using kernels::Zero;

namespace {

std::vector<float> random_floats(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(random);
  return values;
}

/// A random packed matrix, always the same for a seed.
std::vector<uint8_t> random_weights(const PackedShape& shape, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> value(0, shape.bits == 4 ? 15 : 255);
  std::uniform_real_distribution<float> scale(0.001F, 0.01F), offset(-0.1F, 0.1F);
  const auto groups = static_cast<size_t>(shape.groups());
  std::vector<uint8_t> packed(shape.bytes()), q(static_cast<size_t>(shape.k)), points(groups);
  std::vector<uint16_t> scales(groups), offsets(groups);
  for (int64_t n = 0; n < shape.n; ++n) {
    for (uint8_t& v : q) v = static_cast<uint8_t>(value(random));
    for (uint8_t& v : points) v = static_cast<uint8_t>(value(random));
    for (uint16_t& v : scales) v = to_f16(scale(random));
    for (uint16_t& v : offsets) v = to_f16(offset(random));
    kernels::pack_row(shape, n, {q.data(), scales.data(), points.data(), offsets.data()}, packed.data());
  }
  return packed;
}

/// A graph of one operator over random matrices, with seeds from `seed` on. Outputs are named y0, y1, ...
class OneOperator {
 public:
  OneOperator(const std::string& op, const std::vector<PackedShape>& shapes, uint32_t seed = 1) {
    graph_ = new_graph();
    graph_.opsets.emplace_back(graph::names::kVila, 1);
    node_.op = node_.name = op;
    node_.domain = graph::names::kVila;
    input("x", shapes.at(0).k);
    std::map<std::string, std::vector<int64_t>> lists;
    for (const PackedShape& shape : shapes) {
      lists["n"].push_back(shape.n);
      lists["group"].push_back(shape.group);
      lists["bits"].push_back(shape.bits);
      lists["zero"].push_back(static_cast<int64_t>(shape.zero));
      constant("w" + std::to_string(seed), random_weights(shape, seed), DType::u8);
      ++seed;
    }
    attribute("k", shapes[0].k);
    for (const auto& [name, list] : lists) attribute(name, list);
    if (op == graph::names::kPackedLinear) curve({});
  }
  template <typename T>
  void constant(const std::string& name, const std::vector<T>& values, DType dtype) {
    graph_.initializers.push_back(testing::constant<T>(name, dtype, {static_cast<int64_t>(values.size())}, values));
    node_.inputs.push_back(name);
  }
  void input(const std::string& name, int64_t columns) {
    graph_.inputs.push_back({name, DType::f32, {"rows", columns}});
    node_.inputs.push_back(name);
  }
  void left_out() { node_.inputs.emplace_back(); }
  template <typename T>
  void attribute(const std::string& name, const T& value) {
    std::erase_if(node_.attributes, [&](const graph::Attribute& old) { return old.name == name; });
    node_.attributes.push_back({name, value});
  }
  void curve(const kernels::Curve& curve) {
    attribute("linear", curve.linear);
    attribute("cubic", curve.cubic);
  }
  void compile(const std::vector<int64_t>& columns) {
    for (const int64_t width : columns) {
      const std::string name = "y" + std::to_string(node_.outputs.size());
      graph_.outputs.push_back({name, DType::f32, {"rows", width}});
      node_.outputs.push_back(name);
    }
    graph_.nodes = {node_};
    CompileOptions options;
    options.threads = 2;
    plan_ = onnxruntime_backend()->compile(graph::serialize(graph_), "test plan", options);
  }
  /// The outputs; `inputs` in order, x first.
  std::vector<std::vector<float>> run(int64_t rows, std::vector<std::vector<float>> inputs) const {
    std::vector<Binding> in, out;
    std::vector<std::vector<float>> results;
    for (const graph::ValueInfo& info : graph_.outputs) results.emplace_back(static_cast<size_t>(rows * info.shape[1].value), -77.0F);
    for (size_t i = 0; i < results.size(); ++i)
      out.push_back({graph_.outputs[i].name, DType::f32, {rows, graph_.outputs[i].shape[1].value}, results[i].data()});
    for (size_t i = 0; i < inputs.size(); ++i)
      in.push_back({graph_.inputs[i].name, DType::f32, {rows, graph_.inputs[i].shape[1].value}, inputs[i].data()});
    plan_->run(in, out, nullptr);
    return results;
  }

 private:
  graph::Graph graph_;
  graph::Node node_;
  std::unique_ptr<Plan> plan_;
};

/// x times the matrix of `seed`, and nothing else.
std::vector<float> product(const PackedShape& shape, uint32_t seed, int64_t rows, const std::vector<float>& x) {
  OneOperator alone(graph::names::kPackedLinear, {shape}, seed);
  alone.compile({shape.n});
  return alone.run(rows, {x})[0];
}

/// Applies `formula` to each value with its column and place; returns the largest difference from `found`.
template <typename Formula>
double worst(const std::vector<float>& found, int64_t columns, const Formula& formula) {
  double largest = 0;
  for (size_t i = 0; i < found.size(); ++i)
    largest = std::max(largest, std::abs(found[i] - formula(i, i % static_cast<size_t>(columns))));
  return largest;
}

double silu(double x) { return x / (1 + std::exp(-x)); }

const std::vector<int64_t> kRows = {1, 2, 9, 33};

}  // namespace

TEST_CASE("PackedLinear: the product, then bias, curve and addend, in any combination") {
  for (const PackedShape& shape : {PackedShape{50, 200, 32, 4, Zero::middle}, PackedShape{1, 64, 64, 8, Zero::point}}) {
    const std::vector<float> bias = random_floats(shape.n, 2);
    for (int parts = 0; parts < 8; ++parts) {
      CAPTURE(parts);
      OneOperator whole(graph::names::kPackedLinear, {shape});
      const bool biased = (parts & 1) != 0, curved = (parts & 2) != 0, added = (parts & 4) != 0;
      if (biased) whole.constant("bias", bias, DType::f32);
      if (!biased && added) whole.left_out();
      if (added) whole.input("addend", shape.n);
      if (curved) whole.curve(kernels::kSilu);
      whole.compile({shape.n});
      for (const int64_t rows : kRows) {
        const std::vector<float> x = random_floats(rows * shape.k, 3), addend = random_floats(rows * shape.n, 4);
        const std::vector<float> plain = product(shape, 1, rows, x);
        std::vector<std::vector<float>> inputs{x};
        if (added) inputs.push_back(addend);
        const std::vector<float> y = whole.run(rows, inputs)[0];
        CHECK(worst(y, shape.n, [&](size_t i, size_t column) {
                double wanted = plain[i];
                if (biased) wanted += static_cast<double>(bias[column]);
                if (curved) wanted = silu(wanted);
                return added ? wanted + static_cast<double>(addend[i]) : wanted;
              }) < 1e-5);
      }
    }
  }
}

TEST_CASE("PackedLinears: to the last bit three products, of any widths, bits and groups, biases left out or not") {
  const std::vector<PackedShape> shapes = {{50, 128, 32, 4, Zero::middle}, {17, 128, 64, 8, Zero::point}, {1, 128, 128, 4, Zero::offset}};
  for (const bool biased : {false, true}) {
    OneOperator all(graph::names::kPackedLinears, shapes);
    const std::vector<float> bias = random_floats(17, 2);
    if (biased) {
      all.left_out();
      all.constant("bias", bias, DType::f32);
    }
    all.compile({50, 17, 1});
    for (const int64_t rows : kRows) {
      CAPTURE(rows);
      const std::vector<float> x = random_floats(rows * 128, 3);
      const std::vector<std::vector<float>> y = all.run(rows, {x});
      for (uint32_t i = 0; i < 3; ++i) {
        std::vector<float> wanted = product(shapes[i], 1 + i, rows, x);
        if (biased && i == 1)
          for (size_t at = 0; at < wanted.size(); ++at) wanted[at] += bias[at % bias.size()];
        CHECK(y[i] == wanted);
      }
    }
  }
}

TEST_CASE("PackedGated: silu of one product times the other, each row the same in any company") {
  for (const int32_t bits : {4, 8}) {
    for (const int64_t n : {1, 33, 176}) {
      const std::vector<PackedShape> shapes = {{n, 100, 32, bits, Zero::middle}, {n, 100, 64, 4, Zero::point}};
      OneOperator gated(graph::names::kPackedGated, shapes);
      gated.compile({n});
      for (const int64_t rows : kRows) {
        CAPTURE(rows);
        const std::vector<float> x = random_floats(rows * 100, 3);
        const std::vector<float> gate = product(shapes[0], 1, rows, x), up = product(shapes[1], 2, rows, x);
        const std::vector<float> y = gated.run(rows, {x})[0];
        CHECK(worst(y, n, [&](size_t i, size_t) { return silu(gate[i]) * static_cast<double>(up[i]); }) < 1e-4);
        const std::vector<float> last = gated.run(1, {{x.end() - 100, x.end()}})[0];
        CHECK(std::equal(last.begin(), last.end(), y.end() - n));
      }
    }
  }
}

TEST_CASE("operators over packed matrices say what does not fit") {
  const PackedShape shape{16, 64, 32, 4, Zero::middle};
  const auto message = [](const std::string& op, const std::vector<PackedShape>& shapes, const std::vector<int64_t>& columns,
                          const auto& change) {
    OneOperator wrong(op, shapes);
    change(wrong);
    return error_of([&] {
      wrong.compile(columns);
      wrong.run(2, {random_floats(2 * shapes[0].k, 1)});
    });
  };
  const auto contains = [](const std::string& text, const std::string& part) {
    CAPTURE(text);
    CHECK(text.find(part) != std::string::npos);
  };
  const auto nothing = [](OneOperator&) {};
  const std::string linear = graph::names::kPackedLinear, linears = graph::names::kPackedLinears, gated = graph::names::kPackedGated;
  CHECK(message(linear, {shape}, {16}, nothing) == "no error");
  contains(message(linear, {shape}, {16}, [](OneOperator& op) { op.attribute("bits", std::vector<int64_t>{5}); }),
           "PackedLinear, bits: 5, expected 4 or 8");
  contains(message(linear, {shape}, {16}, [](OneOperator& op) { op.attribute("group", std::vector<int64_t>{48}); }),
           "PackedLinear, group: 48, expected a multiple of 32");
  contains(message(linear, {shape}, {17}, [](OneOperator& op) { op.attribute("n", std::vector<int64_t>{17}); }),
           "PackedLinear: bytes of weights: 576, expected 1152");
  contains(message(linear, {shape}, {16}, [](OneOperator& op) { op.constant("bias", std::vector<float>(15), DType::f32); }),
           "PackedLinear: biases: 15, expected 16");
  contains(message(linear, {shape}, {16},
                   [](OneOperator& op) {
                     op.left_out();
                     op.constant("addend", std::vector<float>(16), DType::f32);
                   }),
           "PackedLinear: elements of addend: 16, expected 32");
  contains(message(linears, {shape, shape, shape}, {16, 16, 16},
                   [](OneOperator& op) { op.attribute("group", std::vector<int64_t>{32, 32}); }),
           "PackedLinears, attribute group: 2 numbers, expected 3");
  contains(message(linears, {shape, {16, 64, 128, 4, Zero::middle}, shape}, {16, 16, 16}, nothing),
           "PackedLinears, group: the last of 128 ends at 128, expected 64, where the first matrix's ends");
  contains(message(gated, {shape, {32, 64, 32, 4, Zero::middle}}, {16}, nothing), "PackedGated, n: 16 and 32, expected equal ones");
}
