// SPDX-License-Identifier: Apache-2.0
// Checkpoint::open on written checkpoints of both layouts: what is needed, what is missing, the fingerprint.
#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>

#include "checkpoint/checkpoint.h"
#include "checkpoint/patch_json.h"
#include "common/mapped_file.h"
#include "support/checkpoint_writer.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

using Layout = RandomCheckpoint::Layout;
using Tower = RandomCheckpoint::Tower;
namespace fs = std::filesystem;

RandomCheckpoint vila15() {
  RandomCheckpoint shape;
  shape.tokenizer = data("cases/vila15-llama2-siglip/tokenizer");
  return shape;
}

RandomCheckpoint vila10(Layout layout) {
  RandomCheckpoint shape = vila15();
  shape.layout = layout;
  shape.tower = Tower::clip;
  shape.projector = "mlp2x_gelu";
  shape.aspect = "pad";
  return shape;
}

/// The error of opening `folder`, whose path is replaced by {}.
std::string open_error(const fs::path& folder) {
  std::string error = error_of([&] { Checkpoint::open(folder.string()); });
  for (size_t at; (at = error.find(folder.string())) != std::string::npos;) error.replace(at, folder.string().size(), "{}");
  return error;
}

/// Replaces the projector's file with these tensors.
void write_projector(const fs::path& folder, const std::vector<FileTensor>& tensors) {
  write_safetensors(folder / "mm_projector" / "model.safetensors", tensors);
}

FileTensor zeros(const std::string& name, const std::string& dtype, const std::vector<int64_t>& shape, size_t bytes) {
  return {name, dtype, shape, std::string(bytes, '\0')};
}

}  // namespace

TEST_CASE("three folders: one file or many, each float type") {
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    for (const int64_t shards : {1, 4}) {
      const TempDir dir;
      RandomCheckpoint shape = vila15();
      shape.dtype = dtype;
      shape.shards = shards;
      write_checkpoint(dir.path(), shape);
      const auto checkpoint = Checkpoint::open(dir.path().string());
      CHECK(checkpoint->spec().weight_dtype == dtype);
      CHECK(checkpoint->language().files().size() == static_cast<size_t>(shards));
      CHECK(checkpoint->spec().tokens_per_image() == 9);  // 5x5 patches, 2x2 merged
      const int64_t language = 2 * 640 * 32 + 2 * (2 * 32 + 2 * 32 * 32 + 2 * 16 * 32 + 3 * 48 * 32) + 32;
      const int64_t block = 4 * 24 + 4 * (24 * 24 + 24) + 2 * 24 * 40 + 24 + 40;
      const int64_t vision = 24 * 3 * 16 + 24 + 25 * 24 + 2 * block;  // two of the three blocks
      const int64_t projector = 2 * 96 + 96 * 32 + 32 + 32 * 32 + 32;
      CHECK(checkpoint->parameters() == language + vision + projector);
      CHECK(checkpoint->weight_bytes() == static_cast<uint64_t>(language + vision + projector) * size_of(dtype));
    }
  }
}

TEST_CASE("one folder: the tower in a sub-folder, inside, beside, and known by name only") {
  SUBCASE("in a sub-folder") {
    const TempDir dir;
    write_checkpoint(dir.path(), vila10(Layout::one_folder));
    const auto checkpoint = Checkpoint::open(dir.path().string());
    CHECK(checkpoint->vision().files() == std::vector<std::string>{(dir / "tower" / "model.safetensors").string()});
    CHECK(checkpoint->spec().vision.prefix.empty());
    CHECK(checkpoint->spec().tokens_per_image() == 25);
  }
  for (const int64_t shards : {1, 3}) {
    CAPTURE(shards);
    const TempDir dir;
    RandomCheckpoint shape = vila10(Layout::one_folder_inside);
    shape.shards = shards;
    write_checkpoint(dir.path(), shape);
    const auto checkpoint = Checkpoint::open(dir.path().string());
    CHECK(checkpoint->vision().files() == checkpoint->language().files());
    CHECK(checkpoint->spec().vision.prefix == "model.vision_tower.vision_tower.");
  }
  SUBCASE("below and beside the checkpoint, by hub id") {
    const TempDir dir;
    write_checkpoint(dir / "model", vila10(Layout::one_folder));
    set_json(dir / "model" / "config.json", "mm_vision_tower", "\"some/where/tower\"");
    CHECK_NOTHROW(Checkpoint::open((dir / "model").string()));
    fs::rename(dir / "model" / "tower", dir / "tower");
    for (const std::string& folder : {(dir / "model").string(), (dir / "model").string() + "/"}) {
      const auto checkpoint = Checkpoint::open(folder);
      CHECK(fs::equivalent(checkpoint->vision().files().at(0), dir / "tower" / "model.safetensors"));
    }
    for (const std::string name : {"/training/machine/tower", "../tower", "openai/../tower"}) {
      set_json(dir / "model" / "config.json", "mm_vision_tower", "\"" + name + "\"");
      CHECK_NOTHROW(Checkpoint::open((dir / "model").string()));
    }
  }
  SUBCASE("the first place that has it is taken") {
    const TempDir dir;
    write_checkpoint(dir / "model", vila10(Layout::one_folder));
    const auto taken = [&](const std::string& name) {
      set_json(dir / "model" / "config.json", "mm_vision_tower", "\"" + name + "\"");
      return fs::relative(Checkpoint::open((dir / "model").string())->vision().files().at(0), dir.path()).parent_path().string();
    };
    const auto copy_to = [&](const std::string& place) {
      fs::create_directories((dir / place).parent_path());
      fs::copy(dir / "model/tower", dir / place, fs::copy_options::recursive);
    };
    copy_to("elsewhere/clip-l");
    CHECK(taken((dir / "elsewhere/clip-l").string()) == "elsewhere/clip-l");
    CHECK(taken("../elsewhere/clip-l") == "elsewhere/clip-l");
    copy_to("clip-l");
    CHECK(taken((dir / "elsewhere/clip-l").string()) == "clip-l");
    CHECK(taken("openai/clip-l") == "clip-l");
    copy_to("model/clip-l");
    CHECK(taken("openai/clip-l") == "model/clip-l");
    copy_to("openai/clip-l");
    CHECK(taken("openai/clip-l") == "openai/clip-l");
    copy_to("model/openai/clip-l");
    CHECK(taken("openai/clip-l") == "model/openai/clip-l");
    copy_to("model/vision_tower");
    CHECK(taken("openai/clip-l") == "model/vision_tower");
  }
}

TEST_CASE("a checkpoint of symbolic links, as in a Hugging Face cache") {
  const TempDir dir;
  write_checkpoint(dir / "blobs", vila15());
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(dir / "blobs")) {
    if (!entry.is_regular_file()) continue;
    const fs::path link = dir.path() / "snapshot" / fs::relative(entry.path(), dir / "blobs");
    fs::create_directories(link.parent_path());
    fs::create_symlink(entry.path(), link);
  }
  const auto checkpoint = Checkpoint::open((dir / "snapshot").string());
  CHECK(checkpoint->language().files().at(0) == (dir / "snapshot" / "llm" / "model.safetensors").string());
}

TEST_CASE("a tied head needs no lm_head; an untied one does") {
  const TempDir dir;
  RandomCheckpoint shape = vila15();
  shape.tied_head = true;
  write_checkpoint(dir.path(), shape);
  CHECK_NOTHROW(Checkpoint::open(dir.path().string()));
  patch_json(dir / "llm" / "config.json", R"({"tie_word_embeddings":false})");
  CHECK(open_error(dir.path()) == "4:tensor lm_head.weight is missing from {}/llm/model.safetensors");
}

TEST_CASE("missing files and folders") {
  const TempDir dir;
  write_checkpoint(dir.path(), vila15());
  const std::string folder = dir.path().string();
  CHECK(error_of([&] { Checkpoint::open(folder + "/nowhere"); }) == "2:" + folder + "/nowhere: no such folder");
  CHECK(error_of([&] { Checkpoint::open(folder + "/config.json"); }) == "2:" + folder + "/config.json: no such folder");
  fs::remove(dir / "llm" / "model.safetensors");
  CHECK(open_error(dir.path()) ==
        "2:{}/llm: holds neither model.safetensors.index.json nor model.safetensors, nor pytorch_model.bin, its index or a "
        ".pt file");
  fs::remove(dir / "llm" / "config.json");
  CHECK(open_error(dir.path()) == "2:{}/llm/config.json: No such file or directory");
  fs::remove_all(dir / "vision_tower");
  CHECK(open_error(dir.path()) == "2:{}/vision_tower: no such folder, expected llm, vision_tower and mm_projector");
  fs::remove(dir / "config.json");
  CHECK(open_error(dir.path()) == "2:{}/config.json: No such file or directory");
}

TEST_CASE("a truncated shard") {
  const TempDir dir;
  RandomCheckpoint shape = vila15();
  shape.shards = 2;
  write_checkpoint(dir.path(), shape);
  const fs::path shard = dir / "llm" / "model-00002-of-00002.safetensors";
  const auto size = fs::file_size(shard);
  fs::resize_file(shard, size - 1);
  // The last tensor is lm_head, [640,32] of float32.
  const std::string error = open_error(dir.path());
  CHECK(error.starts_with("4:{}/llm/model-00002-of-00002.safetensors: tensor lm_head.weight: ends at byte "));
  CHECK(error.ends_with(" bytes of data"));
  fs::resize_file(shard, 100);
  CHECK(open_error(dir.path()).starts_with("4:{}/llm/model-00002-of-00002.safetensors: header of "));
  fs::resize_file(shard, 0);
  CHECK(open_error(dir.path()) == "4:{}/llm/model-00002-of-00002.safetensors: 0 bytes, too short for a safetensors file");
  fs::remove(shard);
  CHECK(open_error(dir.path()) ==
        "2:{}/llm/model.safetensors.index.json: names the shard model-00002-of-00002.safetensors, which is not in {}/llm");
}

TEST_CASE("a tensor that is missing, of another shape, of another type") {
  const TempDir dir;
  RandomCheckpoint shape = vila15();
  shape.projector = "linear";
  write_checkpoint(dir.path(), shape);
  CHECK(open_error(dir.path()) == "no error");
  const FileTensor weight = zeros("layers.weight", "F32", {32, 24}, 32 * 24 * 4), bias = zeros("layers.bias", "F32", {32}, 128);
  write_projector(dir.path(), {weight, bias});
  CHECK(open_error(dir.path()) == "no error");
  write_projector(dir.path(), {weight});
  CHECK(open_error(dir.path()) == "4:tensor layers.bias is missing from {}/mm_projector/model.safetensors");
  write_projector(dir.path(), {weight, zeros("layers.bias", "F32", {1, 32}, 128)});
  CHECK(open_error(dir.path()) == "4:{}/mm_projector/model.safetensors: tensor layers.bias has shape [1,32], expected [32]");
  write_projector(dir.path(), {zeros("layers.weight", "F32", {24, 32}, 32 * 24 * 4), bias});
  CHECK(open_error(dir.path()) == "4:{}/mm_projector/model.safetensors: tensor layers.weight has shape [24,32], expected [32,24]");
  write_projector(dir.path(), {weight, zeros("layers.bias", "I32", {32}, 128)});
  CHECK(open_error(dir.path()) ==
        "4:{}/mm_projector/model.safetensors: tensor layers.bias has type int32, expected fp32, fp16 or bf16");
  write_projector(dir.path(), {weight, zeros("layers.bias", "F64", {32}, 256)});
  CHECK(open_error(dir.path()) ==
        "5:{}/mm_projector/model.safetensors: tensor layers.bias has dtype F64, which vila4j does not read");
  // A type that is not read does no harm where nothing needs it.
  write_projector(dir.path(), {weight, bias, zeros("extra", "F64", {32}, 256)});
  CHECK(open_error(dir.path()) == "no error");
}

TEST_CASE("the sizes of configuration and tensors must agree") {
  const TempDir dir;
  write_checkpoint(dir.path(), vila15());
  patch_json(dir / "llm" / "config.json", R"({"vocab_size":641})");
  CHECK(open_error(dir.path()) ==
        "4:{}/llm/model.safetensors: tensor model.embed_tokens.weight has shape [640,32], expected [641,32]");
  patch_json(dir / "llm" / "config.json", R"({"vocab_size":640,"num_hidden_layers":3})");
  CHECK(open_error(dir.path()) == "4:tensor model.layers.2.input_layernorm.weight is missing from {}/llm/model.safetensors");
  patch_json(dir / "llm" / "config.json", R"({"num_hidden_layers":2,"num_key_value_heads":4})");
  CHECK(open_error(dir.path()) ==
        "4:{}/llm/model.safetensors: tensor model.layers.0.self_attn.k_proj.weight has shape [16,32], expected [32,32]");
}

TEST_CASE("the fingerprint changes with anything that a plan depends on") {
  const TempDir dir;
  write_checkpoint(dir / "a", vila15());
  const auto fingerprint = [](const fs::path& folder) { return Checkpoint::open(folder.string())->fingerprint(); };
  const std::string first = fingerprint(dir / "a");
  CHECK(first == fingerprint(dir / "a"));
  SUBCASE("the folder") {
    fs::copy(dir / "a", dir / "b", fs::copy_options::recursive);
    CHECK(fingerprint(dir / "b") != first);
    // A link to the same files is the same checkpoint.
    fs::create_directory_symlink(dir / "a", dir / "link");
    CHECK(fingerprint(dir / "link") == first);
  }
  SUBCASE("the configuration") {
    patch_json(dir / "a" / "llm" / "config.json", R"({"rope_theta":20000})");
    CHECK(fingerprint(dir / "a") != first);
  }
  SUBCASE("the modification time of a file") {
    const fs::path file = dir / "a" / "llm" / "model.safetensors";
    fs::last_write_time(file, fs::last_write_time(file) + std::chrono::seconds(1));
    CHECK(fingerprint(dir / "a") != first);
  }
  SUBCASE("bytes, when size and time stay") {
    const fs::path file = dir / "a" / "llm" / "model.safetensors";
    const auto time = fs::last_write_time(file);
    std::string content = read_file(file.string(), 1 << 24);
    content.back() = static_cast<char>(content.back() ^ 1);
    write_file(file, content);
    fs::last_write_time(file, time);
    CHECK(fingerprint(dir / "a") != first);
  }
}

TEST_CASE("checkpoints are counted while they live") {
  const int64_t before = live_object_count();
  {
    const auto checkpoint = Checkpoint::open(data("cases/vila10-clip-linear/model").string());
    CHECK(live_object_count() == before + 1);
  }
  CHECK(live_object_count() == before);
}
