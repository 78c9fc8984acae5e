// SPDX-License-Identifier: Apache-2.0
#include "session/family_rows.h"

#include <doctest/doctest.h>

#include <fstream>

#include "checkpoint/patch_json.h"
#include "support/byte_tokenizer.h"
#include "support/npy.h"
#include "support/torch_writer.h"

namespace vila::testing {
namespace fs = std::filesystem;
using Layout = RandomCheckpoint::Layout;
using Tower = RandomCheckpoint::Tower;

namespace {

const std::string kVicuna =
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite "
    "answers to the user's questions. USER: ";
const std::string kLlama3 =
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nYou are a helpful language and vision assistant. You are able "
    "to "
    "understand the visual content that the user provides, and assist the user with a variety of tasks using natural language.";
const std::string kLlama3User = "<|start_header_id|>user<|end_header_id|>\n\n";
const std::string kQwen2 = "<|im_start|>system\nYou are a helpful assistant<|im_end|>\n<|im_start|>user\n";
const std::string kQwen2End = "<|im_end|>\n<|im_start|>assistant\n";

}  // namespace

Row row(const std::string& name, uint64_t seed, const std::string& particular) {
  Row r;
  r.name = name;
  r.particular = particular;
  r.shape.seed = seed;
  r.shape.hidden = 64, r.shape.heads = 4, r.shape.kv_heads = 2, r.shape.max_positions = 1024;
  r.shape.tokenizer = data("cases/vila10-clip-linear/model");
  r.before = kVicuna;
  r.after = " ASSISTANT:";
  return r;
}

namespace {

/// What llava-hf's files say of the image token and the padding.
void add_llava_tokens(const fs::path& folder) {
  patch_json(folder / "config.json", R"({"image_token_index": 640})");
  patch_json(folder / "tokenizer_config.json", R"({"added_tokens_decoder": {
    "640": {"content": "<image>", "special": true}, "641": {"content": "<pad>", "special": true}}})");
}

Row llama_3_row(const std::string& name, uint64_t seed, const std::string& particular, const std::string& eos,
                const std::string& end, const std::string& header) {
  Row r = row(name, seed, particular);
  r.shape.tokenizer = data("cases/vila15-llama3-siglip/model/llm");
  r.shape.vocab = 1024, r.shape.rope_theta = 500000;
  r.before = kLlama3 + end + kLlama3User;
  r.after = end + "<|start_header_id|>" + header + "<|end_header_id|>\n\n";
  r.change = [eos](const fs::path& folder) { patch_json(folder / "llm/config.json", R"({"eos_token_id": )" + eos + "}"); };
  return r;
}

const std::vector<std::string> kQwen2Added = {"<|endoftext|>", "<|im_start|>", "<|im_end|>", "[BOS]", "[PAD]"};
const std::vector<std::string> kMediaAdded = {"<vila/sentinel>", "<image>", "<vila/video>"};

/// As released: the media tokens are known to the tokenizer and lie behind the embedding table.
Row nvila_row(const std::string& name, uint64_t seed, const std::string& particular, bool media_saved = true) {
  Row r = row(name, seed, particular);
  r.rule = Rule::nvila;
  r.before = kQwen2;
  r.after = kQwen2End;
  r.shape.qwen2 = true, r.shape.rms_eps = 1e-6, r.shape.rope_theta = 1e6;
  r.shape.hidden = 112, r.shape.heads = 14, r.shape.kv_heads = 2;
  r.shape.image = 16, r.shape.tokenizer.clear();
  r.shape.vocab = kFirstAddedByteToken + static_cast<int64_t>(kQwen2Added.size());
  r.change = [media_saved](const fs::path& folder) {
    std::vector<std::string> added = kQwen2Added;
    if (media_saved) added.insert(added.end(), kMediaAdded.begin(), kMediaAdded.end());
    write_byte_tokenizer(folder / "llm", added, media_saved);
  };
  return r;
}

}  // namespace

Row nvila_8b_row() {
  Row r = nvila_row("NVILA-8B, -15B", 21, "Qwen2, `dynamic_s2`");
  r.shape.aspect = "dynamic_s2", r.shape.s2_scales = "16,32,48";
  const auto write_tokenizer = r.change;
  r.change = [write_tokenizer](const fs::path& folder) {
    write_tokenizer(folder);
    patch_json(folder / "config.json",
               R"({"dynamic_s2": true, "s2_resize_output_to_scale_idx": -1, "min_tiles": 1, "max_tiles": 12})");
  };
  return r;
}

Row nvila_lite_row(bool tied) {
  Row r = nvila_row(tied ? "NVILA-Lite-2B" : "NVILA-Lite-8B, -15B", 22,
                    tied ? "Qwen2, tied head, `mlp_downsample_3x3_fix`, `dynamic`" : "Qwen2, `mlp_downsample_3x3_fix`, `dynamic`");
  r.shape.aspect = "dynamic", r.shape.projector = "mlp_downsample_3x3_fix", r.shape.tied_head = tied;
  return r;
}

namespace {

/// liuhaotian/llava-v1.5: shards of pickles and, beside the checkpoint, CLIP as OpenAI released it, text model included. Members of
/// the archives lie at any byte.
void store_as_llava(const fs::path& folder) {
  patch_json(folder / "config.json",
             R"({"model_type": "llava_llama", "_name_or_path": "llava-v1.5-7b", "image_grid_pinpoints": null,
                 "tune_mm_mlp_adapter": false, "mm_vision_tower": "openai/clip-vit-large-patch14-336"})");
  store_as_torch(folder, 1);
  const fs::path clip = folder.parent_path() / "clip-vit-large-patch14-336";
  fs::rename(folder / "tower", clip);
  store_as_torch(clip, 1,
                 {{"text_model.embeddings.position_ids", "I64", {1, 2}, std::string(16, '\0')},
                  {"vision_model.embeddings.position_ids", "I64", {1, 2}, std::string(16, '\0')},
                  float_tensor("text_model.embeddings.token_embedding.weight", DType::f32, {3, 2}, {1, 2, 3, 4, 5, 6}),
                  float_tensor("logit_scale", DType::f32, {}, {4.6F}),
                  float_tensor("visual_projection.weight", DType::f32, {1, 2}, {1, 2})});
  std::ifstream in(clip / "config.json");
  const std::string tower{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  write_file(clip / "config.json", R"({"model_type": "clip", "architectures": ["CLIPModel"], "projection_dim": 768,
    "text_config": {"model_type": "clip_text_model", "hidden_size": 768}, "vision_config": )" +
                                       tower + "}");
}

/// The AWQ releases of VILA: the language model in one .pt, beside the index of the shards that it was made of.
void store_as_awq_release(const fs::path& folder) {
  const std::vector<FileTensor> tensors = written_tensors(folder / "llm");
  for (const char* shard : {"llm/model-00001-of-00002.safetensors", "llm/model-00002-of-00002.safetensors"}) {
    REQUIRE(fs::remove(folder / shard));
  }
  REQUIRE(fs::exists(folder / "llm/model.safetensors.index.json"));
  write_torch_file(folder / "llm/vila-1.5-w4-g128-awq-v2.pt", tensors, "", 1);
}

}  // namespace

std::vector<Row> square_rows() {
  std::vector<Row> rows;
  const auto add = [&rows](Row r, const auto& change) {
    change(r);
    rows.push_back(std::move(r));
  };
  const auto as_is = [](Row&) {};
  add(row("VILA1.5-3b, -7b, -13b", 1, "SigLIP, `mlp_downsample` column by column, `vicuna_v1`"), as_is);
  add(row("VILA1.5-3b-s2", 2, "two scales, merged at the smaller"), [](Row& r) { r.shape.s2_scales = "20,40"; });
  add(row("VILA1.5-3b-s2", 3, "three scales, merged at the largest"), [](Row& r) {
    r.shape.s2_scales = "20,40,60", r.shape.max_positions = 2048;
    r.change = [](const fs::path& folder) { patch_json(folder / "config.json", R"({"s2_resize_output_to_scale_idx": -1})"); };
  });
  add(row("VILA1.5-40b", 4, "InternViT, last layer, 7 query heads to a key head, `hermes-2`"), [](Row& r) {
    r.shape.tower = Tower::internvit, r.shape.vision_heads = 5, r.shape.vision_hidden = 40, r.shape.image = 24;
    r.shape.hidden = 56, r.shape.heads = 7, r.shape.kv_heads = 1, r.shape.rope_theta = 5e6, r.shape.vocab = 648;
    r.before = "<|im_start|>system\nAnswer the questions.<|im_end|><|im_start|>user\n";
    r.after = "<|im_end|><|im_start|>assistant\n";
    r.change = [](const fs::path& folder) {
      patch_json(folder / "config.json", R"({"mm_vision_select_layer": -1})");
      patch_json(folder / "llm/tokenizer_config.json", R"({"added_tokens_decoder": {
        "640": {"content": "<|im_start|>", "special": true}, "641": {"content": "<|im_end|>", "special": true}}})");
    };
  });
  add(llama_3_row("Llama-3-VILA1.5-8B", 5, "`llama_3`, the answer headed `system`", "1009", "<|end_of_text|>", "system"), as_is);
  add(llama_3_row("Llama-3-VILA1.5-8B-Fix", 6, "`llama_3_fix`, chosen by the end ids", "[1009, 1017]", "<|eot_id|>", "assistant"),
      as_is);
  add(llama_3_row("Llama-3-LongVILA-8B", 7, "linear RoPE scaling by `model_max_length`", "[1009, 1017]", "<|eot_id|>", "assistant"),
      [](Row& r) {
        r.shape.max_positions = 300;
        r.change = [](const fs::path& folder) {
          patch_json(folder / "llm/config.json", R"({"eos_token_id": [1009, 1017], "model_max_length": 700})");
        };
      });
  add(row("any Llama", 8, "linear RoPE scaling by `rope_scaling`"), [](Row& r) {
    r.change = [](const fs::path& folder) {
      patch_json(folder / "llm/config.json", R"({"rope_scaling": {"type": "linear", "factor": 2.5}})");
    };
  });
  add(nvila_row("LongVILA-R1-7B", 9, "Qwen2, `mlp_downsample_2x2_fix`"),
      [](Row& r) { r.shape.projector = "mlp_downsample_2x2_fix"; });
  add(nvila_row("any NVILA", 10, "media tokens not saved, odd grid", false), [](Row& r) { r.shape.image = 20; });
  add(nvila_row("any NVILA", 14, "system text of the tokenizer's chat template"), [](Row& r) {
    r.before =
        "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n<|im_start|>user\n";
    const auto write_tokenizer = r.change;
    r.change = [write_tokenizer](const fs::path& folder) {
      write_tokenizer(folder);
      patch_json(
          folder / "llm/tokenizer_config.json",
          R"({"chat_template": "{%- if tools %}{{- '<|im_start|>system\\n' }}{%- endif %}{%- if messages[0]['role'] == 'system' %})"
          R"({{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}{%- else %}{{- '<|im_start|>system\\nYou are )"
          R"(Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\\n' }}{%- endif %})"
          R"({%- for message in messages %})"
          R"({{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}{%- endfor %})"
          R"({%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"})");
    };
  });
  add(nvila_8b_row(), as_is);
  add(nvila_lite_row(), as_is);
  add(row("LLaVA-1.5", 11, "shortest edge and centre crop, image token in the text, padded vocabulary"), [](Row& r) {
    r.shape.layout = Layout::llava_hf, r.shape.tower = Tower::clip, r.shape.vocab = 704, r.shape.kv_heads = 4, r.shape.shards = 3;
    r.rule = Rule::one_text;
    r.before = "USER: ";
    r.change = add_llava_tokens;
  });
  add(row("LLaVA-1.5", 15, "CLIP, `mlp2x_gelu`, `pad`"), [](Row& r) {
    r.shape.layout = Layout::one_folder, r.shape.tower = Tower::clip, r.shape.projector = "mlp2x_gelu", r.shape.aspect = "pad";
    r.shape.kv_heads = 4, r.shape.shards = 2, r.shape.dtype = DType::f16;
    r.layout = "liuhaotian: `.bin` pickles, CLIP beside";
    r.store = store_as_llava;
  });
  add(row("VILA-7b, -13b, -2.7b", 12, "CLIP among the tensors, `mlp2x_gelu`, `pad`"), [](Row& r) {
    r.shape.layout = Layout::one_folder_inside, r.shape.tower = Tower::clip, r.shape.projector = "mlp2x_gelu",
    r.shape.aspect = "pad";
    r.shape.kv_heads = 4;
  });
  add(row("any VILA 1.0", 13, "CLIP, `linear`, `pad`"), [](Row& r) {
    r.shape.layout = Layout::one_folder, r.shape.tower = Tower::clip, r.shape.projector = "linear", r.shape.aspect = "pad";
  });
  return rows;
}

std::vector<Row> packed_rows() {
  std::vector<Row> rows;
  const auto add = [&rows](Row r, AwqPacking packing, int64_t group, const auto& change) {
    r.shape.dtype = DType::f16, r.shape.packing = packing, r.shape.group = group;
    change(r);
    rows.push_back(std::move(r));
  };
  add(row("VILA1.5-3b-AWQ, -13b-AWQ", 31, "AWQ as `-awq-v2.pt` beside a stale index, groups of 128"), AwqPacking::llm_awq_v2, 128,
      [](Row& r) {
        r.shape.hidden = 128, r.shape.intermediate = 384;
        r.shape.language_pt = "vila-1.5-3b-w4-g128-awq-v2.pt";
      });
  add(row("VILA1.5-3b-AWQ, -13b-AWQ", 37, "AWQ in llm-awq's second layout, groups of 128"), AwqPacking::llm_awq_v2, 128,
      [](Row& r) {
        r.shape.hidden = 128, r.shape.intermediate = 256, r.shape.shards = 2;
        r.layout = "three folders, a `.pt` beside a stale index";
        r.store = store_as_awq_release;
      });
  add(llama_3_row("Llama-3-VILA1.5-8B-AWQ", 32, "AWQ as `-awq-v2.pt` beside a stale index, groups of 64", "1009", "<|end_of_text|>",
                  "system"),
      AwqPacking::llm_awq_v2, 64, [](Row& r) {
        r.shape.hidden = 64, r.shape.intermediate = 192;
        r.shape.language_pt = "llama-3-vila1.5-8b-w4-g128-awq-v2.pt";
      });
  add(nvila_row("NVILA-8B-AWQ", 33, "Qwen2, AWQ in llm-awq's second layout, groups of 32"), AwqPacking::llm_awq_v2, 32,
      [](Row& r) { r.shape.hidden = 64, r.shape.heads = 4, r.shape.kv_heads = 1, r.shape.intermediate = 192; });
  add(nvila_row("any NVILA", 34, "Qwen2, AWQ in the GEMV layout, groups of 64"), AwqPacking::llm_awq_v1, 64, [](Row& r) {
    r.shape.hidden = 128, r.shape.heads = 8, r.shape.kv_heads = 2, r.shape.intermediate = 192;
    r.shape.quantization_config = true;
  });
  add(row("LLaVA-1.5", 35, "CLIP, AWQ in the GEMM layout, groups of 32, one layer in 16 bits"), AwqPacking::awq_gemm, 32,
      [](Row& r) {
        r.shape.layout = Layout::llava_hf, r.shape.tower = Tower::clip, r.shape.vocab = 704, r.shape.kv_heads = 4;
        r.shape.intermediate = 96, r.shape.quantization_config = r.shape.unpacked_down = true;
        r.rule = Rule::one_text;
        r.before = "USER: ";
        r.change = add_llava_tokens;
      });
  add(row("any VILA 1.0", 36, "CLIP, AWQ in the GEMM layout, groups of 128, not named in the configuration"), AwqPacking::awq_gemm,
      128, [](Row& r) {
        r.shape.layout = Layout::one_folder_inside, r.shape.tower = Tower::clip, r.shape.projector = "mlp2x_gelu";
        r.shape.aspect = "pad", r.shape.hidden = 128, r.shape.intermediate = 256;
      });
  return rows;
}

}  // namespace vila::testing
