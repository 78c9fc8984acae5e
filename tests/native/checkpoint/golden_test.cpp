// SPDX-License-Identifier: Apache-2.0
// The given checkpoints: every field of their specs, and their tensors.
#include <doctest/doctest.h>

#include "checkpoint/checkpoint.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

using Layer = ProjectorSpec::Layer;

void check_layer(const Layer& layer, Layer::Kind kind, const std::string& name, int64_t in, int64_t out) {
  CHECK(layer.kind == kind);
  CHECK(layer.name == name);
  CHECK(layer.in == in);
  CHECK(layer.out == out);
}

std::string case_folder(const std::string& name) { return data("cases/" + name + "/model").string(); }

}  // namespace

TEST_CASE("three folders: Llama-3, SigLIP, mlp_downsample") {
  const std::string folder = case_folder("vila15-llama3-siglip");
  const ModelSpec spec = read_model_spec(folder);
  CHECK(spec.path == folder);
  CHECK(spec.family == "vila1.5");
  CHECK(spec.weight_dtype == DType::bf16);

  const LanguageSpec& language = spec.language;
  CHECK(language.model_type == "llama");
  CHECK(language.hidden == 64);
  CHECK(language.layers == 3);
  CHECK(language.heads == 4);
  CHECK(language.kv_heads == 2);
  CHECK(language.head_dim == 16);
  CHECK(language.intermediate == 176);
  CHECK(language.vocab == 1024);
  CHECK(language.rope_theta == 500000);
  CHECK(language.rope_scale == 1);
  CHECK(language.rms_eps == 1e-5);
  CHECK(language.max_positions == 8192);
  CHECK_FALSE(language.tied_head);
  CHECK_FALSE(language.qkv_bias);
  CHECK(language.prefix.empty());
  CHECK(language.head_prefix.empty());
  CHECK(language.bos_id == 1008);
  CHECK(language.pad_id == -1);
  CHECK(language.eos_ids == std::vector<int32_t>{1009});
  CHECK(language.packing == LanguageSpec::Packing::none);

  const VisionSpec& vision = spec.vision;
  CHECK(vision.kind == VisionSpec::Kind::siglip);
  CHECK(vision.hidden == 64);
  CHECK(vision.layers == 3);
  CHECK(vision.heads == 4);
  CHECK(vision.head_dim == 16);
  CHECK(vision.intermediate == 144);
  CHECK(vision.patch == 14);
  CHECK(vision.image == 100);
  CHECK(vision.activation == Activation::gelu_tanh);
  CHECK(vision.norm_eps == 1e-6);
  CHECK(vision.run_layers == 2);
  CHECK_FALSE(vision.drop_class_token);
  CHECK(vision.prefix.empty());
  CHECK(vision.tokens() == 49);

  const ProjectorSpec& projector = spec.projector;
  CHECK(projector.kind == ProjectorSpec::Kind::downsample);
  CHECK(projector.type == "mlp_downsample");
  CHECK(projector.input == 64);
  CHECK(projector.output == 64);
  CHECK(projector.window == 2);
  CHECK(projector.column_major);
  REQUIRE(projector.layers.size() == 4);
  check_layer(projector.layers[0], Layer::Kind::layer_norm, "layers.1", 256, 256);
  check_layer(projector.layers[1], Layer::Kind::linear, "layers.2", 256, 64);
  check_layer(projector.layers[2], Layer::Kind::gelu, "", 64, 64);
  check_layer(projector.layers[3], Layer::Kind::linear, "layers.4", 64, 64);
  CHECK(projector.norm_eps == 1e-5);
  CHECK(spec.tokens_per_image() == 16);

  const PreprocessSpec& preprocess = spec.preprocess;
  CHECK(preprocess.fit == PreprocessSpec::Fit::squash);
  CHECK(preprocess.size == 100);
  CHECK(preprocess.mean == std::array<float, 3>{0.5F, 0.5F, 0.5F});
  CHECK(preprocess.stddev == std::array<float, 3>{0.5F, 0.5F, 0.5F});
  CHECK(preprocess.rescale == 0.00392156862745098);
  CHECK(preprocess.scales.empty());  // s2_scales is there, but s2 is false.
  CHECK(preprocess.tiling == PreprocessSpec::Tiling::none);

  CHECK(spec.tokenizer.kind == TokenizerSpec::Kind::bpe_json);
  CHECK(spec.tokenizer.folder == folder + "/llm");
  CHECK(spec.tokenizer.legacy == false);
  CHECK(spec.prompt.template_id == "llama_3");
  CHECK(spec.prompt.template_reason == "Llama-3 chat tokens, and nothing says that <|eot_id|> ends a turn");
  CHECK(spec.prompt.tokenization == PromptSpec::Tokenization::chunks);
  CHECK(spec.prompt.image_token_id == -200);
  CHECK_FALSE(spec.prompt.newline_after_image);
  CHECK(spec.prompt.max_length == 4096);
  CHECK(spec.video.rule == FrameRule::truncated);
  CHECK(spec.video.frames == 8);
  CHECK(spec.video.fps == 0);
}

TEST_CASE("one folder: Llama-2, CLIP in a sub-folder, linear") {
  const std::string folder = case_folder("vila10-clip-linear");
  const ModelSpec spec = read_model_spec(folder);
  CHECK(spec.family == "vila1.0");
  CHECK(spec.weight_dtype == DType::f32);

  const LanguageSpec& language = spec.language;
  CHECK(language.model_type == "llama");
  CHECK(language.hidden == 64);
  CHECK(language.layers == 3);
  CHECK(language.heads == 4);
  CHECK(language.kv_heads == 4);
  CHECK(language.head_dim == 16);
  CHECK(language.intermediate == 160);
  CHECK(language.vocab == 640);
  CHECK(language.rope_theta == 10000);
  CHECK(language.rms_eps == 1e-5);
  CHECK(language.max_positions == 4096);
  CHECK(language.bos_id == 1);
  CHECK(language.pad_id == 0);
  CHECK(language.eos_ids == std::vector<int32_t>{2});

  const VisionSpec& vision = spec.vision;
  CHECK(vision.kind == VisionSpec::Kind::clip);
  CHECK(vision.hidden == 48);
  CHECK(vision.layers == 4);
  CHECK(vision.head_dim == 12);
  CHECK(vision.intermediate == 128);
  CHECK(vision.patch == 10);
  CHECK(vision.image == 60);
  CHECK(vision.activation == Activation::quick_gelu);
  CHECK(vision.norm_eps == 1e-5);
  CHECK(vision.run_layers == 3);
  CHECK(vision.drop_class_token);
  CHECK(vision.prefix.empty());
  CHECK(vision.tokens() == 36);
  CHECK(spec.tokens_per_image() == 36);

  CHECK(spec.projector.kind == ProjectorSpec::Kind::mlp);
  CHECK(spec.projector.type == "linear");
  REQUIRE(spec.projector.layers.size() == 1);
  check_layer(spec.projector.layers[0], Layer::Kind::linear, "model.mm_projector", 48, 64);

  const PreprocessSpec& preprocess = spec.preprocess;
  CHECK(preprocess.fit == PreprocessSpec::Fit::pad);
  CHECK(preprocess.size == 60);
  CHECK(preprocess.pad_color == std::array<uint8_t, 3>{122, 116, 104});
  CHECK(preprocess.mean == std::array<float, 3>{0.48145466F, 0.4578275F, 0.40821073F});
  CHECK(preprocess.stddev == std::array<float, 3>{0.26862954F, 0.26130258F, 0.27577711F});
  CHECK(preprocess.rescale == 1.0 / 255.0);

  CHECK(spec.tokenizer.kind == TokenizerSpec::Kind::sentencepiece);
  CHECK(spec.tokenizer.folder == folder);
  CHECK(spec.tokenizer.legacy == false);
  CHECK(spec.prompt.template_id == "vicuna_v1");
  CHECK(spec.prompt.template_reason == "a Llama-2 tokenizer without chat tokens");
  CHECK(spec.prompt.max_length == 4096);
}

TEST_CASE("opening maps every tensor that the spec needs") {
  const auto sharded = Checkpoint::open(case_folder("vila15-llama3-siglip"));
  CHECK(sharded->language().files().size() == 3);
  CHECK(sharded->language().all().size() == 3 + 3 * 9);
  CHECK(sharded->vision().all().size() == 3 + 3 * 16 + 2 + 11);
  CHECK(sharded->projector().all().size() == 6);
  // Language model and projector whole; of the tower neither the last block, nor the norm behind it, nor the head.
  CHECK(sharded->weight_bytes() == 539520 + 42240 + 81664 + 2 * 71072);
  CHECK(sharded->parameters() == static_cast<int64_t>(sharded->weight_bytes() / 2));
  CHECK(sharded->spec().weight_dtype == DType::bf16);

  const auto flat = Checkpoint::open(case_folder("vila10-clip-linear"));
  CHECK(flat->language().files() == flat->projector().files());
  CHECK(flat->vision().files().size() == 1);
  CHECK(flat->weight_bytes() == static_cast<uint64_t>(flat->parameters()) * 4);
  const TensorRef& bias = flat->projector().get("model.mm_projector.bias", {64});
  CHECK(bias.bytes == 256);
  CHECK(bias.to_float().size() == 64);
}

TEST_CASE("the fingerprint is stable, and differs between checkpoints") {
  const auto one = Checkpoint::open(case_folder("vila15-llama3-siglip"));
  const auto again = Checkpoint::open(case_folder("vila15-llama3-siglip"));
  const auto other = Checkpoint::open(case_folder("vila10-clip-linear"));
  CHECK(one->fingerprint().size() == 32);
  CHECK(one->fingerprint() == again->fingerprint());
  CHECK(one->fingerprint() != other->fingerprint());
}
