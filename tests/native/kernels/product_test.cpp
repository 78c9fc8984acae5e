// SPDX-License-Identifier: Apache-2.0
// Packing, quantising and multiplying against plain double sums, over odd sizes and every implementation this processor has.
#include "kernels/product.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "common/dtype.h"
#include "kernels/tested_sets.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::kernels;  // NOLINT
using vila::testing::check_tested;
using vila::testing::error_of;

namespace {

/// Memory at a multiple of 64, as plans and scratch are.
class Memory {
 public:
  explicit Memory(size_t bytes) : raw_(bytes + 64), begin_(raw_.data()) {
    begin_ += (64 - reinterpret_cast<uintptr_t>(begin_) % 64) % 64;
  }
  uint8_t* data() { return begin_; }

 private:
  std::vector<uint8_t> raw_;
  uint8_t* begin_;
};

/// A random packed matrix and its weights as the formulas of Zero give them, in double.
struct RandomMatrix {
  RandomMatrix(const PackedShape& s, std::mt19937& random) : shape(s), memory(s.bytes()) {
    const auto k = static_cast<size_t>(s.k), groups = static_cast<size_t>(s.groups());
    std::uniform_int_distribution<int> value(0, s.bits == 4 ? 15 : 255);
    std::uniform_real_distribution<float> scale(0.001F, 0.05F), offset(-0.4F, 0.4F);
    for (int64_t n = 0; n < s.n; ++n) {
      std::vector<uint8_t> q(k), points(groups);
      std::vector<uint16_t> scales(groups), offsets(groups);
      for (uint8_t& v : q) v = static_cast<uint8_t>(value(random));
      for (uint8_t& v : points) v = static_cast<uint8_t>(value(random));
      for (uint16_t& v : scales) v = to_f16(scale(random));
      for (uint16_t& v : offsets) v = to_f16(offset(random));
      pack_row(s, n, {q.data(), scales.data(), points.data(), offsets.data()}, memory.data());
      for (size_t i = 0; i < k; ++i) {
        const size_t group = i / static_cast<size_t>(s.group);
        const double factor = f16_to_f32(scales[group]), stored = q[i];
        switch (s.zero) {
          case Zero::middle: weights.push_back(factor * (stored - (s.bits == 4 ? 8 : 128))); break;
          case Zero::point: weights.push_back(factor * (stored - points[group])); break;
          case Zero::offset: weights.push_back(factor * stored + static_cast<double>(f16_to_f32(offsets[group]))); break;
        }
      }
    }
  }
  PackedMatrix packed() { return {shape, memory.data()}; }

  PackedShape shape;
  Memory memory;
  std::vector<double> weights;  // [n, k]
};

std::vector<float> random_floats(size_t count, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& v : values) v = normal(random);
  return values;
}

struct Rows {
  Rows(const std::vector<float>& x, int64_t count, const PackedShape& shape, const Product& product = products().back())
      : memory(RowsBuffer::bytes(count, shape.padded_k())), buffer(memory.data(), count, shape.padded_k()) {
    for (int64_t row = 0; row < count; ++row) product.quantize(x.data(), row, shape.k, shape.padded_k(), buffer);
    view = {count, shape.padded_k(), buffer.q, buffer.scales, buffer.sums};
  }
  Memory memory;
  RowsBuffer buffer;
  QuantizedRows view;
};

std::vector<PackedShape> shapes() {
  std::vector<PackedShape> list;
  for (const Zero zero : {Zero::middle, Zero::point, Zero::offset}) {
    for (const int32_t bits : {4, 8}) {
      const std::vector<std::array<int64_t, 3>> sizes = {{1, 32, 32},   {16, 64, 32}, {17, 96, 32},   {33, 160, 64},
                                                         {50, 200, 32}, {31, 1, 32},  {48, 384, 128}, {65, 300, 128}};
      for (const auto& [n, k, group] : sizes) list.push_back({n, k, group, bits, zero});
    }
  }
  return list;
}

}  // namespace

TEST_CASE("products: every implementation that there is") {
  check_tested("products in 8 and 4 bits", products(), {InstructionSet::avx512vnni, InstructionSet::avx2});
}

TEST_CASE("pack and unpack: every weight by its formula") {
  std::mt19937 random(1);
  for (const PackedShape& shape : shapes()) {
    RandomMatrix matrix(shape, random);
    std::vector<float> row(static_cast<size_t>(shape.k));
    for (int64_t n = 0; n < shape.n; ++n) {
      unpack_row(matrix.packed(), n, row.data());
      for (int64_t k = 0; k < shape.k; ++k) {
        const double wanted = matrix.weights[static_cast<size_t>(n * shape.k + k)];
        REQUIRE(row[static_cast<size_t>(k)] == doctest::Approx(wanted).epsilon(1e-6));
      }
    }
  }
}

TEST_CASE("quantised activations: within half a step, zero beyond the row, not-finite numbers kept visible") {
  std::mt19937 random(2);
  for (const Product& product : products()) {
    CAPTURE(product.name);
    for (const int64_t k : {1, 31, 32, 33, 100}) {
      const int64_t padded = (k + 63) / 64 * 64;
      std::vector<float> x = random_floats(static_cast<size_t>(3 * k), random);
      x[0] = 1000;  // An outlier costs its own block its precision, and no other.
      const Rows rows(x, 3, {1, k, 64, 4, Zero::middle}, product);
      for (int64_t row = 0; row < 3; ++row) {
        for (int64_t i = 0; i < padded; ++i) {
          const float scale = rows.view.scales[row * padded / kBlock + i / kBlock];
          const float wanted = i < k ? x[static_cast<size_t>(row * k + i)] : 0;
          CHECK(std::abs(scale * rows.view.q[row * padded + i] - wanted) <= 0.5001F * scale);
        }
        for (int64_t block = 0; block < padded / kBlock; ++block) {
          int32_t sum = 0, largest = 0;
          for (int64_t i = 0; i < kBlock; ++i) {
            const int32_t q = rows.view.q[row * padded + block * kBlock + i];
            sum += q;
            largest = std::max(largest, std::abs(q));
          }
          CHECK(rows.view.sums[row * padded / kBlock + block] == sum);
          CHECK(largest == (block * kBlock < k ? 127 : 0));
        }
      }
    }
    std::vector<float> bad(128, 1.0F);
    bad[3] = std::numeric_limits<float>::quiet_NaN();
    bad[40] = std::numeric_limits<float>::infinity();
    std::fill(bad.begin() + 96, bad.end(), 0.0F);
    const Rows rows(bad, 1, {1, 128, 32, 4, Zero::middle}, product);
    CHECK(std::isnan(rows.view.scales[0]));
    CHECK(std::isnan(rows.view.scales[1]));
    CHECK(rows.view.scales[2] == doctest::Approx(1 / 127.0));
    CHECK(rows.view.scales[3] == 0);
  }
}

TEST_CASE("products: every implementation, odd sizes, any rows, any share of the panels") {
  std::mt19937 random(3);
  for (const PackedShape& shape : shapes()) {
    RandomMatrix matrix(shape, random);
    for (const int64_t count : {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 20}) {
      const std::vector<float> x = random_floats(static_cast<size_t>(count * shape.k), random);
      const Rows rows(x, count, shape);
      std::vector<double> wanted(static_cast<size_t>(count * shape.n)), magnitude(wanted.size());
      for (int64_t row = 0; row < count; ++row) {
        for (int64_t n = 0; n < shape.n; ++n) {
          for (int64_t k = 0; k < shape.k; ++k) {
            const double term = static_cast<double>(rows.view.scales[row * rows.view.blocks() + k / kBlock]) *
                                rows.view.q[row * rows.view.k + k] * matrix.weights[static_cast<size_t>(n * shape.k + k)];
            wanted[static_cast<size_t>(row * shape.n + n)] += term;
            magnitude[static_cast<size_t>(row * shape.n + n)] += std::abs(term);
          }
        }
      }
      for (const Product& product : products()) {
        CAPTURE(product.name);
        CAPTURE(shape.n);
        CAPTURE(shape.k);
        CAPTURE(count);
        const int64_t stride = shape.n + 3;
        std::vector<float> y(static_cast<size_t>(count * stride), -77.0F);
        Memory scratch(product.scratch_bytes(shape));
        const int64_t middle = shape.panels() / 2;
        product.multiply(matrix.packed(), rows.view, 0, middle, y.data(), stride, scratch.data());
        product.multiply(matrix.packed(), rows.view, middle, shape.panels(), y.data(), stride, scratch.data());
        bool close = true, untouched = true;
        for (int64_t row = 0; row < count; ++row) {
          for (int64_t n = 0; n < stride; ++n) {
            const float got = y[static_cast<size_t>(row * stride + n)];
            const auto at = static_cast<size_t>(row * shape.n + n);
            // Offsets of 8-bit weights cancel against 128 times the scale, hence the wider bound.
            if (n < shape.n) close = close && std::abs(got - wanted[at]) <= 2e-5 * magnitude[at] + 1e-4;
            if (n >= shape.n) untouched = untouched && got == -77.0F;
          }
        }
        CHECK(close);
        CHECK(untouched);
      }
    }
  }
}

TEST_CASE("products: a row is the same to the last bit in any company of 1 to 20 rows, at every place, an output in any share") {
  std::mt19937 random(6);
  constexpr int64_t kRows = 20;
  for (const PackedShape& shape : shapes()) {
    RandomMatrix matrix(shape, random);
    const std::vector<float> x = random_floats(static_cast<size_t>(kRows * shape.k), random);
    for (const Product& product : products()) {
      CAPTURE(product.name);
      CAPTURE(shape.n);
      CAPTURE(shape.k);
      CAPTURE(shape.bits);
      Memory scratch(product.scratch_bytes(shape));
      const auto multiply = [&](int64_t first, int64_t count, int64_t middle) {
        const Rows rows({x.begin() + first * shape.k, x.begin() + (first + count) * shape.k}, count, shape, product);
        std::vector<float> y(static_cast<size_t>(count * shape.n));
        product.multiply(matrix.packed(), rows.view, 0, middle, y.data(), shape.n, scratch.data());
        product.multiply(matrix.packed(), rows.view, middle, shape.panels(), y.data(), shape.n, scratch.data());
        return y;
      };
      std::vector<float> alone;
      for (int64_t row = 0; row < kRows; ++row) {
        const std::vector<float> y = multiply(row, 1, 0);
        alone.insert(alone.end(), y.begin(), y.end());
      }
      bool same = true;
      for (int64_t count = 1; count <= kRows; ++count) {
        for (const int64_t first : {int64_t{0}, kRows - count}) {
          const std::vector<float> y = multiply(first, count, count % (shape.panels() + 1));
          same = same && std::equal(y.begin(), y.end(), alone.begin() + first * shape.n);
        }
      }
      CHECK(same);
    }
  }
}

TEST_CASE("products: where 8 bits hold the activations, what the weights say alone: cosine 0.9999 at least") {
  std::mt19937 random(7);
  std::uniform_int_distribution<int> whole(-127, 127);
  constexpr int64_t kRows = 3;
  for (const int32_t bits : {4, 8}) {
    for (const auto& [n, k] : {std::array<int64_t, 2>{33, 70}, {90, 333}, {17, 1}, {256, 209}}) {
      const PackedShape shape{n, k, kBlock, bits, Zero::middle};
      const std::vector<float> weights = random_floats(static_cast<size_t>(n * k), random);
      std::vector<float> rounded(weights.size());
      std::vector<uint8_t> q(static_cast<size_t>(k));
      std::vector<uint16_t> scales(static_cast<size_t>(shape.groups()));
      Memory packed(shape.bytes());
      for (int64_t row = 0; row < n; ++row) {
        quantize_row(shape, weights.data() + row * k, q.data(), scales.data());
        pack_row(shape, row, {q.data(), scales.data()}, packed.data());
        unpack_row({shape, packed.data()}, row, rounded.data() + row * k);
      }
      std::vector<float> x(static_cast<size_t>(kRows * k));
      for (size_t i = 0; i < x.size(); ++i) {
        const bool first = i % static_cast<size_t>(k) % kBlock == 0;  // is the block's largest
        x[i] = static_cast<float>(first ? 127 : whole(random)) / 64;
      }
      for (const Product& product : products()) {
        CAPTURE(product.name);
        CAPTURE(bits);
        CAPTURE(n);
        CAPTURE(k);
        const Rows rows(x, kRows, shape, product);
        std::vector<float> y(static_cast<size_t>(kRows * n));
        Memory scratch(product.scratch_bytes(shape));
        product.multiply({shape, packed.data()}, rows.view, 0, shape.panels(), y.data(), n, scratch.data());
        double both = 0, own = 0, other = 0;
        bool close = true;
        for (int64_t row = 0; row < kRows; ++row) {
          for (int64_t out = 0; out < n; ++out) {
            double wanted = 0, magnitude = 0;
            for (int64_t i = 0; i < k; ++i) {
              const double term = double{x[static_cast<size_t>(row * k + i)]} * double{rounded[static_cast<size_t>(out * k + i)]};
              wanted += term;
              magnitude += std::abs(term);
            }
            const double got = y[static_cast<size_t>(row * n + out)];
            close = close && std::abs(got - wanted) <= 2e-5 * magnitude + 1e-5;
            both += got * wanted, own += got * got, other += wanted * wanted;
          }
        }
        CHECK(both >= 0.9999 * std::sqrt(own * other));
        CHECK(close);
      }
    }
  }
}

TEST_CASE("products: what an implementation does at its best is counted, the same for each round") {
  for (const Product& product : products()) {
    CAPTURE(product.name);
    CHECK(product.at_best(1) > 0);
    CHECK(product.at_best(3) == 3 * product.at_best(1));
  }
}

TEST_CASE("quantised weights: the error is what rounding must cost, extremes and zeros are kept") {
  std::mt19937 random(4);
  for (const int32_t bits : {4, 8}) {
    const PackedShape shape{1, 1000, 32, bits, Zero::middle};
    std::vector<float> weights = random_floats(1000, random);
    std::fill(weights.begin() + 32, weights.begin() + 64, 0.0F);
    std::vector<uint8_t> q(1000);
    std::vector<uint16_t> scales(static_cast<size_t>(shape.groups()));
    quantize_row(shape, weights.data(), q.data(), scales.data());
    Memory memory(shape.bytes());
    pack_row(shape, 0, {q.data(), scales.data(), nullptr, nullptr}, memory.data());
    std::vector<float> back(1000);
    unpack_row({shape, memory.data()}, 0, back.data());
    double error = 0, power = 0;
    for (size_t i = 0; i < 1000; ++i) {
      error += std::pow(back[i] - weights[i], 2);
      power += std::pow(weights[i], 2);
      if (i >= 32 && i < 64) CHECK(back[i] == 0.0F);
    }
    // Uniform rounding noise with the step that 32 normal numbers need: about 0.09 and 0.005 of the weights' size.
    CHECK(std::sqrt(error / power) < (bits == 4 ? 0.095 : 0.0065));
    CHECK(std::sqrt(error / power) > (bits == 4 ? 0.05 : 0.002));
  }
  const PackedShape shape{1, 32, 32, 4, Zero::middle};
  std::vector<float> bad(32, 1.0F);
  bad[7] = std::numeric_limits<float>::infinity();
  std::vector<uint8_t> q(32);
  uint16_t scale = 0;
  CHECK(error_of([&] { quantize_row(shape, bad.data(), q.data(), &scale); }) ==
        "1:weights: inf at input 7, expected a finite number");
  bad[7] = 1e9F;
  CHECK(error_of([&] { quantize_row(shape, bad.data(), q.data(), &scale); }) == "1:weights: 1e+09 is too large for an fp16 scale");
}

TEST_CASE("quantised weights: no block is further away than with the one plain scale, outliers, odd sizes and signs included") {
  std::mt19937 random(5);
  for (const int64_t k : {1, 7, 31, 32, 33, 160, 213}) {
    for (const int32_t bits : {4, 8}) {
      for (const float outlier : {1.0F, 8.0F, -300.0F}) {
        CAPTURE(k);
        CAPTURE(bits);
        CAPTURE(outlier);
        const PackedShape shape{1, k, 32, bits, Zero::middle};
        std::vector<float> weights = random_floats(static_cast<size_t>(k), random), back(weights.size());
        for (size_t block = 0; block < weights.size(); block += 32) weights[block] *= outlier;
        std::vector<uint8_t> q(weights.size());
        std::vector<uint16_t> scales(static_cast<size_t>(shape.groups()));
        quantize_row(shape, weights.data(), q.data(), scales.data());
        Memory memory(shape.bytes());
        pack_row(shape, 0, {q.data(), scales.data(), nullptr, nullptr}, memory.data());
        unpack_row({shape, memory.data()}, 0, back.data());
        const float middle = bits == 4 ? 8 : 128;
        for (size_t first = 0; first < weights.size(); first += 32) {
          const size_t last = std::min(first + 32, weights.size());
          float extreme = 0;
          for (size_t i = first; i < last; ++i)
            if (std::abs(weights[i]) > std::abs(extreme)) extreme = weights[i];
          const float scale = f16_to_f32(to_f16(-extreme / middle));
          double plain = 0, found = 0;
          for (size_t i = first; i < last; ++i) {
            const float steps = scale == 0 ? 0 : std::clamp(std::nearbyint(weights[i] / scale), -middle, middle - 1);
            plain += std::pow(double{weights[i]} - double{scale} * steps, 2);
            found += std::pow(double{weights[i]} - back[i], 2);
          }
          CHECK(found <= plain * (1 + 1e-6));
        }
      }
    }
  }
}
