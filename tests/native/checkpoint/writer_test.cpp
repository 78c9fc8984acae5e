// SPDX-License-Identifier: Apache-2.0
// The test support itself: rounding, and that what is written is read back.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "checkpoint/checkpoint.h"
#include "common/mapped_file.h"
#include "support/checkpoint_writer.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

TEST_CASE("fp16 rounding: every value, and every middle between two, ties to even") {
  for (uint32_t v = 0; v < 0x7C00U; ++v) {
    const float value = f16_to_f32(static_cast<uint16_t>(v));
    CHECK(f32_to_f16(value) == v);
    CHECK(f32_to_f16(-value) == (v | 0x8000U));
    const float above = v + 1 < 0x7C00U ? f16_to_f32(static_cast<uint16_t>(v + 1)) : 65536.0F;
    const float middle = (value + above) / 2;
    CHECK(f32_to_f16(middle) == v + (v & 1U));
    CHECK(f32_to_f16(std::nextafter(middle, 0.0F)) == v);
    CHECK(f32_to_f16(std::nextafter(middle, above)) == v + 1);
  }
  CHECK(f32_to_f16(std::numeric_limits<float>::infinity()) == 0x7C00);
  CHECK(std::isnan(f16_to_f32(f32_to_f16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST_CASE("bf16 rounding: ties to even, overflow, NaN") {
  CHECK(f32_to_bf16(1.0F) == 0x3F80);
  CHECK(f32_to_bf16(std::bit_cast<float>(0x3F808000U)) == 0x3F80);
  CHECK(f32_to_bf16(std::bit_cast<float>(0x3F818000U)) == 0x3F82);
  CHECK(f32_to_bf16(std::bit_cast<float>(0x3F808001U)) == 0x3F81);
  CHECK(f32_to_bf16(std::numeric_limits<float>::max()) == 0x7F80);
  CHECK(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0x7F800001U)))));
}

TEST_CASE("tensors of each float type are read back as they were rounded") {
  const TempDir dir;
  const std::vector<float> values = {0.0F, 1.0F, -2.5F, 0.333251953125F, 1024.0F, -0.0625F};
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    write_safetensors(dir / "x.safetensors", {float_tensor("odd", dtype, {1}, {7}), float_tensor("x", dtype, {2, 3}, values)});
    TensorStore store;
    store.add_file((dir / "x.safetensors").string());
    const TensorRef& x = store.get("x", {2, 3});
    CHECK(x.dtype == dtype);
    CHECK(x.elements() == 6);
    const std::vector<float> got = x.to_float();
    for (size_t i = 0; i < values.size(); ++i) {
      CHECK(got[i] == (dtype == DType::bf16 ? bf16_to_f32(f32_to_bf16(values[i])) : values[i]));
    }
    CHECK(store.get("odd").to_float() == std::vector<float>{7});
  }
}

TEST_CASE("the same seed writes the same bytes, another seed others") {
  const TempDir dir;
  RandomCheckpoint shape;
  write_checkpoint(dir / "a", shape);
  write_checkpoint(dir / "b", shape);
  shape.seed = 2;
  write_checkpoint(dir / "c", shape);
  const auto bytes = [&dir](const char* name) { return read_file((dir / name / "llm" / "model.safetensors").string(), 1 << 24); };
  CHECK(bytes("a") == bytes("b"));
  CHECK(bytes("a") != bytes("c"));
}

TEST_CASE("random weights have the spread that is said") {
  const TempDir dir;
  RandomCheckpoint shape;
  shape.vocab = 2000;
  write_checkpoint(dir.path(), shape);
  TensorStore store;
  store.add_folder((dir / "llm").string());
  const auto deviation = [&store](const char* name, double mean) {
    double sum = 0, squares = 0;
    const std::vector<float> values = store.get(name).to_float();
    for (const float v : values) {
      sum += v;
      squares += (v - mean) * (v - mean);
    }
    CHECK(std::abs(sum / static_cast<double>(values.size()) - mean) < 0.1);
    return std::sqrt(squares / static_cast<double>(values.size()));
  };
  CHECK(deviation("model.embed_tokens.weight", 0) == doctest::Approx(1).epsilon(0.02));
  CHECK(deviation("lm_head.weight", 0) == doctest::Approx(1 / std::sqrt(32.0)).epsilon(0.02));
  CHECK(deviation("model.norm.weight", 1) == doctest::Approx(0.1).epsilon(0.3));
}
