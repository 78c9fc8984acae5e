// SPDX-License-Identifier: Apache-2.0
// Which files of a folder are its weights.
#include <doctest/doctest.h>

#include <filesystem>

#include "checkpoint/checkpoint.h"
#include "checkpoint/weight_files.h"
#include "support/npy.h"
#include "support/torch_writer.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
namespace fs = std::filesystem;

namespace {

FileTensor small(const std::string& name, float value = 1) { return float_tensor(name, DType::f32, {2}, {value, 2}); }

/// A folder whose weights are asked for after each change; its path is {} in errors.
struct Folder {
  TempDir dir;
  std::string error() const {
    TensorStore store;
    std::string text = error_of([&] { store.add_folder(dir.path().string()); });
    for (size_t at; (at = text.find(dir.path().string())) != std::string::npos;) text.replace(at, dir.path().string().size(), "{}");
    return text;
  }
  /// The first value of tensor x, which tells the files apart.
  float x() const {
    TensorStore store;
    store.add_folder(dir.path().string());
    return store.get("x").to_float().at(0);
  }
};

/// Keeps what is logged.
struct Lines : LogListener {
  void on_log(LogLevel, const std::string& message) override { lines.push_back(message); }
  std::vector<std::string> lines;
};

constexpr const char* kStale = R"({"weight_map":{"x":"model-1.safetensors","y":"model-2.safetensors"}})";

}  // namespace

TEST_CASE("weights of a folder: the order of what is looked for") {
  const Folder f;
  write_torch_file(f.dir / "awq.pt", {small("x", 5)});
  CHECK(f.x() == 5);
  write_torch_file(f.dir / "pytorch_model.bin", {small("x", 4)});
  CHECK(f.x() == 4);
  write_torch_file(f.dir / "pytorch_model-00001-of-00002.bin", {small("x", 3)});
  write_torch_file(f.dir / "pytorch_model-00002-of-00002.bin", {small("y", 3)});
  write_file(f.dir / "pytorch_model.bin.index.json",
             R"({"weight_map":{"x":"pytorch_model-00001-of-00002.bin","y":"pytorch_model-00002-of-00002.bin"}})");
  CHECK(f.x() == 3);
  write_safetensors(f.dir / "model.safetensors", {small("x", 2)});
  CHECK(f.x() == 2);
  write_safetensors(f.dir / "model-1.safetensors", {small("x", 1)});
  write_safetensors(f.dir / "model-2.safetensors", {small("y", 1)});
  write_file(f.dir / "model.safetensors.index.json", kStale);
  CHECK(f.x() == 1);
}

TEST_CASE("an index of pickles: absent shards, names that lead elsewhere, tensors it does not hold") {
  const Folder f;
  const auto index = [&f](const char* weight_map) {
    write_file(f.dir / "pytorch_model.bin.index.json", std::string(R"({"weight_map":)") + weight_map + "}");
    return f.error();
  };
  write_torch_file(f.dir / "a.bin", {small("x")});
  CHECK(index(R"({"x":"a.bin"})") == "no error");
  CHECK(index(R"({"x":"a.bin","y":"b.bin"})") == "2:{}/pytorch_model.bin.index.json: names the shard b.bin, which is not in {}");
  CHECK(index(R"({"x":"a.bin","y":"a.bin"})") ==
        "4:{}/pytorch_model.bin.index.json: says that a.bin holds \"y\", which it does not");
  CHECK(index(R"({"x":"../a.bin"})") ==
        "4:{}/pytorch_model.bin.index.json: weight_map names the shard \"../a.bin\", expected a plain file name ending in .bin");
  CHECK(index(R"({"x":"a.safetensors"})") ==
        "4:{}/pytorch_model.bin.index.json: weight_map names the shard \"a.safetensors\", expected a plain file name ending in "
        ".bin");
}

TEST_CASE("a .pt file stands in for the shards of a stale index") {
  const Folder f;
  write_file(f.dir / "model.safetensors.index.json", kStale);
  CHECK(f.error() == "2:{}/model.safetensors.index.json: names the shard model-1.safetensors, which is not in {}");
  write_torch_file(f.dir / "vila-w4-g128-awq-v2.pt", {small("x", 7)});
  Lines log;
  set_log_listener(&log, LogLevel::info);
  CHECK(f.x() == 7);
  set_log_listener(nullptr, LogLevel::info);
  CHECK(log.lines == std::vector<std::string>{f.dir.path().string() +
                                          ": taking vila-w4-g128-awq-v2.pt, because none of the shards that " +
                                          (f.dir / "model.safetensors.index.json").string() + " names is there"});
  CHECK(find_weight_files(f.dir.path().string()).stale_index == (f.dir / "model.safetensors.index.json").string());
  write_torch_file(f.dir / "another.pt", {small("x")});
  CHECK(f.error() == "5:{}: holds another.pt and vila-w4-g128-awq-v2.pt, expected one .pt file");
  fs::remove(f.dir / "model.safetensors.index.json");
  CHECK(f.error() == "5:{}: holds another.pt and vila-w4-g128-awq-v2.pt, expected one .pt file");
  fs::remove(f.dir / "another.pt");
  write_file(f.dir / "model.safetensors.index.json", kStale);
  // One shard is there: the copy of the folder is not complete.
  write_safetensors(f.dir / "model-2.safetensors", {small("y")});
  CHECK(f.error() == "2:{}/model.safetensors.index.json: names the shard model-1.safetensors, which is not in {}");
}

TEST_CASE("files that are neither safetensors nor of torch.save") {
  const Folder f;
  const std::string bin = (f.dir / "pytorch_model.bin").string();
  write_file(bin, "x");
  CHECK(f.error() == "4:{}/pytorch_model.bin: does not start as a file of torch.save() does, with a zip archive");
  write_file(bin, "");
  CHECK(f.error() == "4:{}/pytorch_model.bin: does not start as a file of torch.save() does, with a zip archive");
  write_file(bin, std::string("\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19.", 15));
  CHECK(f.error() ==
        "5:{}/pytorch_model.bin: is in the format of PyTorch before 1.6, which vila4j does not read; load it with PyTorch and "
        "torch.save() it again");
}
