// SPDX-License-Identifier: Apache-2.0
// read_model_spec on configuration files alone: each key that changes the spec, each combination that is refused.
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

/// A written checkpoint whose files are changed and read again.
class Edited {
 public:
  explicit Edited(RandomCheckpoint shape) {
    if (shape.tokenizer.empty()) shape.tokenizer = data("cases/vila15-llama2-siglip/tokenizer");
    write_checkpoint(folder(), shape);
  }
  fs::path folder() const { return dir_ / "model"; }
  Edited& patch(const std::string& file, const std::string& json) {
    patch_json(folder() / file, json);
    return *this;
  }
  ModelSpec spec() const { return read_model_spec(folder().string()); }
  /// The folder's path replaced by {}.
  std::string error() const {
    std::string text = error_of([this] { spec(); });
    for (size_t at; (at = text.find(folder().string())) != std::string::npos;) text.replace(at, folder().string().size(), "{}");
    return text;
  }

 private:
  TempDir dir_;
};

std::string llm_error(const std::string& json) { return Edited({}).patch("llm/config.json", json).error(); }
std::string root_error(const std::string& json) { return Edited({}).patch("config.json", json).error(); }
std::string tower_error(const std::string& json) { return Edited({}).patch("vision_tower/config.json", json).error(); }
std::string processor_error(const std::string& json) {
  return Edited({}).patch("vision_tower/preprocessor_config.json", json).error();
}

RandomCheckpoint vila10() {
  RandomCheckpoint shape;
  shape.layout = Layout::one_folder;
  shape.tower = Tower::clip;
  shape.projector = "mlp2x_gelu";
  shape.aspect = "pad";
  return shape;
}

RandomCheckpoint with_projector(const std::string& type) {
  RandomCheckpoint shape;
  shape.projector = type;
  return shape;
}

}  // namespace

TEST_CASE("unknown families are refused with the known ones") {
  CHECK(root_error(R"({"model_type":"qwen2_vl"})") ==
        "5:{}/config.json: model_type is \"qwen2_vl\", supported are llava, llava_llama, vila");
  CHECK(root_error(R"({"model_type":null})") == "4:{}/config.json: model_type is missing, expected a string");
  CHECK(root_error(R"({"model_type":7})") == "4:{}/config.json: model_type is 7, expected a string");
  CHECK(llm_error(R"({"model_type":"mistral"})") ==
        "5:{}/llm/config.json: model_type of the language model is \"mistral\", supported are llama, qwen2");
  CHECK(tower_error(R"({"model_type":"radio"})") ==
        "5:{}/vision_tower/config.json: model_type of the vision tower is \"radio\", supported are clip_vision_model, "
        "siglip_vision_model, intern_vit_6b");
  Edited bare({});
  write_file(bare.folder() / "config.json", "{");
  CHECK(bare.error() == "4:{}/config.json: not valid JSON at byte 2");
  write_file(bare.folder() / "config.json", "[]");
  CHECK(bare.error() == "4:{}/config.json: is [], expected an object");
  CHECK(Edited({}).patch("config.json", R"({"model_type":"vila"})").error() == "no error");
  CHECK(Edited(vila10()).patch("config.json", R"({"model_type":"llava_llama"})").error() == "no error");
  CHECK(Edited(vila10()).patch("config.json", R"({"model_type":"vila"})").error() ==
        "2:{}/llm: no such folder, expected llm, vision_tower and mm_projector");
}

TEST_CASE("language model: what would change the computation is refused") {
  CHECK(llm_error(R"({"hidden_act":"gelu"})") == "5:{}/llm/config.json: hidden_act is \"gelu\", supported is silu");
  CHECK(llm_error(R"({"attention_bias":true})") == "5:{}/llm/config.json: attention_bias is true, supported is false");
  CHECK(llm_error(R"({"mlp_bias":true})") == "5:{}/llm/config.json: mlp_bias is true, supported is false");
  CHECK(llm_error(R"({"sliding_window":128})") == "5:{}/llm/config.json: sliding_window is 128, supported is null");
  CHECK(llm_error(R"({"model_type":"qwen2","use_sliding_window":true})") ==
        "5:{}/llm/config.json: use_sliding_window is true, supported is false");
  CHECK(llm_error(R"({"partial_rotary_factor":0.5})") == "5:{}/llm/config.json: partial_rotary_factor is 0.5, supported is 1");
  CHECK(llm_error(R"({"rope_scaling":{"type":"dynamic","factor":2}})") ==
        "5:{}/llm/config.json: rope_scaling: type is \"dynamic\", supported are linear and default");
  CHECK(llm_error(R"({"rope_scaling":{"rope_type":"llama3","factor":8}})") ==
        "5:{}/llm/config.json: rope_scaling: type is \"llama3\", supported are linear and default");
  CHECK(llm_error(R"({"rope_parameters":{"rope_type":"yarn","factor":8}})") ==
        "5:{}/llm/config.json: rope_parameters: type is \"yarn\", supported are linear and default");
  CHECK(llm_error(R"({"quantization_config":{"quant_method":"gptq"}})") ==
        "5:{}/llm/config.json: quantization_config: quant_method is \"gptq\", supported is awq");
  CHECK(root_error(R"({"quantization_config":{"quant_method":"gptq"}})") ==
        "5:{}/config.json: quantization_config: quant_method is \"gptq\", supported is awq");
  CHECK(llm_error(R"({"torch_dtype":"float64"})") ==
        "5:{}/llm/config.json: torch_dtype is \"float64\", supported are bfloat16, float16, float32");
}

TEST_CASE("language model: sizes are checked") {
  CHECK(llm_error(R"({"hidden_size":null})") ==
        "4:{}/llm/config.json: hidden_size is missing, expected an integer from 1 to 1048576");
  CHECK(llm_error(R"({"hidden_size":0})") == "4:{}/llm/config.json: hidden_size is 0, expected an integer from 1 to 1048576");
  CHECK(llm_error(R"({"hidden_size":"32"})") ==
        "4:{}/llm/config.json: hidden_size is \"32\", expected an integer from 1 to 1048576");
  CHECK(llm_error(R"({"num_hidden_layers":1e9})") ==
        "4:{}/llm/config.json: num_hidden_layers is 1000000000.0, expected an integer from 1 to 1024");
  CHECK(llm_error(R"({"num_attention_heads":5})") ==
        "4:{}/llm/config.json: num_attention_heads 5 is not a multiple of num_key_value_heads 2");
  CHECK(llm_error(R"({"num_attention_heads":6})") ==
        "4:{}/llm/config.json: hidden_size 32 is not a multiple of num_attention_heads 6");
  CHECK(llm_error(R"({"num_attention_heads":32})") == "4:{}/llm/config.json: the head size 1 is odd, expected an even one");
  CHECK(llm_error(R"({"head_dim":7})") == "4:{}/llm/config.json: the head size 7 is odd, expected an even one");
  CHECK(llm_error(R"({"rms_norm_eps":0})") == "4:{}/llm/config.json: rms_norm_eps is 0, expected a number from 1e-12 to 1");
  CHECK(llm_error(R"({"eos_token_id":"x"})") ==
        "4:{}/llm/config.json: eos_token_id is \"x\", expected a token id or a list of them");
  CHECK(llm_error(R"({"eos_token_id":[2,-1]})") ==
        "4:{}/llm/config.json: eos_token_id is [2,-1], expected a token id or a list of them");
  CHECK(llm_error(R"({"eos_token_id":18446744073709551615})") ==
        "4:{}/llm/config.json: eos_token_id is 18446744073709551615, expected a token id or a list of them");
}

TEST_CASE("language model: head size, tied head, end ids of both files") {
  Edited edited({});
  edited.patch("llm/config.json", R"({"head_dim":10,"tie_word_embeddings":true,"eos_token_id":[2,7]})");
  write_file(edited.folder() / "llm" / "generation_config.json", R"({"eos_token_id":[7,9]})");
  const LanguageSpec language = edited.spec().language;
  CHECK(language.head_dim == 10);
  CHECK(language.tied_head);
  CHECK(language.eos_ids == std::vector<int32_t>{2, 7, 9});
}

TEST_CASE("positions: linear scaling, given or by model_max_length") {
  const LanguageSpec given =
      Edited({}).patch("llm/config.json", R"({"rope_scaling":{"type":"linear","factor":4.0}})").spec().language;
  CHECK(given.rope_scale == 4);
  CHECK(given.max_positions == 2048);
  const auto scale = [](const char* patch) { return Edited({}).patch("llm/config.json", patch).spec().language.rope_scale; };
  CHECK(scale(R"({"rope_scaling":{"rope_type":"linear","factor":2}})") == 2);
  CHECK(scale(R"({"rope_scaling":{"rope_type":"linear","type":"linear","factor":2},"model_max_length":4096})") == 2);
  CHECK(scale(R"({"rope_scaling":{"type":"default"}})") == 1);
  CHECK(scale(R"({"rope_parameters":{"rope_type":"linear","type":"linear","factor":2.5,"rope_theta":10000}})") == 2.5);
  const LanguageSpec newer =
      Edited({})
          .patch("llm/config.json", R"({"rope_theta":null,"rope_parameters":{"rope_type":"default","rope_theta":5e6}})")
          .spec()
          .language;
  CHECK(newer.rope_theta == 5e6);
  CHECK(newer.rope_scale == 1);
  const ModelSpec wanted = Edited({}).patch("llm/config.json", R"({"model_max_length":1100})").spec();
  CHECK(wanted.language.rope_scale == 3);  // ceil(1100 / 512)
  CHECK(wanted.language.max_positions == 1536);
  CHECK(wanted.prompt.max_length == 1100);
  const ModelSpec less = Edited({}).patch("llm/config.json", R"({"model_max_length":300})").spec();
  CHECK(less.language.rope_scale == 1);
  CHECK(less.language.max_positions == 512);
  CHECK(less.prompt.max_length == 300);
  const ModelSpec none = Edited({}).patch("llm/tokenizer_config.json", R"({"model_max_length":1e30})").spec();
  CHECK(none.prompt.max_length == 512);
  const ModelSpec tokenizer = Edited({}).patch("llm/tokenizer_config.json", R"({"model_max_length":100})").spec();
  CHECK(tokenizer.prompt.max_length == 100);
  const ModelSpec root = Edited({}).patch("config.json", R"({"tokenizer_model_max_length":200})").spec();
  CHECK(root.prompt.max_length == 200);
}

TEST_CASE("vision tower: selected layers and features") {
  const auto run_layers = [](const char* json) { return Edited(vila10()).patch("config.json", json).spec().vision.run_layers; };
  CHECK(run_layers(R"({"mm_vision_select_layer":-1})") == 3);
  CHECK(run_layers(R"({"mm_vision_select_layer":-3})") == 1);
  CHECK(run_layers(R"({"mm_vision_select_layer":2})") == 2);
  CHECK(run_layers(R"({"mm_vision_select_layer":null})") == 2);
  CHECK(root_error(R"({"mm_vision_select_layer":-4})") ==
        "5:{}/config.json: select layer -4 of a tower of 3 layers, expected -3 to -1 or 1 to 3");
  CHECK(root_error(R"({"mm_vision_select_layer":0})") ==
        "5:{}/config.json: select layer 0 of a tower of 3 layers, expected -3 to -1 or 1 to 3");
  const VisionSpec all = Edited(vila10()).patch("config.json", R"({"mm_vision_select_feature":"cls_patch"})").spec().vision;
  CHECK(all.tokens() == 26);
  CHECK(root_error(R"({"mm_vision_select_feature":"patch"})") ==
        "5:{}/config.json: select feature \"patch\" with a tower that has no class token, expected cls_patch");
  CHECK(root_error(R"({"mm_vision_select_feature":"cls"})") ==
        "5:{}/config.json: select feature is \"cls\", supported are patch and cls_patch");
  CHECK(Edited({}).patch("config.json", R"({"mm_vision_select_feature":null})").spec().vision.tokens() == 25);
  RandomCheckpoint clip;
  clip.tower = Tower::clip;
  CHECK(Edited(clip).patch("config.json", R"({"mm_vision_select_feature":"cls_patch"})").error() ==
        "5:{}/config.json: mlp_downsample with a class token, expected mm_vision_select_feature patch");
}

TEST_CASE("vision tower: refused configurations") {
  CHECK(tower_error(R"({"hidden_act":"relu"})") ==
        "5:{}/vision_tower/config.json: hidden_act is \"relu\", supported are quick_gelu, gelu, gelu_pytorch_tanh");
  CHECK(tower_error(R"({"num_channels":4})") == "5:{}/vision_tower/config.json: num_channels is 4, supported is 3");
  CHECK(tower_error(R"({"num_attention_heads":5})") ==
        "4:{}/vision_tower/config.json: hidden_size 24 is not a multiple of num_attention_heads 5");
  CHECK(tower_error(R"({"image_size":3})") == "4:{}/vision_tower/config.json: image_size is 3, expected an integer from 4 to 8192");
  CHECK(tower_error(R"({"patch_size":0})") == "4:{}/vision_tower/config.json: patch_size is 0, expected an integer from 1 to 8192");
  CHECK(root_error(R"({"vision_resolution":448})") ==
        "5:{}/config.json: vision_resolution is 448, supported are -1 and the tower's 20");
  CHECK(root_error(R"({"vision_resolution":20})") == "no error");
  CHECK(root_error(R"({"mm_hidden_size":25})") == "4:{}/config.json: mm_hidden_size is 25, expected 24 from the vision tower");
}

TEST_CASE("vision tower: a full CLIP configuration gives its vision part") {
  Edited edited(vila10());
  write_file(edited.folder() / "tower" / "config.json",
             R"({"model_type":"clip","text_config":{},"vision_config":{"model_type":"clip_vision_model","hidden_size":24,
                 "num_hidden_layers":3,"num_attention_heads":2,"intermediate_size":40,"patch_size":4,"image_size":20}})");
  const VisionSpec vision = edited.spec().vision;
  CHECK(vision.kind == VisionSpec::Kind::clip);
  CHECK(vision.activation == Activation::quick_gelu);
  CHECK(vision.norm_eps == 1e-5);
}

TEST_CASE("a tower that is only named") {
  Edited edited(vila10());
  fs::remove_all(edited.folder() / "tower");
  const std::string beside = edited.folder().parent_path().string();
  const auto missing = [&](const std::string& name, const std::string& places) {
    edited.patch("config.json", R"({"mm_vision_tower":")" + name + "\"}");
    CHECK(edited.error() == "2:{}/config.json: mm_vision_tower is \"" + name +
                                "\", but that tower is not among the checkpoint's tensors, and there is no config.json of it in " +
                                places);
  };
  missing("tower", "{}/vision_tower, {}/tower, " + beside + "/tower");
  missing("tower/", "{}/vision_tower, {}/tower, " + beside + "/tower");
  missing("openai/clip-vit-large-patch14-336", "{}/vision_tower, {}/openai/clip-vit-large-patch14-336, " + beside +
                                                   "/openai/clip-vit-large-patch14-336, {}/clip-vit-large-patch14-336, " + beside +
                                                   "/clip-vit-large-patch14-336");
  missing("../other/tower", "{}/vision_tower, {}/../other/tower, " + beside + "/../other/tower, {}/tower, " + beside + "/tower");
  missing("/training/tower", "{}/vision_tower, {}/tower, " + beside + "/tower, /training/tower");
  for (const char* name : {"", ".", "..", "/", "x/..", "x/../../.."}) missing(name, "{}/vision_tower");
  edited.patch("config.json", R"({"mm_vision_tower":"a\nb"})");
  CHECK(edited.error() == "4:{}/config.json: mm_vision_tower holds a control character");
  edited.patch("config.json", R"({"mm_vision_tower":"a\u0000b"})");
  CHECK(edited.error() == "4:{}/config.json: mm_vision_tower holds a control character");
  edited.patch("config.json", R"({"mm_vision_tower":null})");
  CHECK(edited.error() == "4:{}/config.json: mm_vision_tower is missing, expected a string");

  RandomCheckpoint shape = vila10();
  shape.layout = Layout::one_folder_inside;
  Edited inside(shape);
  fs::remove_all(inside.folder() / "tower");
  CHECK(inside.error() ==
        "2:{}/config.json: mm_vision_tower is \"tower\", but vila4j does not know that tower, and there is no config.json of it in "
        "{}/vision_tower, {}/tower, " +
            inside.folder().parent_path().string() + "/tower");
  inside.patch("config.json", R"({"mm_vision_tower":"openai/clip-vit-large-patch14-336","mm_hidden_size":1024})");
  const ModelSpec spec = inside.spec();
  CHECK(spec.vision.prefix == "model.vision_tower.vision_tower.");
  CHECK(spec.vision.hidden == 1024);
  CHECK(spec.vision.layers == 24);
  CHECK(spec.vision.run_layers == 23);
  CHECK(spec.vision.head_dim == 64);
  CHECK(spec.vision.intermediate == 4096);
  CHECK(spec.tokens_per_image() == 576);
  CHECK(spec.preprocess.size == 336);
  CHECK(spec.preprocess.pad_color == std::array<uint8_t, 3>{122, 116, 104});
}

TEST_CASE("projectors: layers and names of every type") {
  using Kind = ProjectorSpec::Layer::Kind;
  const auto described = [](const std::string& type) {
    std::string text;
    for (const auto& layer : Edited(with_projector(type)).spec().projector.layers) {
      text += layer.kind == Kind::linear ? "linear" : layer.kind == Kind::layer_norm ? "norm" : "gelu";
      text += "(" + layer.name + " " + std::to_string(layer.in) + " " + std::to_string(layer.out) + ") ";
    }
    return text;
  };
  CHECK(described("linear") == "linear(layers 24 32) ");
  CHECK(described("mlp1x_gelu") == "linear(layers.0 24 32) ");
  CHECK(described("mlp2x_gelu") == "linear(layers.0 24 32) gelu( 32 32) linear(layers.2 32 32) ");
  CHECK(described("mlp3x_gelu") ==
        "linear(layers.0 24 32) gelu( 32 32) linear(layers.2 32 32) gelu( 32 32) linear(layers.4 32 32) ");
  CHECK(described("mlp_downsample") == "norm(layers.1 96 96) linear(layers.2 96 32) gelu( 32 32) linear(layers.4 32 32) ");
  CHECK(described("mlp_downsample_2x2_fix") == described("mlp_downsample"));
  CHECK(described("mlp_downsample_3x3_fix") ==
        "norm(layers.1 216 216) linear(layers.2 216 72) gelu( 72 72) norm(layers.4 72 72) linear(layers.5 72 32) gelu( 32 32) "
        "linear(layers.7 32 32) ");
  const ModelSpec fix = Edited(with_projector("mlp_downsample_3x3_fix")).spec();
  CHECK(fix.projector.window == 3);
  CHECK_FALSE(fix.projector.column_major);
  CHECK(fix.tokens_per_image() == 4);
  CHECK_FALSE(Edited(with_projector("mlp_downsample_2x2_fix")).spec().projector.column_major);
  CHECK(Edited(with_projector("mlp_downsample")).spec().projector.column_major);
  CHECK(Edited(with_projector("linear")).spec().tokens_per_image() == 25);
  const std::string supported =
      "supported are linear, mlp1x_gelu to mlp9x_gelu, mlp_downsample, mlp_downsample_2x2_fix, mlp_downsample_3x3_fix";
  for (const char* type : {"identity", "mlp0x_gelu", "mlp10x_gelu", "mlp_downsample_3x3_s2"}) {
    CHECK(Edited({}).patch("mm_projector/config.json", std::string(R"({"mm_projector_type":")") + type + "\"}").error() ==
          std::string("5:{}/mm_projector/config.json: mm_projector_type is \"") + type + "\", " + supported);
  }
  const auto flat = Edited(vila10()).spec().projector.layers;
  CHECK(flat.front().name == "model.mm_projector.0");
  CHECK(flat.back().name == "model.mm_projector.2");
}

TEST_CASE("preprocessing: fit, sizes, steps") {
  using Fit = PreprocessSpec::Fit;
  const auto fit = [](const RandomCheckpoint& shape, const char* json) {
    return Edited(shape).patch("config.json", json).spec().preprocess.fit;
  };
  CHECK(fit(vila10(), "{}") == Fit::pad);
  CHECK(fit(vila10(), R"({"image_aspect_ratio":null})") == Fit::center_crop);
  CHECK(fit(vila10(), R"({"image_aspect_ratio":"square"})") == Fit::center_crop);
  CHECK(fit(vila10(), R"({"image_aspect_ratio":"resize"})") == Fit::squash);
  CHECK(fit({}, R"({"image_aspect_ratio":null})") == Fit::squash);
  CHECK(root_error(R"({"image_aspect_ratio":"anyres"})") ==
        "5:{}/config.json: image_aspect_ratio is \"anyres\", supported are square, resize, pad, dynamic, dynamic_s2");
  CHECK(processor_error(R"({"do_rescale":false})") ==
        "5:{}/vision_tower/preprocessor_config.json: do_rescale is false, supported is true");
  CHECK(processor_error(R"({"resample":2})") ==
        "5:{}/vision_tower/preprocessor_config.json: resample is 2, supported is 3 (bicubic)");
  CHECK(processor_error(R"({"image_mean":[0.5,0.5]})") ==
        "4:{}/vision_tower/preprocessor_config.json: image_mean is [0.5,0.5], expected a list of 3 numbers");
  CHECK(processor_error(R"({"image_std":[0.5,0,0.5]})") ==
        "4:{}/vision_tower/preprocessor_config.json: image_std is [0.5,0,0.5], expected numbers from 0.001 to 10");
  CHECK(processor_error(R"({"size":{"height":20,"width":24}})") ==
        "5:{}/vision_tower/preprocessor_config.json: size: height 20 and width 24, supported are squares");
  CHECK(processor_error(R"({"size":21})") ==
        "4:{}/vision_tower/preprocessor_config.json: size 21, expected the tower's image_size 20");
  CHECK(Edited(vila10()).patch("tower/preprocessor_config.json", R"({"crop_size":18})").error() ==
        "5:{}/tower/preprocessor_config.json: size 20 and crop_size 18, supported are equal sizes");
  Edited bare({});
  fs::remove(bare.folder() / "vision_tower" / "preprocessor_config.json");
  const PreprocessSpec usual = bare.spec().preprocess;
  CHECK(usual.fit == Fit::squash);
  CHECK(usual.mean == std::array<float, 3>{0.5F, 0.5F, 0.5F});
  Edited clip(vila10());
  fs::remove(clip.folder() / "tower" / "preprocessor_config.json");
  CHECK(clip.spec().preprocess.pad_color == std::array<uint8_t, 3>{122, 116, 104});
}

TEST_CASE("the template: what the checkpoint says decides") {
  const auto chosen = [](const Edited& edited) {
    const PromptSpec prompt = edited.spec().prompt;
    return prompt.template_id + ": " + prompt.template_reason;
  };
  CHECK(chosen(Edited({})) == "vicuna_v1: a Llama-2 tokenizer without chat tokens");
  CHECK(chosen(Edited({}).patch("config.json", R"({"chat_template":"mpt"})")) == "mpt: named by chat_template");
  CHECK(chosen(Edited({}).patch("config.json", R"({"chat_template":"unheard-of"})")) ==
        "vicuna_v1: a Llama-2 tokenizer without chat tokens");
  CHECK(chosen(Edited({}).patch("llm/tokenizer_config.json", R"({"added_tokens_decoder":{"7":{"content":"<|im_end|>"}}})")) ==
        "hermes-2: the tokenizer has <|im_end|>");

  RandomCheckpoint llama3;
  llama3.vocab = 1024;
  llama3.tokenizer = data("cases/vila15-llama3-siglip/model/llm");
  CHECK(chosen(Edited(llama3)) == "llama_3: Llama-3 chat tokens, and nothing says that <|eot_id|> ends a turn");
  CHECK(chosen(Edited(llama3).patch("llm/config.json", R"({"eos_token_id":[1009,1017]})")) ==
        "llama_3_fix: <|eot_id|> is among the end ids of the configuration");
  CHECK(chosen(Edited(llama3).patch("llm/tokenizer_config.json", R"({"eos_token":"<|eot_id|>"})")) ==
        "llama_3_fix: the tokenizer's eos_token is <|eot_id|>");
  CHECK(chosen(Edited(llama3).patch("llm/tokenizer_config.json", R"({"eos_token":{"content":"<|eot_id|>"}})")) ==
        "llama_3_fix: the tokenizer's eos_token is <|eot_id|>");
  CHECK(chosen(Edited(llama3).patch("config.json", R"({"_name_or_path":"x/Llama-3-VILA1.5-8B-Fix"})")) ==
        "llama_3_fix: the checkpoint's name contains -Fix");
  CHECK(chosen(Edited(llama3).patch("config.json", R"({"_name_or_path":"prefix/Llama-3-VILA1.5-8B"})")) ==
        "llama_3: Llama-3 chat tokens, and nothing says that <|eot_id|> ends a turn");
  // Without a tokenizer_config.json the added tokens are those of tokenizer.json.
  Edited bare(llama3);
  fs::remove(bare.folder() / "llm" / "tokenizer_config.json");
  write_file(bare.folder() / "llm" / "generation_config.json", R"({"eos_token_id":1017})");
  CHECK(chosen(bare) == "llama_3_fix: <|eot_id|> is among the end ids of the configuration");
  // A folder's own name counts, its parents' do not.
  const TempDir dir;
  write_checkpoint(dir / "Llama-3-VILA1.5-8B-Fix", llama3);
  CHECK(read_model_spec((dir / "Llama-3-VILA1.5-8B-Fix").string() + "/").prompt.template_id == "llama_3_fix");
  write_checkpoint(dir / "x-Fix" / "model", llama3);
  CHECK(read_model_spec((dir / "x-Fix" / "model").string()).prompt.template_id == "llama_3");

  CHECK(Edited({}).patch("llm/tokenizer_config.json", R"({"added_tokens_decoder":{"x":{}}})").error() ==
        "4:{}/llm/tokenizer_config.json: added_tokens_decoder: \"x\" is not a token id");
  CHECK(root_error(R"({"mm_use_im_start_end":true})") == "5:{}/config.json: mm_use_im_start_end is true, supported is false");
}

TEST_CASE("the tokenizer's folder and kind") {
  const TempDir dir;
  const std::string folder = dir.path().string();
  CHECK(error_of([&] { find_tokenizer(folder + "/x"); }) == "2:" + folder + "/x: no such folder");
  CHECK(error_of([&] { find_tokenizer(folder); }) ==
        "2:" + folder + ": no tokenizer.model, tokenizer.json or vocab.json with merges.txt in it or in its llm folder");
  write_file(dir / "vocab.json", "{}");
  CHECK(error_of([&] { find_tokenizer(folder); }) != "no error");
  write_file(dir / "merges.txt", "x");
  CHECK(find_tokenizer(folder).kind == TokenizerSpec::Kind::bpe_files);
  CHECK(find_tokenizer(folder).folder == folder);
  write_file(dir / "tokenizer.json", "{}");
  CHECK(find_tokenizer(folder).kind == TokenizerSpec::Kind::bpe_json);
  write_file(dir / "tokenizer.model", "x");
  CHECK(find_tokenizer(folder).kind == TokenizerSpec::Kind::sentencepiece);
  write_file(dir / "llm" / "tokenizer.json", "{}");
  CHECK(find_tokenizer(folder).folder == folder + "/llm");
  CHECK(find_tokenizer(data("cases/vila15-llama2-siglip/tokenizer").string()).kind == TokenizerSpec::Kind::sentencepiece);
}
