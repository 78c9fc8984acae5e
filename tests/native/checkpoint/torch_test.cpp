// SPDX-License-Identifier: Apache-2.0
// Files of torch.save through TensorStore: what is read, and the message for every way such a file can be wrong.
#include <doctest/doctest.h>

#include <filesystem>
#include <set>

#include "checkpoint/checkpoint.h"
#include "support/npy.h"
#include "support/torch_writer.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

std::vector<FileTensor> every_type() {
  return {float_tensor("f32", DType::f32, {2, 3}, {1, 2, 3, 4, 5, 6}),
          float_tensor("f16", DType::f16, {2}, {0.5F, -2}),
          float_tensor("bf16", DType::bf16, {1, 2}, {1.5F, -3}),
          {"i64", "I64", {1}, std::string("\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8)},
          {"i32", "I32", {1, 1}, std::string("\1\2\3\4", 4)},
          {"i16", "I16", {2}, std::string("\1\2\3\4", 4)},
          {"i8", "I8", {1}, "a"},
          {"u8", "U8", {2}, "ab"},
          {"bool", "BOOL", {1}, "\1"},
          {"wide", "F64", {1}, std::string(8, '\0')},
          {"scalar", "F32", {}, std::string(4, '\0')},
          {"empty", "F32", {0, 7}, ""}};
}

}  // namespace

TEST_CASE("torch: every type, in place and aligned") {
  const TempDir dir;
  for (const char* key : {"", "state_dict", "model"}) {
    const std::string path = (dir / "weights.pt").string();
    write_torch_file(path, every_type(), key);
    TensorStore store;
    store.add_file(path);
    CHECK(store.all().size() == 11);
    const std::pair<const char*, DType> types[] = {{"f32", DType::f32}, {"f16", DType::f16}, {"bf16", DType::bf16},
                                                   {"i64", DType::i64}, {"i32", DType::i32}, {"i16", DType::i16},
                                                   {"i8", DType::i8},   {"u8", DType::u8},   {"bool", DType::boolean}};
    for (const auto& [name, dtype] : types) CHECK(store.get(name).dtype == dtype);
    CHECK(store.get("f32", {2, 3}).to_float() == std::vector<float>{1, 2, 3, 4, 5, 6});
    CHECK(store.get("f16", {2}).to_float() == std::vector<float>{0.5F, -2});
    CHECK(store.get("bf16", {1, 2}).to_float() == std::vector<float>{1.5F, -3});
    CHECK(store.get("i64").data()[0] == 0xFE);
    CHECK(store.get("scalar", {}).to_float() == std::vector<float>{0});
    CHECK(store.get("empty", {0, 7}).to_float().empty());
    for (const auto& [name, tensor] : store.all()) CHECK(tensor.offset % 64 == 0);
    CHECK(error_of([&] { store.get("wide"); }) == "5:" + path + ": tensor wide has dtype F64, which vila4j does not read");
  }
}

TEST_CASE("torch: tensors at any byte") {
  std::set<uint64_t> residues;
  for (size_t length = 1; length <= 4; ++length) {  // Of a name in the pickle, which moves all that lies behind.
    const TempDir dir;
    const std::string path = (dir / "weights.pt").string();
    write_torch_file(path,
                     {float_tensor("f32", DType::f32, {2, 3}, {1, 2, 3, 4, 5, 6}),
                      float_tensor("f16", DType::f16, {2, 2}, {0.5F, -2, 3, 4}),
                      float_tensor("bf16", DType::bf16, {2, 2}, {1.5F, -3, 5, 6}),
                      {std::string(length, 'p'), "U8", {4}, "abcd"}},
                     "", 1);
    TensorStore store;
    store.add_file(path);
    CHECK(store.get("f32").to_float() == std::vector<float>{1, 2, 3, 4, 5, 6});
    CHECK(store.get("f16").to_float() == std::vector<float>{0.5F, -2, 3, 4});
    CHECK(store.get("bf16").to_float() == std::vector<float>{1.5F, -3, 5, 6});
    residues.insert(store.get("f32").offset % 4);
  }
  CHECK(residues == std::set<uint64_t>{0, 1, 2, 3});
}
