// SPDX-License-Identifier: Apache-2.0
// The families beside VILA1.5 with SigLIP and VILA 1.0 with CLIP, on written checkpoints: S2, InternViT, NVILA, llava-hf.
#include <doctest/doctest.h>

#include <filesystem>

#include "checkpoint/checkpoint.h"
#include "checkpoint/patch_json.h"
#include "support/checkpoint_writer.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

using Layout = RandomCheckpoint::Layout;
using Tower = RandomCheckpoint::Tower;
namespace fs = std::filesystem;

RandomCheckpoint base() {
  RandomCheckpoint shape;
  shape.tokenizer = data("cases/vila15-llama2-siglip/tokenizer");
  return shape;
}

RandomCheckpoint s2() {
  RandomCheckpoint shape = base();
  shape.s2_scales = "20,40";
  return shape;
}

/// The media tokens as a released NVILA tokenizer lists them.
void add_media_tokens(const fs::path& folder) {
  patch_json(folder / "llm" / "tokenizer_config.json",
             R"({"added_tokens_decoder":{"630":{"content":"<vila/sentinel>"},"631":{"content":"<image>"}}})");
}

RandomCheckpoint nvila(const std::string& aspect) {
  RandomCheckpoint shape = base();
  shape.qwen2 = true;
  shape.aspect = aspect;
  if (aspect == "dynamic_s2") shape.s2_scales = "20,40,60";
  return shape;
}

/// The error of reading a checkpoint whose root configuration is patched.
std::string root_error(const RandomCheckpoint& shape, const std::string& patch) {
  const TempDir dir;
  write_checkpoint(dir.path(), shape);
  patch_json(dir / "config.json", patch);
  std::string error = error_of([&] { read_model_spec(dir.path().string()); });
  for (size_t at; (at = error.find(dir.path().string())) != std::string::npos;) error.replace(at, dir.path().string().size(), "{}");
  return error;
}

}  // namespace

TEST_CASE("VILA1.5 with S2: two scales, channels doubled") {
  const TempDir dir;
  write_checkpoint(dir.path(), s2());
  const auto checkpoint = Checkpoint::open(dir.path().string());
  const ModelSpec& spec = checkpoint->spec();
  CHECK(spec.family == "vila1.5");
  CHECK(spec.preprocess.scales == std::vector<int64_t>{20, 40});
  CHECK(spec.preprocess.split_size == 20);
  CHECK(spec.preprocess.output_scale == 0);
  CHECK(spec.preprocess.size == 40);
  CHECK(spec.preprocess.tiling == PreprocessSpec::Tiling::none);
  CHECK(spec.projector.input == 48);
  CHECK(spec.projector.layers.at(0).in == 192);
  CHECK(spec.tokens_per_image() == 9);
  patch_json(dir / "config.json", R"({"s2_resize_output_to_scale_idx":-1})");
  CHECK(read_model_spec(dir.path().string()).tokens_per_image() == 25);
  patch_json(dir / "mm_projector" / "config.json", R"({"mm_projector_type":"mlp2x_gelu"})");
  CHECK(read_model_spec(dir.path().string()).tokens_per_image() == 100);
}

TEST_CASE("S2: refused scales") {
  CHECK(root_error(s2(), R"({"s2_scales":null})") == "5:{}/config.json: multi-scale features without s2_scales");
  const std::string expected = ", expected at most 8 different sides from 1 to 8192 with commas between";
  for (const char* text : {"", "20,", ",20", "20,,40", "20;40", "20,20", "0", "-20", "9000", "1,2,3,4,5,6,7,8,9", "20, 40"}) {
    CHECK(root_error(s2(), std::string(R"({"s2_scales":")") + text + "\"}") ==
          std::string("4:{}/config.json: s2_scales is \"") + text + "\"" + expected);
  }
  CHECK(root_error(s2(), R"({"s2_scales":[20,40]})") == "4:{}/config.json: s2_scales is [20,40], expected a string");
  CHECK(root_error(s2(), R"({"s2_scales":"20,50"})") ==
        "5:{}/config.json: the scale 50 cut into 3x3 crops, the tower takes crops of 20x20");
  CHECK(root_error(s2(), R"({"s2_max_split_size":40})") ==
        "5:{}/config.json: the scale 40 cut into 1x1 crops, the tower takes crops of 20x20");
  CHECK(root_error(s2(), R"({"s2_resize_output_to_scale_idx":2})") ==
        "4:{}/config.json: s2_resize_output_to_scale_idx is 2, expected an integer from -1 to 1");
  CHECK(root_error(s2(), R"({"image_aspect_ratio":"dynamic"})") ==
        "5:{}/config.json: s2 together with image_aspect_ratio \"dynamic\"");
  // Scales without the flag mean nothing.
  CHECK(root_error(base(), R"({"s2":false,"s2_scales":"x"})") == "no error");
}

TEST_CASE("VILA1.5-40b: InternViT, last layer, ImageNet numbers, hermes-2") {
  const TempDir dir;
  RandomCheckpoint shape = base();
  shape.tower = Tower::internvit;
  write_checkpoint(dir.path(), shape);
  patch_json(dir / "config.json", R"({"mm_vision_select_layer":-1})");
  patch_json(dir / "llm" / "tokenizer_config.json", R"({"added_tokens_decoder":{"7":{"content":"<|im_end|>"}}})");
  const auto checkpoint = Checkpoint::open(dir.path().string());
  const ModelSpec& spec = checkpoint->spec();
  CHECK(spec.vision.kind == VisionSpec::Kind::internvit);
  CHECK(spec.vision.activation == Activation::gelu_erf);
  CHECK(spec.vision.norm_eps == 1e-6);
  CHECK(spec.vision.run_layers == 3);
  CHECK(spec.vision.drop_class_token);
  CHECK(spec.vision.tokens() == 25);
  CHECK(checkpoint->vision().get("embeddings.position_embedding", {1, 26, 24}).elements() == 26 * 24);
  CHECK(spec.preprocess.fit == PreprocessSpec::Fit::squash);
  CHECK(spec.preprocess.mean == std::array<float, 3>{0.485F, 0.456F, 0.406F});
  CHECK(spec.preprocess.stddev == std::array<float, 3>{0.229F, 0.224F, 0.225F});
  CHECK(spec.prompt.template_id == "hermes-2");
  CHECK(spec.projector.column_major);
  const auto refused = [&dir](const char* patch) {
    patch_json(dir / "vision_tower" / "config.json", patch);
    return error_of([&dir] { read_model_spec(dir.path().string()); });
  };
  const std::string file = "5:" + (dir / "vision_tower" / "config.json").string();
  CHECK(refused(R"({"norm_type":"layer_norm"})") == file + ": norm_type is \"layer_norm\", supported is rms_norm");
  CHECK(refused(R"({"qk_normalization":false})") == file + ": qk_normalization is false, supported is true");
  CHECK(refused(R"({"qkv_bias":true})") == file + ": qkv_bias is true, supported is false");
}

TEST_CASE("NVILA: Qwen2, dynamic_s2, row-major tokens, one-pass tokenization") {
  const TempDir dir;
  write_checkpoint(dir.path(), nvila("dynamic_s2"));
  add_media_tokens(dir.path());
  patch_json(dir / "config.json", R"({"max_tiles":12,"s2_resize_output_to_scale_idx":-1,"mm_use_im_patch_token":true})");
  patch_json(dir / "llm" / "config.json", R"({"model_max_length":256})");
  const auto checkpoint = Checkpoint::open(dir.path().string());
  const ModelSpec& spec = checkpoint->spec();
  CHECK(spec.family == "nvila");
  CHECK_FALSE(spec.tokenizer.legacy.has_value());
  CHECK(spec.language.model_type == "qwen2");
  CHECK(spec.language.qkv_bias);
  CHECK_FALSE(spec.projector.column_major);
  CHECK(spec.projector.input == 72);
  CHECK(spec.preprocess.tiling == PreprocessSpec::Tiling::dynamic_s2);
  CHECK(spec.preprocess.scales == std::vector<int64_t>{20, 40, 60});
  CHECK(spec.preprocess.output_scale == -1);
  CHECK(spec.preprocess.size == 20);
  CHECK(spec.preprocess.min_tiles == 9);
  CHECK(spec.preprocess.max_tiles == 12);
  CHECK(spec.tokens_per_image() == 9);
  CHECK(spec.prompt.template_id == "qwen2");
  CHECK(spec.prompt.tokenization == PromptSpec::Tokenization::inline_token);
  CHECK(spec.prompt.newline_after_image);
  CHECK(spec.prompt.image_token_id == 631);
  CHECK(spec.prompt.max_length == 512);  // model_max_length cuts only in training.
  patch_json(dir / "config.json", R"({"max_tiles":8})");
  CHECK(error_of([&] { read_model_spec(dir.path().string()); }) ==
        "4:" + (dir / "config.json").string() + ": max_tiles is 8, expected at least 9 for s2_scales \"20,40,60\"");
}

TEST_CASE("NVILA-Lite: dynamic tiles, 3x3, tokens added at load") {
  const TempDir dir;
  RandomCheckpoint shape = nvila("dynamic");
  shape.projector = "mlp_downsample_3x3_fix";
  shape.tied_head = true;
  write_checkpoint(dir.path(), shape);
  write_file(dir / "llm" / "added_tokens.json", R"({"[BOS]":620,"[PAD]":621})");
  const ModelSpec spec = Checkpoint::open(dir.path().string())->spec();
  CHECK(spec.preprocess.tiling == PreprocessSpec::Tiling::dynamic);
  CHECK(spec.preprocess.min_tiles == 1);
  CHECK(spec.preprocess.max_tiles == 12);
  CHECK(spec.preprocess.scales.empty());
  CHECK(spec.tokens_per_image() == 4);
  CHECK(spec.prompt.image_token_id == 623);  // behind the sentinel, which comes first
  write_file(dir / "llm" / "added_tokens.json", R"({"[BOS]":620,"[PAD]":621,"<vila/sentinel>":622})");
  CHECK(read_model_spec(dir.path().string()).prompt.image_token_id == 623);
  fs::remove(dir / "llm" / "added_tokens.json");
  patch_json(dir / "llm" / "tokenizer_config.json", R"({"added_tokens_decoder":null})");
  CHECK(error_of([&] { read_model_spec(dir.path().string()); }) ==
        "5:" + (dir / "llm").string() + ": no added tokens, so no id for <image>");
}

TEST_CASE("llava-hf: one configuration, an image token, centre crop") {
  const TempDir dir;
  RandomCheckpoint shape = base();
  shape.layout = Layout::llava_hf;
  shape.tower = Tower::clip;
  shape.shards = 3;
  shape.dtype = DType::f16;
  write_checkpoint(dir.path(), shape);
  const auto checkpoint = Checkpoint::open(dir.path().string());
  const ModelSpec& spec = checkpoint->spec();
  CHECK(spec.family == "llava1.5");
  CHECK_FALSE(spec.tokenizer.legacy.has_value());
  CHECK(spec.weight_dtype == DType::f16);
  CHECK(spec.language.prefix == "language_model.");
  CHECK(spec.language.head_prefix == "language_model.");
  CHECK(spec.vision.prefix == "vision_tower.");
  CHECK(spec.vision.run_layers == 2);
  CHECK(spec.tokens_per_image() == 25);
  CHECK(spec.projector.type == "mlp2x_gelu");
  CHECK(spec.projector.layers.at(0).name == "multi_modal_projector.linear_1");
  CHECK(spec.projector.layers.at(2).name == "multi_modal_projector.linear_2");
  CHECK(spec.preprocess.fit == PreprocessSpec::Fit::center_crop);
  CHECK(spec.prompt.template_id == "llava15");
  CHECK(spec.prompt.tokenization == PromptSpec::Tokenization::inline_token);
  CHECK(spec.prompt.image_token_id == 639);
  CHECK_FALSE(spec.prompt.newline_after_image);
  CHECK(root_error(shape, R"({"vision_feature_select_strategy":"half"})") ==
        "5:{}/config.json: vision_feature_select_strategy is \"half\", supported are default and full");
  CHECK(root_error(shape, R"({"projector_hidden_act":"relu"})") ==
        "5:{}/config.json: projector_hidden_act is \"relu\", supported is gelu");
  CHECK(root_error(shape, R"({"multimodal_projector_bias":false})") ==
        "5:{}/config.json: multimodal_projector_bias is false, supported is true");
}

TEST_CASE("llava-hf: what the released configuration leaves out") {
  const TempDir dir;
  RandomCheckpoint shape = base();
  shape.layout = Layout::llava_hf;
  shape.tower = Tower::clip;
  write_checkpoint(dir.path(), shape);
  set_json(
      dir / "config.json", "text_config",
      R"({"model_type":"llama","max_position_embeddings":4096,"rms_norm_eps":1e-05,"torch_dtype":"float16","vocab_size":32064})");
  const ModelSpec spec = read_model_spec(dir.path().string());
  CHECK(spec.language.hidden == 4096);
  CHECK(spec.language.layers == 32);
  CHECK(spec.language.heads == 32);
  CHECK(spec.language.kv_heads == 32);
  CHECK(spec.language.intermediate == 11008);
  CHECK(spec.language.vocab == 32064);
  CHECK(spec.language.eos_ids == std::vector<int32_t>{2});
  CHECK(spec.projector.output == 4096);
  CHECK(spec.prompt.max_length == 4096);
}
