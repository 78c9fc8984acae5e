// SPDX-License-Identifier: Apache-2.0
// Rows of an embedding table with image tokens in their places, against a plain copy.
#include "cuda/embedding_rows.h"

#include <cmath>
#include <memory>
#include <random>

#include "common/rounding.h"
#include "cuda/device.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

/// A matrix of one type: the floats it stands for, and its bytes on the device.
struct Matrix {
  Matrix(DType of_type, int64_t of_rows, int64_t hidden, std::mt19937& random) : type(of_type), rows(of_rows) {
    std::normal_distribution<float> normal(0, 300);  // some are beyond fp16 after scaling
    std::vector<uint8_t> raw;
    const auto put = [&raw](auto value) {
      const auto* begin = reinterpret_cast<const uint8_t*>(&value);
      raw.insert(raw.end(), begin, begin + sizeof value);
    };
    for (int64_t i = 0; i < rows * hidden; ++i) {
      const float value = normal(random) * (i % 7 == 0 ? 1000.0F : 0.001F);
      switch (type) {
        case DType::f16: put(to_f16(value)); break;
        case DType::bf16: put(to_bf16(value)); break;
        default: put(value); break;
      }
    }
    values.resize(static_cast<size_t>(rows * hidden));
    to_f32(type, raw.data(), values.data(), values.size());
    memory = std::make_unique<DeviceArray<uint8_t>>(raw);
  }
  cuda::RowsView view() const { return {memory->get(), type, rows}; }

  DType type;
  int64_t rows;
  std::vector<float> values;
  std::unique_ptr<DeviceArray<uint8_t>> memory;
};

}  // namespace

TEST_CASE("rows of the table and of images, every type, odd widths") {
  constexpr uint32_t kSeed = 9;
  INFO("seed " << kSeed);
  std::mt19937 random(kSeed);
  const std::vector<DType> types = {DType::f32, DType::f16, DType::bf16};
  for (const int64_t hidden : {1, 7, 256, 801}) {
    for (const DType table_type : types) {
      for (const DType type : types) {
        CAPTURE(hidden);
        CAPTURE(name_of(table_type));
        CAPTURE(name_of(type));
        const Matrix table(table_type, 23, hidden, random), images(types[random() % 3], 5, hidden, random);
        std::vector<int32_t> sources = {0, 22, cuda::image_row(0), cuda::image_row(4), 3, 3, 23, cuda::image_row(5), INT32_MAX};
        const DeviceArray<int32_t> device_sources(sources);
        const auto count = static_cast<int32_t>(sources.size());
        const DeviceArray<uint8_t> out(sources.size() * static_cast<size_t>(hidden) * size_of(type));
        cuda::gather_rows(table.view(), images.view(), hidden, device_sources.get(), count, type, out.get(), nullptr);
        const std::vector<uint8_t> got = out.read();
        std::vector<float> values(sources.size() * static_cast<size_t>(hidden));
        to_f32(type, got.data(), values.data(), values.size());
        for (size_t i = 0; i < values.size(); ++i) {
          const int32_t source = sources[i / static_cast<size_t>(hidden)];
          const auto column = static_cast<int64_t>(i) % hidden;
          const Matrix& from = source < 0 ? images : table;
          const int64_t row = source < 0 ? ~source : source;
          if (row >= from.rows) {
            REQUIRE(std::isnan(values[i]));
            continue;
          }
          const float value = from.values[static_cast<size_t>(row * hidden + column)];
          const float expected = type == DType::f16    ? f16_to_f32(to_f16(value))
                                 : type == DType::bf16 ? bf16_to_f32(to_bf16(value))
                                                       : value;
          REQUIRE(values[i] == expected);
        }
      }
    }
  }
}

TEST_CASE("bad arguments of rows, with the exact message") {
  const DeviceArray<float> memory(16);
  const DeviceArray<int32_t> sources(std::vector<int32_t>{0});
  const auto run = [&](const cuda::RowsView& table, const cuda::RowsView& images, int64_t hidden, int32_t count, DType type) {
    return error_of([&] { cuda::gather_rows(table, images, hidden, sources.get(), count, type, memory.get(), nullptr); });
  };
  const cuda::RowsView table{memory.get(), DType::f32, 4};
  CHECK(run(table, {}, 4, 1, DType::f32) == "no error");
  CHECK(run({memory.get(), DType::i8, 4}, {}, 4, 1, DType::f32) ==
        "1:gather_rows: table's type is int8, expected fp32, fp16 or bf16");
  CHECK(run(table, {nullptr, DType::f32, 2}, 4, 1, DType::f32) == "1:gather_rows: image rows is null, expected device memory");
  CHECK(run(table, {}, 0, 1, DType::f32) == "1:gather_rows: hidden is 0, expected at least 1");
  CHECK(run(table, {}, 4, 0, DType::f32) == "1:gather_rows: count is 0, expected at least 1");
  CHECK(run({nullptr, DType::f32, 4}, {}, 4, 1, DType::f32) == "1:gather_rows: table is null, expected device memory");
}
