// SPDX-License-Identifier: Apache-2.0
// The whole model as a plain forward pass: one file, float32 values, sums in double, no cache, no library but a JSON parser. Slow
// and readable on purpose, and written from the model descriptions alone: it shares no code with the engine, so that agreement
// between the two means something.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace vila::reference {

namespace fs = std::filesystem;
using nlohmann::json;
using Size = std::size_t;

/// Rows of equal length.
struct Matrix {
  Size rows = 0, cols = 0;
  std::vector<float> v;
  Matrix() = default;
  Matrix(Size r, Size c) : rows(r), cols(c), v(r * c, 0.0f) {}
  float* operator[](Size r) { return v.data() + r * cols; }
  const float* operator[](Size r) const { return v.data() + r * cols; }
};

// ---------------------------------------------------------------------------------------------------------------- weights

/// All tensors of the .safetensors files of a folder, as float.
class Weights {
 public:
  explicit Weights(const fs::path& folder) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().extension() == ".safetensors") read(entry.path());
    }
  }
  bool has(const std::string& name) const { return tensors_.contains(name); }
  const std::vector<float>& get(const std::string& name) const {
    const auto it = tensors_.find(name);
    if (it == tensors_.end()) throw std::runtime_error("reference: no tensor " + name);
    return it->second;
  }

 private:
  void read(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    const std::string file((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    uint64_t header_size = 0;
    std::memcpy(&header_size, file.data(), 8);
    const json header = json::parse(file.substr(8, header_size));
    for (const auto& [name, info] : header.items()) {
      if (name == "__metadata__") continue;
      const Size begin = 8 + header_size + info["data_offsets"][0].get<Size>();
      const Size end = 8 + header_size + info["data_offsets"][1].get<Size>();
      const std::string type = info["dtype"];
      std::vector<float>& target = tensors_[name];
      if (type == "F32") {
        target.resize((end - begin) / 4);
        std::memcpy(target.data(), file.data() + begin, end - begin);
      } else if (type == "BF16" || type == "F16") {
        for (Size at = begin; at < end; at += 2) {
          uint16_t half = 0;
          std::memcpy(&half, file.data() + at, 2);
          target.push_back(type == "BF16" ? from_bf16(half) : from_fp16(half));
        }
      }
    }
  }
  static float from_bf16(uint16_t half) {
    const uint32_t bits = static_cast<uint32_t>(half) << 16;
    float value = 0;
    std::memcpy(&value, &bits, 4);
    return value;
  }
  static float from_fp16(uint16_t half) {
    const int exponent = (half >> 10) & 31;
    const int mantissa = half & 1023;
    const double size = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    return static_cast<float>((half & 0x8000) != 0 ? -size : size);
  }

  std::map<std::string, std::vector<float>> tensors_;
};

// -------------------------------------------------------------------------------------------------------------- operations

/// y = x W^T + b, W [out, in].
inline Matrix linear(const Matrix& x, const std::vector<float>& w, const std::vector<float>* b) {
  const Size in = x.cols, out = w.size() / in;
  Matrix y(x.rows, out);
  for (Size r = 0; r < x.rows; ++r) {
    for (Size o = 0; o < out; ++o) {
      double sum = b != nullptr ? static_cast<double>((*b)[o]) : 0.0;
      for (Size i = 0; i < in; ++i) sum += static_cast<double>(x[r][i]) * static_cast<double>(w[o * in + i]);
      y[r][o] = static_cast<float>(sum);
    }
  }
  return y;
}

inline Matrix add(Matrix a, const Matrix& b) {
  for (Size i = 0; i < a.v.size(); ++i) a.v[i] += b.v[i];
  return a;
}

inline Matrix layer_norm(const Matrix& x, const std::vector<float>& w, const std::vector<float>& b, double eps) {
  Matrix y(x.rows, x.cols);
  const auto n = static_cast<double>(x.cols);
  for (Size r = 0; r < x.rows; ++r) {
    double mean = 0, var = 0;
    for (Size c = 0; c < x.cols; ++c) mean += static_cast<double>(x[r][c]) / n;
    for (Size c = 0; c < x.cols; ++c) var += std::pow(static_cast<double>(x[r][c]) - mean, 2) / n;
    for (Size c = 0; c < x.cols; ++c) {
      y[r][c] = static_cast<float>((static_cast<double>(x[r][c]) - mean) / std::sqrt(var + eps) * static_cast<double>(w[c]) +
                                   static_cast<double>(b[c]));
    }
  }
  return y;
}

inline Matrix rms_norm(const Matrix& x, const std::vector<float>& w, double eps) {
  Matrix y(x.rows, x.cols);
  for (Size r = 0; r < x.rows; ++r) {
    double square = 0;
    for (Size c = 0; c < x.cols; ++c) square += std::pow(static_cast<double>(x[r][c]), 2) / static_cast<double>(x.cols);
    for (Size c = 0; c < x.cols; ++c) {
      y[r][c] = static_cast<float>(static_cast<double>(x[r][c]) / std::sqrt(square + eps) * static_cast<double>(w[c]));
    }
  }
  return y;
}

inline double activate(const std::string& name, double x) {
  if (name == "silu") return x / (1 + std::exp(-x));
  if (name == "quick_gelu") return x / (1 + std::exp(-1.702 * x));
  if (name == "gelu") return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
  if (name == "gelu_pytorch_tanh") return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
  throw std::runtime_error("reference: activation " + name);
}
inline Matrix activate(const std::string& name, Matrix x) {
  for (float& value : x.v) value = static_cast<float>(activate(name, static_cast<double>(value)));
  return x;
}

/// Scaled dot-product attention over q [T, heads*d], k and v [T, kv_heads*d]; query head h reads key/value head h / (heads/kv_heads).
inline Matrix attention(const Matrix& q, const Matrix& k, const Matrix& v, Size heads, Size kv_heads, bool causal) {
  const Size d = q.cols / heads;
  Matrix y(q.rows, q.cols);
  for (Size h = 0; h < heads; ++h) {
    const Size kv = h / (heads / kv_heads);
    for (Size t = 0; t < q.rows; ++t) {
      const Size seen = causal ? t + 1 : k.rows;
      std::vector<double> p(seen);
      for (Size s = 0; s < seen; ++s) {
        for (Size i = 0; i < d; ++i) p[s] += static_cast<double>(q[t][h * d + i]) * static_cast<double>(k[s][kv * d + i]);
        p[s] /= std::sqrt(static_cast<double>(d));
      }
      const double top = *std::max_element(p.begin(), p.end());
      double sum = 0;
      for (double& value : p) sum += value = std::exp(value - top);
      for (Size i = 0; i < d; ++i) {
        double out = 0;
        for (Size s = 0; s < seen; ++s) out += p[s] / sum * static_cast<double>(v[s][kv * d + i]);
        y[t][h * d + i] = static_cast<float>(out);
      }
    }
  }
  return y;
}

/// Rotary positions over the whole head, half-split: element i turns with element i + d/2 by position * theta^(-2i/d).
inline void rotate(Matrix& x, Size heads, double theta, double scale) {
  const Size d = x.cols / heads;
  for (Size t = 0; t < x.rows; ++t) {
    for (Size h = 0; h < heads; ++h) {
      float* head = x[t] + h * d;
      for (Size i = 0; i < d / 2; ++i) {
        const double angle = static_cast<double>(t) / scale * std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(d));
        const double a = static_cast<double>(head[i]), b = static_cast<double>(head[i + d / 2]);
        head[i] = static_cast<float>(a * std::cos(angle) - b * std::sin(angle));
        head[i + d / 2] = static_cast<float>(b * std::cos(angle) + a * std::sin(angle));
      }
    }
  }
}

// ------------------------------------------------------------------------------------------------------------------ models

/// Llama. `config` has the Hugging Face keys.
struct Language {
  const Weights& weights;
  json config;

  Matrix embed(const std::vector<int>& ids) const {
    const std::vector<float>& table = weights.get("model.embed_tokens.weight");
    Matrix x(ids.size(), config["hidden_size"].get<Size>());
    for (Size t = 0; t < ids.size(); ++t) std::copy_n(table.data() + static_cast<Size>(ids[t]) * x.cols, x.cols, x[t]);
    return x;
  }

  /// Logits [T, V] of every position of embeddings [T, D].
  Matrix logits(Matrix x) const {
    const double eps = config["rms_norm_eps"];
    const Size heads = config["num_attention_heads"], kv_heads = config.value("num_key_value_heads", heads);
    for (Size layer = 0; layer < config["num_hidden_layers"].get<Size>(); ++layer) {
      const std::string p = "model.layers." + std::to_string(layer) + ".";
      const auto w = [&](const std::string& name) -> const std::vector<float>& { return weights.get(p + name + ".weight"); };
      const auto bias = [&](const std::string& name) { return weights.has(p + name + ".bias") ? &weights.get(p + name + ".bias") : nullptr; };
      const Matrix n = rms_norm(x, w("input_layernorm"), eps);
      Matrix q = linear(n, w("self_attn.q_proj"), bias("self_attn.q_proj"));
      Matrix k = linear(n, w("self_attn.k_proj"), bias("self_attn.k_proj"));
      const Matrix v = linear(n, w("self_attn.v_proj"), bias("self_attn.v_proj"));
      const double theta = config.value("rope_theta", 10000.0);
      rotate(q, heads, theta, 1);
      rotate(k, kv_heads, theta, 1);
      x = add(x, linear(attention(q, k, v, heads, kv_heads, true), w("self_attn.o_proj"), nullptr));
      const Matrix m = rms_norm(x, w("post_attention_layernorm"), eps);
      Matrix gate = activate("silu", linear(m, w("mlp.gate_proj"), nullptr));
      const Matrix up = linear(m, w("mlp.up_proj"), nullptr);
      for (Size i = 0; i < gate.v.size(); ++i) gate.v[i] *= up.v[i];
      x = add(x, linear(gate, w("mlp.down_proj"), nullptr));
    }
    const bool tied = config.value("tie_word_embeddings", false);
    return linear(rms_norm(x, weights.get("model.norm.weight"), eps),
                  weights.get(tied ? "model.embed_tokens.weight" : "lm_head.weight"), nullptr);
  }
};

/// CLIP (with class token and pre-norm) or SigLIP (without).
struct Vision {
  const Weights& weights;
  json config;

  /// Features [tokens, C] of pixels [3,S,S] after `run_layers` blocks; the class token is dropped with `drop_class`.
  Matrix features(const std::vector<float>& pixels, Size run_layers, bool drop_class) const {
    const std::string p = "vision_model.";
    const Size c = config["hidden_size"], side = config["image_size"], patch = config["patch_size"], grid = side / patch;
    const bool clip = config["model_type"] == "clip_vision_model";
    const Size offset = clip ? 1 : 0;
    Matrix x(grid * grid + offset, c);
    const std::vector<float>& kernel = weights.get(p + "embeddings.patch_embedding.weight");
    for (Size gy = 0; gy < grid; ++gy) {
      for (Size gx = 0; gx < grid; ++gx) {
        for (Size o = 0; o < c; ++o) {
          double sum = clip ? 0.0 : static_cast<double>(weights.get(p + "embeddings.patch_embedding.bias")[o]);
          for (Size ch = 0; ch < 3; ++ch) {
            for (Size y = 0; y < patch; ++y) {
              for (Size xx = 0; xx < patch; ++xx) {
                sum += static_cast<double>(pixels[(ch * side + gy * patch + y) * side + gx * patch + xx]) *
                       static_cast<double>(kernel[((o * 3 + ch) * patch + y) * patch + xx]);
              }
            }
          }
          x[offset + gy * grid + gx][o] = static_cast<float>(sum);
        }
      }
    }
    if (clip) std::copy_n(weights.get(p + "embeddings.class_embedding").data(), c, x[0]);
    const std::vector<float>& positions = weights.get(p + "embeddings.position_embedding.weight");
    for (Size i = 0; i < x.v.size(); ++i) x.v[i] += positions[i];
    const double eps = config["layer_norm_eps"];
    const auto norm = [&](const Matrix& m, const std::string& name) {
      return layer_norm(m, weights.get(p + name + ".weight"), weights.get(p + name + ".bias"), eps);
    };
    const auto apply = [&](const Matrix& m, const std::string& name) {
      return linear(m, weights.get(p + name + ".weight"), &weights.get(p + name + ".bias"));
    };
    if (clip) x = norm(x, "pre_layrnorm");
    const Size heads = config["num_attention_heads"];
    for (Size layer = 0; layer < run_layers; ++layer) {
      const std::string l = "encoder.layers." + std::to_string(layer) + ".";
      const Matrix n = norm(x, l + "layer_norm1");
      const Matrix a = attention(apply(n, l + "self_attn.q_proj"), apply(n, l + "self_attn.k_proj"), apply(n, l + "self_attn.v_proj"),
                                 heads, heads, false);
      x = add(x, apply(a, l + "self_attn.out_proj"));
      x = add(x, apply(activate(config["hidden_act"], apply(norm(x, l + "layer_norm2"), l + "mlp.fc1")), l + "mlp.fc2"));
    }
    if (!clip || !drop_class) return x;
    Matrix rest(x.rows - 1, c);
    std::copy(x[1], x[1] + rest.v.size(), rest.v.begin());
    return rest;
  }
};

/// Merges each 2x2 window of a square map (a zero row and column appended when the side is odd) into one token of 4C channels,
/// windows in column-major order: VILA1.5's order.
inline Matrix downsample_2x2_column_major(const Matrix& x) {
  const auto side = static_cast<Size>(std::lround(std::sqrt(static_cast<double>(x.rows))));
  const Size merged = (side + 1) / 2;
  Matrix y(merged * merged, 4 * x.cols);
  for (Size j = 0; j < merged; ++j) {
    for (Size i = 0; i < merged; ++i) {
      for (Size part = 0; part < 4; ++part) {
        const Size row = 2 * i + part / 2, col = 2 * j + part % 2;
        if (row < side && col < side) std::copy_n(x[row * side + col], x.cols, y[j * merged + i] + part * x.cols);
      }
    }
  }
  return y;
}

/// A checkpoint folder of either layout: VILA1.5's three folders with mlp_downsample, or VILA 1.0's one folder with linear or
/// mlp2x_gelu and the CLIP tower in the sub-folder that mm_vision_tower names.
class PlainModel {
 public:
  explicit PlainModel(const fs::path& folder)
      : config_(parse(folder / "config.json")),
        three_folders_(fs::exists(folder / "llm")),
        language_weights_(three_folders_ ? folder / "llm" : folder),
        vision_folder_(three_folders_ ? folder / "vision_tower" : folder / config_["mm_vision_tower"].get<std::string>()),
        vision_weights_(vision_folder_),
        projector_weights_(three_folders_ ? folder / "mm_projector" : folder),
        language{language_weights_, three_folders_ ? parse(folder / "llm" / "config.json") : config_},
        vision{vision_weights_, parse(vision_folder_ / "config.json")} {}

  Matrix features(const std::vector<float>& pixels) const {
    const Size layers = vision.config["num_hidden_layers"];
    const int select = config_["mm_vision_select_layer"];  // -1 is after the last block, -2 before it
    const bool drop = config_.value("mm_vision_select_feature", "patch") == "patch";
    return vision.features(pixels, layers + 1 - static_cast<Size>(-select), drop);
  }

  Matrix project(const Matrix& features) const {
    const auto apply = [&](const Matrix& x, const std::string& name) {
      return linear(x, projector_weights_.get(name + ".weight"), &projector_weights_.get(name + ".bias"));
    };
    if (three_folders_) {
      const Matrix merged = downsample_2x2_column_major(features);
      const Matrix n = layer_norm(merged, projector_weights_.get("layers.1.weight"), projector_weights_.get("layers.1.bias"), 1e-5);
      return apply(activate("gelu", apply(n, "layers.2")), "layers.4");
    }
    const std::string p = "model.mm_projector";
    if (config_["mm_projector_type"] == "linear") return apply(features, p);
    return apply(activate("gelu", apply(features, p + ".0")), p + ".2");
  }

  /// The sequence of text ids with image k in place of the k-th negative id.
  Matrix splice(const std::vector<int>& ids, const std::vector<Matrix>& images) const {
    Matrix x;
    x.cols = language.config["hidden_size"].get<Size>();
    Size next = 0;
    for (const int id : ids) {
      const Matrix part = id < 0 ? images.at(next++) : language.embed({id});
      x.v.insert(x.v.end(), part.v.begin(), part.v.end());
      x.rows += part.rows;
    }
    return x;
  }

 private:
  static json parse(const fs::path& path) {
    std::ifstream in(path);
    if (!in) throw std::runtime_error("reference: no " + path.string());
    return json::parse(in);
  }

  json config_;
  bool three_folders_;
  Weights language_weights_;
  fs::path vision_folder_;
  Weights vision_weights_, projector_weights_;

 public:
  Language language;
  Vision vision;
};

}  // namespace vila::reference
