// SPDX-License-Identifier: Apache-2.0
// Checkpoint::survey: everything that is wrong with a folder, not only the first thing.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "checkpoint/checkpoint.h"
#include "checkpoint/patch_json.h"
#include "support/checkpoint_writer.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
namespace fs = std::filesystem;

namespace {

RandomCheckpoint base() {
  RandomCheckpoint shape;
  shape.tokenizer = data("cases/vila15-llama2-siglip/tokenizer");
  return shape;
}

/// A written checkpoint, and what survey() says of it with {} for its folder.
struct Written {
  explicit Written(const RandomCheckpoint& shape) { write_checkpoint(dir.path(), shape); }
  std::vector<std::string> problems() {
    std::vector<std::string> found;
    checkpoint = Checkpoint::survey(dir.path().string(), found);
    const std::string folder = dir.path().string();
    for (std::string& problem : found) {
      for (size_t at; (at = problem.find(folder)) != std::string::npos;) problem.replace(at, folder.size(), "{}");
    }
    return found;
  }
  /// What open() says.
  std::string error() const {
    std::string message = error_of([&] { Checkpoint::open(dir.path().string()); });
    const std::string folder = dir.path().string();
    for (size_t at; (at = message.find(folder)) != std::string::npos;) message.replace(at, folder.size(), "{}");
    return message;
  }
  TempDir dir;
  std::shared_ptr<const Checkpoint> checkpoint;
};

/// Gives every tensor whose name holds `part` the type U32 in a file of fp32, which keeps the file's sizes.
void make_unreadable(const fs::path& path, const std::string& part) {
  std::ifstream in(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const std::string from = "\"F32\"", to = "\"U32\"";
  for (size_t at = bytes.find(part); at != std::string::npos; at = bytes.find(part, at + 1)) {
    bytes.replace(bytes.find(from, at), from.size(), to);
  }
  write_file(path, bytes);
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("survey: a whole checkpoint gives what open() gives") {
  for (const auto layout : {RandomCheckpoint::Layout::three_folders, RandomCheckpoint::Layout::one_folder_inside}) {
    RandomCheckpoint shape = base();
    shape.layout = layout;
    if (layout != RandomCheckpoint::Layout::three_folders) {
      shape.tower = RandomCheckpoint::Tower::clip;
      shape.projector = "linear";
    }
    Written written(shape);
    CHECK(written.problems().empty());
    const auto opened = Checkpoint::open(written.dir.path().string());
    CHECK(written.checkpoint->fingerprint() == opened->fingerprint());
    CHECK(written.checkpoint->weight_bytes() == opened->weight_bytes());
    CHECK(written.checkpoint->parameters() == opened->parameters());
    const CheckpointDescription& d = written.checkpoint->description();
    CHECK((d.has_language && d.has_vision && d.has_projector && d.has_prompt));
    CHECK(opened->size(ModelPart::projector).bytes == 4 * opened->size(ModelPart::projector).parameters);
  }
}

TEST_CASE("survey: an unknown projector, a missing tower and types nobody reads are all named") {
  RandomCheckpoint shape = base();
  shape.layers = 3;
  Written written(shape);
  fs::remove_all(written.dir / "vision_tower");
  patch_json(written.dir / "mm_projector/config.json", R"({"mm_projector_type": "qformer"})");
  patch_json(written.dir / "llm/config.json", R"({"attention_bias": true, "hidden_act": "relu"})");
  make_unreadable(written.dir / "llm/model.safetensors", "up_proj");
  const Lines problems = written.problems();
  CHECK(problems == Lines{"{}/vision_tower: no such folder, expected llm, vision_tower and mm_projector",
                          "{}/llm/config.json: hidden_act is \"relu\", supported is silu",
                          "{}/llm/config.json: attention_bias is true, supported is false",
                          "{}/mm_projector/config.json: mm_projector_type is \"qformer\", supported are linear, mlp1x_gelu to "
                          "mlp9x_gelu, mlp_downsample, "
                          "mlp_downsample_2x2_fix, mlp_downsample_3x3_fix",
                          "{}/llm/model.safetensors: tensor model.layers.0.mlp.up_proj.weight has dtype U32, which vila4j does not "
                          "read (and 2 more "
                          "of model.layers.*.mlp.up_proj.weight)"});
  const CheckpointDescription& d = written.checkpoint->description();
  CHECK(d.has_language);
  CHECK_FALSE(d.has_vision);
  CHECK_FALSE(d.has_projector);
  CHECK(written.error() == "2:" + problems.front());
}

TEST_CASE("survey: a half-finished download names each absent file") {
  RandomCheckpoint shape = base();
  shape.shards = 4;
  Written written(shape);
  fs::remove(written.dir / "llm/model-00002-of-00004.safetensors");
  fs::resize_file(written.dir / "llm/model-00003-of-00004.safetensors", 0);
  fs::remove(written.dir / "llm/model-00004-of-00004.safetensors");
  fs::remove(written.dir / "mm_projector/model.safetensors");
  fs::remove(written.dir / "vision_tower/config.json");
  fs::remove(written.dir / "llm/tokenizer.model");
  const Lines expected = {
      "{}/vision_tower/config.json: No such file or directory",
      "{}: no tokenizer.model, tokenizer.json or vocab.json with merges.txt in it or in its llm folder",
      "{}/llm/model.safetensors.index.json: names the shard model-00002-of-00004.safetensors, which is not in {}/llm",
      "{}/llm/model-00003-of-00004.safetensors: 0 bytes, too short for a safetensors file",
      "{}/llm/model.safetensors.index.json: names the shard model-00004-of-00004.safetensors, which is not in {}/llm",
      "{}/mm_projector: holds neither model.safetensors.index.json nor model.safetensors, nor pytorch_model.bin, its index or a .pt file"};
  CHECK(written.problems() == expected);
  // What a finished shard lacks is named all the same.
  patch_json(written.dir / "llm/config.json", R"({"num_hidden_layers": 4})");
  const Lines more = written.problems();
  REQUIRE(more.size() > expected.size());
  CHECK(more.at(expected.size()).starts_with("tensor model.layers.2.input_layernorm.weight is missing from {}/llm/"));
  CHECK(more.at(expected.size()).ends_with(" (and 1 more of model.layers.*.input_layernorm.weight)"));
  CHECK(more.size() == expected.size() + 9);
}

TEST_CASE("survey: folders that are no checkpoint, or hardly one") {
  Written written(base());
  Lines found;
  Checkpoint::survey((written.dir / "nowhere").string(), found);
  CHECK(found == Lines{(written.dir / "nowhere").string() + ": no such folder"});
  // Without or with another root configuration, the three folders still tell what they hold.
  patch_json(written.dir / "config.json", R"({"model_type": "blip"})");
  fs::remove(written.dir / "mm_projector/config.json");
  CHECK(written.problems() == Lines{"{}/config.json: model_type is \"blip\", supported are llava, llava_llama, vila",
                                    "{}/mm_projector/config.json: No such file or directory"});
  fs::remove(written.dir / "config.json");
  CHECK(written.problems() ==
        Lines{"{}/config.json: No such file or directory", "{}/mm_projector/config.json: No such file or directory"});
  fs::remove_all(written.dir / "llm");
  fs::remove_all(written.dir / "vision_tower");
  write_file(written.dir / "config.json", "{");
  CHECK(written.problems().size() == 1);
}

TEST_CASE("survey: every setting that is not supported") {
  Written written(base());
  patch_json(written.dir / "config.json",
             R"({"mm_use_im_start_end": true, "image_aspect_ratio": "anyres", "vision_resolution": 30, "mm_hidden_size": 7})");
  patch_json(written.dir / "vision_tower/config.json", R"({"hidden_act": "swish", "num_channels": 4})");
  patch_json(written.dir / "vision_tower/preprocessor_config.json", R"({"resample": 2, "do_normalize": false})");
  patch_json(written.dir / "llm/config.json",
             R"({"rope_scaling": {"type": "yarn"}, "sliding_window": 4096, "torch_dtype": "int8"})");
  CHECK(written.problems() ==
        Lines{"{}/llm/config.json: sliding_window is 4096, supported is null",
              "{}/llm/config.json: rope_scaling: type is \"yarn\", supported are linear and default",
              "{}/llm/config.json: torch_dtype is \"int8\", supported are bfloat16, float16, float32",
              "{}/vision_tower/config.json: num_channels is 4, supported is 3",
              "{}/vision_tower/config.json: hidden_act is \"swish\", supported are quick_gelu, gelu, gelu_pytorch_tanh",
              "{}/config.json: vision_resolution is 30, supported are -1 and the tower's 20",
              "{}/vision_tower/preprocessor_config.json: do_normalize is false, supported is true",
              "{}/vision_tower/preprocessor_config.json: resample is 2, supported is 3 (bicubic)",
              "{}/config.json: image_aspect_ratio is \"anyres\", supported are square, resize, pad, dynamic, dynamic_s2",
              "{}/config.json: mm_use_im_start_end is true, supported is false",
              "{}/config.json: mm_hidden_size is 7, expected 24 from the vision tower"});
  CHECK(written.error() == "5:" + written.problems().front());
}

TEST_CASE("survey: multi-scale settings that contradict each other") {
  RandomCheckpoint shape = base();
  shape.s2_scales = "20,50,70";
  Written written(shape);
  CHECK(written.problems() == Lines{"{}/config.json: the scale 50 cut into 3x3 crops, the tower takes crops of 20x20",
                                    "{}/config.json: the scale 70 cut into 4x4 crops, the tower takes crops of 20x20"});
  patch_json(written.dir / "config.json",
             R"({"s2_scales": null, "image_aspect_ratio": "dynamic_s2", "mm_use_im_start_end": true})");
  const Lines problems = written.problems();
  REQUIRE(problems.size() == 2);
  CHECK(problems[0] == "{}/config.json: multi-scale features without s2_scales");
}

TEST_CASE("survey: packed weights") {
  RandomCheckpoint shape = base();
  shape.hidden = 128, shape.intermediate = 192;
  shape.packing = AwqPacking::llm_awq_v2;
  Written written(shape);
  CHECK(written.problems().empty());
  CHECK(written.checkpoint->spec().language.packing == LanguageSpec::Packing::llm_awq_v2);
  // Another method: its configuration, and tensors that are no layout of ours.
  patch_json(written.dir / "llm/config.json", R"({"quantization_config": {"quant_method": "gptq", "bits": 4}})");
  const std::string refused = "{}/llm/config.json: quantization_config: quant_method is \"gptq\", supported is awq";
  CHECK(written.problems() == Lines{refused});
  CHECK(written.checkpoint->description().has_language);
  shape.group = 16;
  write_checkpoint(written.dir.path(), shape);
  CHECK(written.problems() ==
        Lines{"{}/llm: linear layer model.layers.0.mlp.down_proj has qweight int16 [32,192], scales fp16 [16,128], no qzeros, "
              "scaled_zeros fp16 [16,128], which for [128,192] is no AWQ layout with groups of 128, 64 or 32"});
}
