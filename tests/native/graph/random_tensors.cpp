// SPDX-License-Identifier: Apache-2.0
#include "graph/random_tensors.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "checkpoint/tensor_names.h"
#include "common/error.h"

namespace vila::testing {
namespace {

/// Rounded toward zero: any value of the type serves.
uint16_t to_bf16(float value) { return static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16); }

/// The same for fp16; values too small for a normal number become zero.
uint16_t to_fp16(float value) {
  int exponent = 0;
  const float mantissa = std::frexp(std::fabs(value), &exponent);  // value = mantissa * 2^exponent, mantissa in [0.5, 1)
  const int biased = exponent + 14;
  if (value == 0.0F || biased < 1) return 0;
  const auto fraction = static_cast<uint32_t>((mantissa * 2 - 1) * 1024);
  return static_cast<uint16_t>((std::signbit(value) ? 0x8000U : 0U) | static_cast<uint32_t>(biased) << 10 | fraction);
}

}  // namespace

void RandomTensors::add(const std::string& name, std::vector<int64_t> shape, float mean, float deviation, DType dtype) {
  std::normal_distribution<float> normal(mean, deviation);
  std::string dims;
  int64_t count = 1;
  for (const int64_t dim : shape) {
    dims += join(dims.empty() ? "" : ",", dim);
    count *= dim;
  }
  const size_t begin = data_.size();
  for (int64_t i = 0; i < count; ++i) {
    const float value = normal(random_);
    const uint16_t half = dtype == DType::bf16 ? to_bf16(value) : to_fp16(value);
    data_.append(dtype == DType::f32 ? reinterpret_cast<const char*>(&value) : reinterpret_cast<const char*>(&half),
                 size_of(dtype));
  }
  const char* type = dtype == DType::f32 ? "F32" : dtype == DType::bf16 ? "BF16" : "F16";
  header_ += join(header_.empty() ? "" : ",", '"', name, R"(":{"dtype":")", type, R"(","shape":[)", dims, R"(],"data_offsets":[)",
                  begin, ',', data_.size(), "]}");
}

void RandomTensors::linear(const std::string& layer, int64_t in, int64_t out, bool bias, DType dtype) {
  add(layer + ".weight", {out, in}, 0, 1 / std::sqrt(static_cast<float>(in)), dtype);
  if (bias) add(layer + ".bias", {out}, 0, 0.3F, dtype);
}

void RandomTensors::norm(const std::string& layer, int64_t size, bool bias, DType dtype) {
  add(layer + ".weight", {size}, 1, 0.3F, dtype);
  if (bias) add(layer + ".bias", {size}, 0, 0.3F, dtype);
}

TensorStore RandomTensors::open() {
  const std::string header = join("{", header_, "}");
  const auto size = static_cast<uint64_t>(header.size());
  std::string file(8, '\0');
  std::memcpy(file.data(), &size, 8);
  write_file(folder_ / "model.safetensors", file + header + data_);
  TensorStore store;
  store.add_folder(folder_.path().string());
  return store;
}

std::vector<float> RandomTensors::values(int64_t count) {
  std::normal_distribution<float> normal;
  std::vector<float> result;
  for (int64_t i = 0; i < count; ++i) result.push_back(normal(random_));
  return result;
}

LanguageSpec one_layer() {
  LanguageSpec spec;
  spec.model_type = "llama";
  spec.hidden = 32;
  spec.layers = 1;
  spec.heads = 2;
  spec.kv_heads = 1;
  spec.head_dim = 16;
  spec.intermediate = 48;
  spec.vocab = 20;
  spec.max_positions = 40;
  return spec;
}

void add_layer(RandomTensors& random, const LanguageSpec& spec, DType dtype) {
  const std::string layer = tensor_names::language_layer(spec, 0);
  random.linear("lm_head", spec.hidden, spec.vocab, false, dtype);
  random.norm("model.norm", spec.hidden, false, dtype);
  random.norm(layer + "input_layernorm", spec.hidden, false, dtype);
  random.norm(layer + "post_attention_layernorm", spec.hidden, false, dtype);
  random.linear(layer + "self_attn.q_proj", spec.hidden, spec.heads * spec.head_dim, false, dtype);
  random.linear(layer + "self_attn.k_proj", spec.hidden, spec.kv_heads * spec.head_dim, false, dtype);
  random.linear(layer + "self_attn.v_proj", spec.hidden, spec.kv_heads * spec.head_dim, false, dtype);
  random.linear(layer + "self_attn.o_proj", spec.heads * spec.head_dim, spec.hidden, false, dtype);
  random.linear(layer + "mlp.gate_proj", spec.hidden, spec.intermediate, false, dtype);
  random.linear(layer + "mlp.up_proj", spec.hidden, spec.intermediate, false, dtype);
  random.linear(layer + "mlp.down_proj", spec.intermediate, spec.hidden, false, dtype);
}

}  // namespace vila::testing
