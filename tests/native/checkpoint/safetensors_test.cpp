// SPDX-License-Identifier: Apache-2.0
// TensorStore: what it reads, and the message for every way a file can be wrong.
#include <doctest/doctest.h>

#include <filesystem>

#include "checkpoint/checkpoint.h"
#include "support/checkpoint_writer.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

/// The error of a file with this header and `data` zero bytes, the path replaced by FILE.
std::string header_error(const std::string& header, size_t data) {
  const TempDir dir;
  const std::string path = (dir / "m.safetensors").string();
  write_safetensors_raw(path, header, std::string(data, '\0'));
  TensorStore store;
  std::string error = error_of([&] { store.add_file(path); });
  for (size_t at; (at = error.find(path)) != std::string::npos;) error.replace(at, path.size(), "FILE");
  return error;
}

std::string bytes_error(const std::string& content) {
  const TempDir dir;
  const std::string path = (dir / "m.safetensors").string();
  write_file(path, content);
  TensorStore store;
  std::string error = error_of([&] { store.add_file(path); });
  if (const size_t at = error.find(path); at != std::string::npos) error.replace(at, path.size(), "FILE");
  return error;
}

std::string tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

FileTensor small(const std::string& name) { return float_tensor(name, DType::f32, {2}, {1, 2}); }

/// A folder with two shards a, b and an index of this weight_map; `{}` in the error stands for the folder.
std::string index_error(const std::string& weight_map) {
  const TempDir dir;
  write_safetensors(dir / "a.safetensors", {small("x")});
  write_safetensors(dir / "b.safetensors", {small("y")});
  write_file(dir / "model.safetensors.index.json", R"({"weight_map":)" + weight_map + "}");
  TensorStore store;
  std::string error = error_of([&] { store.add_folder(dir.path().string()); });
  for (size_t at; (at = error.find(dir.path().string())) != std::string::npos;) error.replace(at, dir.path().string().size(), "{}");
  return error;
}

}  // namespace

TEST_CASE("safetensors: every readable type, empty tensors, scalars, metadata") {
  const TempDir dir;
  const std::string header = R"({"__metadata__":{"format":"pt"},"f32":)" + tensor("F32", "[2]", "[0,8]") + R"(,"f16":)" +
                             tensor("F16", "[1]", "[8,10]") + R"(,"bf16":)" + tensor("BF16", "[1,1]", "[10,12]") + R"(,"i64":)" +
                             tensor("I64", "[1]", "[12,20]") + R"(,"i32":)" + tensor("I32", "[1]", "[20,24]") + R"(,"i16":)" +
                             tensor("I16", "[1]", "[24,26]") + R"(,"i8":)" + tensor("I8", "[1]", "[26,27]") + R"(,"u8":)" +
                             tensor("U8", "[1]", "[27,28]") + R"(,"bool":)" + tensor("BOOL", "[1]", "[28,29]") + R"(,"empty":)" +
                             tensor("F32", "[3,0,4611686018427387904]", "[29,29]") + R"(,"scalar":)" +
                             tensor("U8", "[]", "[29,30]") + "}";
  write_safetensors_raw(dir / "m.safetensors", header, std::string(30, '\1'));
  TensorStore store;
  store.add_file((dir / "m.safetensors").string());
  CHECK(store.all().size() == 11);
  const std::pair<const char*, DType> types[] = {{"f32", DType::f32}, {"f16", DType::f16}, {"bf16", DType::bf16},
                                                 {"i64", DType::i64}, {"i32", DType::i32}, {"i16", DType::i16},
                                                 {"i8", DType::i8},   {"u8", DType::u8},   {"bool", DType::boolean}};
  for (const auto& [name, dtype] : types) CHECK(store.get(name).dtype == dtype);
  CHECK(store.get("f32").offset == 8 + header.size());
  CHECK(store.get("i64").bytes == 8);
  CHECK(store.get("empty").elements() == 0);
  CHECK(store.get("empty").to_float().empty());
  CHECK(store.get("scalar").elements() == 1);
  CHECK(store.get("scalar").data()[0] == 1);
}

TEST_CASE("safetensors: a type that is not read may lie in a file until it is asked for") {
  const TempDir dir;
  const std::string path = (dir / "m.safetensors").string();
  write_safetensors_raw(path,
                        R"({"a":)" + tensor("F64", "[2]", "[0,16]") + R"(,"b":)" + tensor("F8_E4M3", "[3]", "[16,19]") +
                            R"(,"c":)" + tensor("F32", "[1]", "[19,23]") + "}",
                        std::string(23, '\0'));
  TensorStore store;
  store.add_file(path);
  CHECK(store.all().size() == 1);
  CHECK(store.contains("a"));
  CHECK(store.get("c").to_float() == std::vector<float>{0});
  CHECK(error_of([&] { store.get("a"); }) == "5:" + path + ": tensor a has dtype F64, which vila4j does not read");
  CHECK(error_of([&] { store.get("b", {3}); }) == "5:" + path + ": tensor b has dtype F8_E4M3, which vila4j does not read");
}

TEST_CASE("safetensors: damaged files") {
  CHECK(bytes_error("") == "4:FILE: 0 bytes, too short for a safetensors file");
  CHECK(bytes_error("1234567") == "4:FILE: 7 bytes, too short for a safetensors file");
  CHECK(bytes_error(std::string("\x0A\0\0\0\0\0\0\0{}", 10)) == "4:FILE: header of 10 bytes in a file of 10 bytes");
  CHECK(bytes_error(std::string(8, '\xFF')) == "4:FILE: header of 18446744073709551615 bytes, at most 104857600 are accepted");
  CHECK(header_error("", 0) == "4:FILE: header: not valid JSON at byte 1");
  CHECK(header_error("{\"a\":", 0) == "4:FILE: header: not valid JSON at byte 6");
  CHECK(header_error("[1]", 0) == "4:FILE: header: is [1], expected an object");
  CHECK(header_error(R"({"a":1})", 0) == "4:FILE: tensor a: is 1, expected an object");
  CHECK(header_error(R"({"__metadata__":1})", 0) == "4:FILE: __metadata__: is 1, expected an object");
  CHECK(header_error(R"({"a":{}})", 0) == "4:FILE: tensor a: dtype is missing, expected a string");
  CHECK(header_error(R"({"a\nb":{}})", 0) == R"(4:FILE: header: the tensor name "a\nb" holds a control character)");
  CHECK(header_error(R"({"a":)" + tensor("F33", "[1]", "[0,4]") + "}", 4) ==
        "4:FILE: tensor a: dtype is \"F33\", expected a type of the safetensors format");
}

TEST_CASE("safetensors: shapes and offsets that cannot be") {
  const auto one = [](const std::string& shape, const std::string& offsets, size_t data) {
    return header_error(R"({"a":)" + tensor("F32", shape, offsets) + "}", data);
  };
  CHECK(one("[1]", "[0,4]", 4) == "no error");
  CHECK(one("3", "[0,4]", 4) == "4:FILE: tensor a: shape is not a list of non-negative integers");
  CHECK(one("[-1]", "[0,4]", 4) == "4:FILE: tensor a: shape is not a list of non-negative integers");
  CHECK(one("[1.0]", "[0,4]", 4) == "4:FILE: tensor a: shape is not a list of non-negative integers");
  CHECK(one("[1,1,1,1,1,1,1,1,1]", "[0,4]", 4) == "4:FILE: tensor a: shape has 9 numbers, at most 8 are accepted");
  CHECK(one("[18446744073709551615]", "[0,4]", 4) == "4:FILE: tensor a: shape [18446744073709551615] overflows");
  CHECK(one("[4294967296,4294967296]", "[0,4]", 4) == "4:FILE: tensor a: shape [4294967296,4294967296] overflows");
  CHECK(one("[4611686018427387904]", "[0,4]", 4) == "4:FILE: tensor a: shape [4611686018427387904] overflows");
  CHECK(one("[1]", "[0,4,8]", 4) == "4:FILE: tensor a: data_offsets is [0,4,8], expected [begin, end]");
  CHECK(one("[1]", "[4,0]", 4) == "4:FILE: tensor a: data_offsets is [4,0], expected [begin, end]");
  CHECK(one("[1]", "[0,18446744073709551615]", 4) ==
        "4:FILE: tensor a: ends at byte 18446744073709551615 of the data, but the file holds 4 bytes of data");
  CHECK(one("[2]", "[0,8]", 4) == "4:FILE: tensor a: ends at byte 8 of the data, but the file holds 4 bytes of data");
  CHECK(one("[2]", "[0,4]", 4) == "4:FILE: tensor a: data_offsets span 4 bytes, expected 8 for F32 [2]");
  CHECK(one("[1]", "[4,8]", 8) == "4:FILE: 4 bytes between the header and tensor a, expected none");
  CHECK(one("[1]", "[0,4]", 7) == "4:FILE: 3 bytes after tensor a, expected none");
  CHECK(header_error("{}", 2) == "4:FILE: 2 bytes after the header, expected none");
  CHECK(header_error("{}", 0) == "no error");
  const auto two = [](const std::string& a, const std::string& b, size_t data) {
    return header_error(R"({"a":)" + tensor("F32", "[1]", a) + R"(,"b":)" + tensor("F32", "[1]", b) + "}", data);
  };
  CHECK(two("[0,4]", "[4,8]", 8) == "no error");
  CHECK(two("[4,8]", "[0,4]", 8) == "no error");
  CHECK(two("[0,4]", "[2,6]", 6) == "4:FILE: tensor b overlaps tensor a");
  CHECK(two("[0,4]", "[0,4]", 4) == "4:FILE: tensor b overlaps tensor a");
  CHECK(two("[0,4]", "[8,12]", 12) == "4:FILE: 4 bytes between tensor a and tensor b, expected none");
}

TEST_CASE("a folder: one file, shards with an index, neither") {
  const TempDir dir;
  write_safetensors(dir / "one" / "model.safetensors", {small("x")});
  TensorStore one;
  one.add_folder((dir / "one").string());
  CHECK(one.files() == std::vector<std::string>{(dir / "one" / "model.safetensors").string()});
  CHECK(one.get("x").to_float() == std::vector<float>{1, 2});

  CHECK(index_error(R"({"x":"a.safetensors","y":"b.safetensors"})") == "no error");
  CHECK(index_error(R"({"x":"a.safetensors","y":"c.safetensors"})") ==
        "2:{}/model.safetensors.index.json: names the shard c.safetensors, which is not in {}");
  CHECK(index_error(R"({"x":"a.safetensors","y":"a.safetensors"})") ==
        "4:{}/model.safetensors.index.json: says that a.safetensors holds \"y\", which it does not");
  CHECK(index_error(R"({})") == "4:{}/model.safetensors.index.json: weight_map is empty");
  CHECK(index_error(R"({"x":1})") == "4:{}/model.safetensors.index.json: weight_map: \"x\" is not the name of a shard");
  CHECK(index_error("[]") == "4:{}/model.safetensors.index.json: weight_map is [], expected an object");

  std::filesystem::create_directories(dir / "none");
  const std::string none = (dir / "none").string();
  TensorStore store;
  CHECK(error_of([&] { store.add_folder(none); }) ==
        "2:" + none +
            ": holds neither model.safetensors.index.json nor model.safetensors, nor pytorch_model.bin, its index or a .pt file");
}

TEST_CASE("an index cannot lead out of its folder") {
  for (const char* name : {"../a.safetensors", "/etc/a.safetensors", "sub/a.safetensors", "..", ".", "", ".a.safetensors", "a.bin",
                           R"(a\\b.safetensors)", R"(a\u0000.safetensors)", R"(a\n.safetensors)"}) {
    CAPTURE(name);
    CHECK(index_error(std::string(R"({"x":")") + name + "\"}") ==
          std::string("4:{}/model.safetensors.index.json: weight_map names the shard \"") + name +
              "\", expected a plain file name ending in .safetensors");
  }
}

TEST_CASE("the same tensor in two shards is refused") {
  const TempDir dir;
  const std::string a = (dir / "a.safetensors").string(), b = (dir / "b.safetensors").string(),
                    c = (dir / "c.safetensors").string();
  write_safetensors(a, {small("x"), {"f", "F64", {1}, std::string(8, '\0')}});
  write_safetensors(b, {small("x")});
  write_safetensors(c, {{"f", "F64", {1}, std::string(8, '\0')}});
  TensorStore store;
  store.add_file(a);
  CHECK(error_of([&] { store.add_file(b); }) == "4:" + b + ": tensor x is also in " + a);
  CHECK(error_of([&] { store.add_file(c); }) == "4:" + c + ": tensor f is also in " + a);
}

TEST_CASE("symbolic links are followed, and named as they were given") {
  const TempDir dir;
  write_safetensors(dir / "blobs" / "1234", {small("x")});
  std::filesystem::create_directories(dir / "snapshot");
  std::filesystem::create_symlink("../blobs/1234", dir / "snapshot" / "model.safetensors");
  TensorStore store;
  store.add_folder((dir / "snapshot").string());
  CHECK(store.get("x").file->path() == (dir / "snapshot" / "model.safetensors").string());
}

TEST_CASE("a missing tensor and a wrong shape name the files") {
  const TempDir dir;
  const std::string a = (dir / "a.safetensors").string(), b = (dir / "b.safetensors").string();
  write_safetensors(a, {small("x")});
  write_safetensors(b, {small("y")});
  TensorStore store;
  CHECK(error_of([&] { store.get("z"); }) == "4:tensor z is missing from an empty store");
  store.add_file(a);
  store.add_file(b);
  CHECK_FALSE(store.contains("z"));
  CHECK(error_of([&] { store.get("z"); }) == "4:tensor z is missing from " + a + ", " + b);
  CHECK(error_of([&] { store.get("x", {2, 1}); }) == "4:" + a + ": tensor x has shape [2], expected [2,1]");
  CHECK(error_of([&] { store.get("x", {}); }) == "4:" + a + ": tensor x has shape [2], expected []");
}
