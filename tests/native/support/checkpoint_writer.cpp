// SPDX-License-Identifier: Apache-2.0
#include "support/checkpoint_writer.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include "common/random.h"
#include "support/awq_packer.h"
#include "support/npy.h"
#include "support/torch_writer.h"

namespace vila::testing {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Shape = std::vector<int64_t>;
using Layout = RandomCheckpoint::Layout;
using Tower = RandomCheckpoint::Tower;

const char* file_name_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return "F32";
    case DType::f16: return "F16";
    case DType::bf16: return "BF16";
    default: throw std::runtime_error("not a float type");
  }
}

const char* torch_name_of(DType dtype) { return dtype == DType::f32 ? "float32" : dtype == DType::f16 ? "float16" : "bfloat16"; }

int64_t product(const Shape& shape) {
  int64_t count = 1;
  for (const int64_t dim : shape) count *= dim;
  return count;
}

std::string rounded(DType dtype, const float* values, size_t count) {
  std::string bytes(count * size_of(dtype), '\0');
  for (size_t i = 0; i < count; ++i) {
    if (dtype == DType::f32) {
      std::memcpy(bytes.data() + 4 * i, &values[i], 4);
    } else {
      const uint16_t half = dtype == DType::bf16 ? f32_to_bf16(values[i]) : f32_to_f16(values[i]);
      std::memcpy(bytes.data() + 2 * i, &half, 2);
    }
  }
  return bytes;
}

/// Uniform with this mean and standard deviation.
float uniform(Random& random, float mean, float deviation) {
  const float unit = static_cast<float>(random.next() >> 40) / static_cast<float>(1U << 24);  // [0, 1)
  return mean + deviation * 3.4641016F * (unit - 0.5F);                                       // sqrt(12)
}

/// A tensor to be filled at random when it is written, or one that is given.
struct Planned {
  std::string name;
  Shape shape;
  float mean = 0, deviation = 0;
  std::string dtype = "", bytes = "";  ///< of one that is given; without bytes its content does not matter
};

uint64_t size_in_file(const Planned& tensor, DType dtype) {
  if (!tensor.bytes.empty()) return tensor.bytes.size();
  const size_t element = tensor.dtype.empty() ? size_of(dtype) : tensor.dtype == "I32" ? 4 : 2;
  return static_cast<uint64_t>(product(tensor.shape)) * element;
}

/// The tensors of one store, in the order of the computation.
class Plan {
 public:
  void tensor(const std::string& name, const Shape& shape, float mean, float deviation) {
    tensors_.push_back({name, shape, mean, deviation});
  }
  void given(const FileTensor& tensor) { tensors_.push_back({tensor.name, tensor.shape, 0, 0, tensor.dtype, tensor.bytes}); }
  void linear(const std::string& name, int64_t out, int64_t in, bool bias) {
    tensor(name + ".weight", {out, in}, 0, 1.0F / std::sqrt(static_cast<float>(in)));
    if (bias) tensor(name + ".bias", {out}, 0, 0.1F);
  }
  void norm(const std::string& name, int64_t size, bool bias) {
    tensor(name + ".weight", {size}, 1, 0.1F);
    if (bias) tensor(name + ".bias", {size}, 0, 0.1F);
  }
  const std::vector<Planned>& tensors() const { return tensors_; }

 private:
  std::vector<Planned> tensors_;
};

std::string header_of(const std::vector<FileTensor>& tensors, const std::vector<uint64_t>& sizes) {
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  uint64_t offset = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    header[tensors[i].name] = {
        {"dtype", tensors[i].dtype}, {"shape", tensors[i].shape}, {"data_offsets", {offset, offset + sizes[i]}}};
    offset += sizes[i];
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

void write_length(std::ofstream& out, uint64_t length) {
  for (int i = 0; i < 8; ++i) out.put(static_cast<char>(length >> (8 * i)));
}

std::ofstream open_file(const fs::path& path) {
  fs::create_directories(path.parent_path());
  return std::ofstream(path, std::ios::binary);
}

void close_file(std::ofstream& out, const fs::path& path) {
  if (!out.flush()) throw std::runtime_error(path.string() + ": cannot be written");
}

/// Writes one file of planned tensors, a block of values at a time.
void write_planned(const fs::path& path, const std::vector<Planned>& tensors, const RandomCheckpoint& c, Random& random) {
  const DType dtype = c.dtype;
  std::vector<FileTensor> described;
  std::vector<uint64_t> sizes;
  for (const Planned& tensor : tensors) {
    described.push_back({tensor.name, tensor.dtype.empty() ? file_name_of(dtype) : tensor.dtype, tensor.shape, ""});
    sizes.push_back(size_in_file(tensor, dtype));
  }
  const std::string header = header_of(described, sizes);
  std::ofstream out = open_file(path);
  write_length(out, header.size());
  out << header;
  if (c.sparse) {
    close_file(out, path);
    uint64_t size = fs::file_size(path);
    for (const uint64_t bytes : sizes) size += bytes;
    return fs::resize_file(path, size);
  }
  std::vector<float> block;
  for (const Planned& tensor : tensors) {
    out << tensor.bytes;
    if (!tensor.dtype.empty()) continue;
    for (int64_t left = product(tensor.shape); left > 0;) {
      block.resize(static_cast<size_t>(std::min<int64_t>(left, 1 << 16)));
      for (float& value : block) value = uniform(random, tensor.mean, tensor.deviation);
      out << rounded(dtype, block.data(), block.size());
      left -= static_cast<int64_t>(block.size());
    }
  }
  close_file(out, path);
}

/// Writes a store: model.safetensors, or `shards` files with an index.
void write_store(const fs::path& folder, const Plan& plan, const RandomCheckpoint& c, int64_t shards, Random& random) {
  const std::vector<Planned>& tensors = plan.tensors();
  if (shards <= 1) return write_planned(folder / "model.safetensors", tensors, c, random);
  Json weight_map;
  uint64_t total = 0;
  for (int64_t shard = 0; shard < shards; ++shard) {
    char name[64];
    std::snprintf(name, sizeof name, "model-%05d-of-%05d.safetensors", static_cast<int>(shard + 1), static_cast<int>(shards));
    const auto at = [&](int64_t s) { return tensors.begin() + static_cast<int64_t>(tensors.size()) * s / shards; };
    const std::vector<Planned> part(at(shard), at(shard + 1));
    for (const Planned& tensor : part) {
      weight_map[tensor.name] = name;
      total += size_in_file(tensor, c.dtype);
    }
    write_planned(folder / name, part, c, random);
  }
  const Json index = {{"metadata", {{"total_size", total}}}, {"weight_map", weight_map}};
  write_file(folder / "model.safetensors.index.json", index.dump(1));
}

/// The shapes of llm-awq's second layout for groups of 128.
void plan_sparse_packed(Plan& plan, const RandomCheckpoint& c, const std::string& name, int64_t out, int64_t in, bool bias) {
  if (c.packing != AwqPacking::llm_awq_v2 || c.group != 128) throw std::runtime_error("sparse: only llm-awq v2 in groups of 128");
  const int64_t rows = (in / c.group + 7) / 8 * 8;
  plan.given({name + ".qweight", "I16", {out / 4, in}, ""});
  plan.given({name + ".scales", "F16", {rows, out}, ""});
  plan.given({name + ".scaled_zeros", "F16", {rows, out}, ""});
  if (bias) plan.tensor(name + ".bias", {out}, 0, 0.1F);
}

/// A linear layer of a decoder block, packed where the checkpoint is.
void plan_block_linear(Plan& plan, const RandomCheckpoint& c, const std::string& name, int64_t out, int64_t in, bool bias) {
  if (!c.packing || (c.unpacked_down && name.ends_with("down_proj"))) return plan.linear(name, out, in, bias);
  if (c.sparse) return plan_sparse_packed(plan, c, name, out, in, bias);
  const AwqMatrix matrix = random_awq(out, in, c.group, c.seed * 1000003 + std::hash<std::string>()(name));
  if (c.dequantized) {
    plan.given(float_tensor(name + ".weight", DType::f32, {out, in}, awq_weights(*c.packing, matrix)));
  } else {
    for (const FileTensor& tensor : pack_awq(name, *c.packing, matrix)) plan.given(tensor);
  }
  if (bias) plan.tensor(name + ".bias", {out}, 0, 0.1F);
}

/// Writes a store as one PyTorch file, and the index that quantised releases keep of what they were made from.
void write_pt_store(const fs::path& folder, const std::string& name, const Plan& plan, DType dtype, Random& random) {
  std::vector<FileTensor> tensors;
  Json weight_map;
  for (const Planned& tensor : plan.tensors()) {
    weight_map[tensor.name] = "model-00001-of-00001.safetensors";
    if (!tensor.dtype.empty()) {
      tensors.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.bytes});
      continue;
    }
    std::vector<float> values(static_cast<size_t>(product(tensor.shape)));
    for (float& value : values) value = uniform(random, tensor.mean, tensor.deviation);
    tensors.push_back(float_tensor(tensor.name, dtype, tensor.shape, values));
  }
  write_torch_file(folder / name, tensors);
  write_file(folder / "model.safetensors.index.json", Json{{"weight_map", weight_map}}.dump(1));
}

void plan_language(Plan& plan, const RandomCheckpoint& c, const std::string& prefix) {
  const int64_t head = c.hidden / c.heads;
  plan.tensor(prefix + "model.embed_tokens.weight", {c.vocab, c.hidden}, 0, 1);
  for (int64_t i = 0; i < c.layers; ++i) {
    const std::string layer = prefix + "model.layers." + std::to_string(i) + ".";
    plan.norm(layer + "input_layernorm", c.hidden, false);
    plan_block_linear(plan, c, layer + "self_attn.q_proj", c.heads * head, c.hidden, c.qwen2);
    plan_block_linear(plan, c, layer + "self_attn.k_proj", c.kv_heads * head, c.hidden, c.qwen2);
    plan_block_linear(plan, c, layer + "self_attn.v_proj", c.kv_heads * head, c.hidden, c.qwen2);
    plan_block_linear(plan, c, layer + "self_attn.o_proj", c.hidden, c.heads * head, false);
    plan.norm(layer + "post_attention_layernorm", c.hidden, false);
    plan_block_linear(plan, c, layer + "mlp.gate_proj", c.intermediate, c.hidden, false);
    plan_block_linear(plan, c, layer + "mlp.up_proj", c.intermediate, c.hidden, false);
    plan_block_linear(plan, c, layer + "mlp.down_proj", c.hidden, c.intermediate, false);
  }
  plan.norm(prefix + "model.norm", c.hidden, false);
  if (!c.tied_head) plan.linear(prefix + "lm_head", c.vocab, c.hidden, false);
}

void plan_clip_or_siglip(Plan& plan, const RandomCheckpoint& c, const std::string& prefix) {
  const bool clip = c.tower == Tower::clip;
  const int64_t grid = c.image / c.patch, size = c.vision_hidden;
  const std::string root = prefix + "vision_model.";
  if (clip) plan.tensor(root + "embeddings.class_embedding", {size}, 0, 1);
  plan.tensor(root + "embeddings.patch_embedding.weight", {size, 3, c.patch, c.patch}, 0,
              1.0F / std::sqrt(static_cast<float>(3 * c.patch * c.patch)));
  if (!clip) plan.tensor(root + "embeddings.patch_embedding.bias", {size}, 0, 0.1F);
  plan.tensor(root + "embeddings.position_embedding.weight", {grid * grid + (clip ? 1 : 0), size}, 0, 0.3F);
  if (clip) plan.norm(root + "pre_layrnorm", size, true);
  for (int64_t i = 0; i < c.vision_layers; ++i) {
    const std::string layer = root + "encoder.layers." + std::to_string(i) + ".";
    plan.norm(layer + "layer_norm1", size, true);
    for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"}) plan.linear(layer + "self_attn." + name, size, size, true);
    plan.norm(layer + "layer_norm2", size, true);
    plan.linear(layer + "mlp.fc1", c.vision_intermediate, size, true);
    plan.linear(layer + "mlp.fc2", size, c.vision_intermediate, true);
  }
  plan.norm(root + "post_layernorm", size, true);
  if (!c.vision_head) return;
  plan.tensor(root + "head.probe", {1, 1, size}, 0, 1);
  plan.tensor(root + "head.attention.in_proj_weight", {3 * size, size}, 0, 1.0F / std::sqrt(static_cast<float>(size)));
  plan.tensor(root + "head.attention.in_proj_bias", {3 * size}, 0, 0.1F);
  plan.linear(root + "head.attention.out_proj", size, size, true);
  plan.norm(root + "head.layernorm", size, true);
  plan.linear(root + "head.mlp.fc1", c.vision_intermediate, size, true);
  plan.linear(root + "head.mlp.fc2", size, c.vision_intermediate, true);
}

void plan_internvit(Plan& plan, const RandomCheckpoint& c, const std::string& prefix) {
  const int64_t grid = c.image / c.patch, size = c.vision_hidden;
  plan.tensor(prefix + "embeddings.class_embedding", {1, 1, size}, 0, 1);
  plan.tensor(prefix + "embeddings.patch_embedding.weight", {size, 3, c.patch, c.patch}, 0,
              1.0F / std::sqrt(static_cast<float>(3 * c.patch * c.patch)));
  plan.tensor(prefix + "embeddings.patch_embedding.bias", {size}, 0, 0.1F);
  plan.tensor(prefix + "embeddings.position_embedding", {1, grid * grid + 1, size}, 0, 0.3F);
  for (int64_t i = 0; i < c.vision_layers; ++i) {
    const std::string layer = prefix + "encoder.layers." + std::to_string(i) + ".";
    plan.norm(layer + "norm1", size, false);
    plan.linear(layer + "attn.qkv", 3 * size, size, false);
    plan.norm(layer + "attn.q_norm", size, false);
    plan.norm(layer + "attn.k_norm", size, false);
    plan.linear(layer + "attn.proj", size, size, true);
    plan.tensor(layer + "ls1", {size}, 1, 0.1F);
    plan.norm(layer + "norm2", size, false);
    plan.linear(layer + "mlp.fc1", c.vision_intermediate, size, true);
    plan.linear(layer + "mlp.fc2", size, c.vision_intermediate, true);
    plan.tensor(layer + "ls2", {size}, 1, 0.1F);
  }
}

void plan_tower(Plan& plan, const RandomCheckpoint& c, const std::string& prefix) {
  c.tower == Tower::internvit ? plan_internvit(plan, c, prefix) : plan_clip_or_siglip(plan, c, prefix);
}

int64_t scale_count(const RandomCheckpoint& c) {
  return c.s2_scales.empty() ? 1 : 1 + static_cast<int64_t>(std::count(c.s2_scales.begin(), c.s2_scales.end(), ','));
}

void plan_projector(Plan& plan, const RandomCheckpoint& c, const std::string& prefix) {
  const int64_t input = c.vision_hidden * scale_count(c), output = c.hidden;
  const auto name = [&prefix](int64_t place) { return prefix + "." + std::to_string(place); };
  if (c.projector == "linear") {
    plan.linear(prefix, output, input, true);
  } else if (c.projector == "mlp_downsample" || c.projector == "mlp_downsample_2x2_fix") {
    plan.norm(name(1), 4 * input, true);
    plan.linear(name(2), output, 4 * input, true);
    plan.linear(name(4), output, output, true);
  } else if (c.projector == "mlp_downsample_3x3_fix") {
    plan.norm(name(1), 9 * input, true);
    plan.linear(name(2), 3 * input, 9 * input, true);
    plan.norm(name(4), 3 * input, true);
    plan.linear(name(5), output, 3 * input, true);
    plan.linear(name(7), output, output, true);
  } else {  // mlpNx_gelu
    const int depth = c.projector.at(3) - '0';
    for (int i = 0; i < depth; ++i) plan.linear(name(2 * i), output, i == 0 ? input : output, true);
  }
}

/// As AutoAWQ writes it; llm-awq writes none.
Json quantization_config(const RandomCheckpoint& c) {
  return {{"quant_method", "awq"},
          {"bits", 4},
          {"group_size", c.group},
          {"zero_point", true},
          {"version", c.packing == AwqPacking::awq_gemm ? "gemm" : "gemv"},
          {"modules_to_not_convert", nullptr}};
}

bool names_quantization(const RandomCheckpoint& c) { return c.quantization_config && !c.dequantized; }

Json language_config(const RandomCheckpoint& c) {
  Json config = {{"architectures", {c.qwen2 ? "Qwen2ForCausalLM" : "LlamaForCausalLM"}},
                 {"model_type", c.qwen2 ? "qwen2" : "llama"},
                 {"hidden_act", "silu"},
                 {"hidden_size", c.hidden},
                 {"num_hidden_layers", c.layers},
                 {"num_attention_heads", c.heads},
                 {"num_key_value_heads", c.kv_heads},
                 {"intermediate_size", c.intermediate},
                 {"vocab_size", c.vocab},
                 {"rope_theta", c.rope_theta},
                 {"rope_scaling", nullptr},
                 {"rms_norm_eps", c.rms_eps},
                 {"max_position_embeddings", c.max_positions},
                 {"tie_word_embeddings", c.tied_head},
                 {"bos_token_id", 1},
                 {"eos_token_id", 2},
                 {"torch_dtype", torch_name_of(c.dtype)}};
  if (names_quantization(c) && c.layout != Layout::llava_hf) config["quantization_config"] = quantization_config(c);
  return config;
}

Json tower_config(const RandomCheckpoint& c) {
  Json config = {{"hidden_size", c.vision_hidden},
                 {"num_hidden_layers", c.vision_layers},
                 {"num_attention_heads", c.vision_heads},
                 {"intermediate_size", c.vision_intermediate},
                 {"patch_size", c.patch},
                 {"image_size", c.image},
                 {"num_channels", 3}};
  switch (c.tower) {
    case Tower::clip:
      config.update({{"model_type", "clip_vision_model"}, {"hidden_act", "quick_gelu"}, {"layer_norm_eps", 1e-5}});
      break;
    case Tower::siglip:
      config.update({{"model_type", "siglip_vision_model"}, {"hidden_act", "gelu_pytorch_tanh"}, {"layer_norm_eps", 1e-6}});
      break;
    case Tower::internvit:
      config.update({{"model_type", "intern_vit_6b"},
                     {"hidden_act", "gelu"},
                     {"layer_norm_eps", 1e-6},
                     {"qkv_bias", false},
                     {"qk_normalization", true},
                     {"norm_type", "rms_norm"}});
      break;
  }
  return config;
}

Json processor_config(const RandomCheckpoint& c) {
  switch (c.tower) {
    case Tower::clip:
      return {{"crop_size", c.image},
              {"do_center_crop", true},
              {"resample", 3},
              {"size", {{"shortest_edge", c.image}}},
              {"image_mean", {0.48145466, 0.4578275, 0.40821073}},
              {"image_std", {0.26862954, 0.26130258, 0.27577711}}};
    case Tower::siglip:
      return {{"resample", 3},
              {"size", {{"height", c.image}, {"width", c.image}}},
              {"image_mean", {0.5, 0.5, 0.5}},
              {"image_std", {0.5, 0.5, 0.5}},
              {"rescale_factor", 0.00392156862745098}};
    case Tower::internvit:
      return {{"crop_size", c.image},
              {"do_center_crop", true},
              {"resample", 3},
              {"size", c.image},
              {"image_mean", {0.485, 0.456, 0.406}},
              {"image_std", {0.229, 0.224, 0.225}}};
  }
  throw std::runtime_error("no such tower");
}

void write_json(const fs::path& path, const Json& value) { write_file(path, value.dump(2)); }

/// The keys of the root configuration that choose features.
Json multimodal_keys(const RandomCheckpoint& c) {
  return {{"mm_vision_select_layer", -2},
          {"mm_vision_select_feature", c.tower == Tower::siglip ? "cls_patch" : "patch"},
          {"mm_hidden_size", c.vision_hidden * scale_count(c)},
          {"image_aspect_ratio", c.aspect},
          {"mm_use_im_start_end", false},
          {"mm_use_im_patch_token", false}};
}

void copy_tokenizer(const fs::path& from, const fs::path& to) {
  if (from.empty()) return;
  fs::create_directories(to);
  for (const char* name : {"tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json",
                           "merges.txt", "added_tokens.json"}) {
    if (fs::exists(from / name)) fs::copy_file(from / name, to / name, fs::copy_options::overwrite_existing);
  }
}

void write_three_folders(const fs::path& folder, const RandomCheckpoint& c, Random& random) {
  Json root = {{"architectures", {"LlavaLlamaModel"}},
               {"model_type", "llava_llama"},
               {"hidden_size", c.hidden},
               {"num_video_frames", 8},
               {"s2", !c.s2_scales.empty() && c.aspect != "dynamic_s2"}};
  root.update(multimodal_keys(c));
  if (!c.s2_scales.empty()) root.update({{"s2_scales", c.s2_scales}, {"s2_max_split_size", c.image}});
  write_json(folder / "config.json", root);
  Plan language, tower, projector;
  plan_language(language, c, "");
  write_json(folder / "llm" / "config.json", language_config(c));
  if (c.language_pt.empty() || c.dequantized) {
    write_store(folder / "llm", language, c, c.shards, random);
  } else {
    write_pt_store(folder / "llm", c.language_pt, language, c.dtype, random);
  }
  plan_tower(tower, c, "");
  write_json(folder / "vision_tower" / "config.json", tower_config(c));
  write_json(folder / "vision_tower" / "preprocessor_config.json", processor_config(c));
  write_store(folder / "vision_tower", tower, c, 1, random);
  plan_projector(projector, c, "layers");
  write_json(folder / "mm_projector" / "config.json", {{"model_type", "v2l_projector"}, {"mm_projector_type", c.projector}});
  write_store(folder / "mm_projector", projector, c, 1, random);
  copy_tokenizer(c.tokenizer, folder / "llm");
}

void write_one_folder(const fs::path& folder, const RandomCheckpoint& c, Random& random) {
  Json root = language_config(c);
  root.update(multimodal_keys(c));
  root.update({{"architectures", {"LlavaLlamaForCausalLM"}},
               {"model_type", "llava"},
               {"mm_projector_type", c.projector},
               {"mm_vision_tower", "tower"}});
  write_json(folder / "config.json", root);
  Plan store, tower;
  plan_language(store, c, "");
  plan_projector(store, c, "model.mm_projector");
  const bool inside = c.layout == Layout::one_folder_inside;
  plan_tower(inside ? store : tower, c, inside ? "model.vision_tower.vision_tower." : "");
  write_store(folder, store, c, c.shards, random);
  write_json(folder / "tower" / "config.json", tower_config(c));
  write_json(folder / "tower" / "preprocessor_config.json", processor_config(c));
  if (!inside) write_store(folder / "tower", tower, c, 1, random);
  copy_tokenizer(c.tokenizer, folder);
}

void write_llava_hf(const fs::path& folder, const RandomCheckpoint& c, Random& random) {
  Json root = {{"architectures", {"LlavaForConditionalGeneration"}},
               {"model_type", "llava"},
               {"text_config", language_config(c)},
               {"vision_config", tower_config(c)},
               {"vision_feature_layer", -2},
               {"vision_feature_select_strategy", "default"},
               {"projector_hidden_act", "gelu"},
               {"image_token_index", c.vocab - 1},
               {"torch_dtype", torch_name_of(c.dtype)}};
  if (names_quantization(c)) root["quantization_config"] = quantization_config(c);
  write_json(folder / "config.json", root);
  write_json(folder / "preprocessor_config.json", processor_config(c));
  Plan store;
  plan_language(store, c, "language_model.");
  plan_tower(store, c, "vision_tower.");
  store.linear("multi_modal_projector.linear_1", c.hidden, c.vision_hidden, true);
  store.linear("multi_modal_projector.linear_2", c.hidden, c.hidden, true);
  write_store(folder, store, c, c.shards, random);
  copy_tokenizer(c.tokenizer, folder);
}

}  // namespace

uint16_t f32_to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>((bits >> 16) | 0x40U);
  return static_cast<uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

uint16_t f32_to_f16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000U);
  if (std::isnan(value)) return static_cast<uint16_t>(sign | 0x7E00U);
  const double magnitude = std::abs(static_cast<double>(value));
  if (magnitude >= 65520.0) return static_cast<uint16_t>(sign | 0x7C00U);
  // The step between neighbours is 2^(exponent-10), and 2^-24 below the normal range; nearbyint rounds ties to even.
  const int exponent = magnitude < 0x1p-14 ? -14 : std::ilogb(magnitude);
  const auto steps = static_cast<uint32_t>(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
  // 1024 steps are the implicit one: they carry into the exponent field by themselves, as do 2048.
  return static_cast<uint16_t>(sign | (static_cast<uint32_t>(exponent + 14) * 1024U + steps));
}

FileTensor float_tensor(const std::string& name, DType dtype, const Shape& shape, const std::vector<float>& values) {
  if (static_cast<int64_t>(values.size()) != product(shape)) throw std::runtime_error(name + ": values do not fill the shape");
  return {name, file_name_of(dtype), shape, rounded(dtype, values.data(), values.size())};
}

void write_safetensors_raw(const fs::path& path, const std::string& header, const std::string& data) {
  std::ofstream out = open_file(path);
  write_length(out, header.size());
  out << header << data;
  close_file(out, path);
}

void write_safetensors(const fs::path& path, const std::vector<FileTensor>& tensors) {
  std::vector<uint64_t> sizes;
  std::string data;
  for (const FileTensor& tensor : tensors) {
    sizes.push_back(tensor.bytes.size());
    data += tensor.bytes;
  }
  write_safetensors_raw(path, header_of(tensors, sizes), data);
}

void write_checkpoint(const fs::path& folder, const RandomCheckpoint& shape) {
  Random random(shape.seed);
  switch (shape.layout) {
    case Layout::three_folders: return write_three_folders(folder, shape, random);
    case Layout::one_folder:
    case Layout::one_folder_inside: return write_one_folder(folder, shape, random);
    case Layout::llava_hf: return write_llava_hf(folder, shape, random);
  }
}

}  // namespace vila::testing
