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
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
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

/// Each 32 numbers of a row (the last block may have fewer) in whole steps of a 127th of the largest magnitude among them.
inline Matrix in_steps(Matrix x) {
  for (Size r = 0; r < x.rows; ++r) {
    for (Size begin = 0; begin < x.cols; begin += 32) {
      float* block = x[r] + begin;
      const Size count = std::min<Size>(32, x.cols - begin);
      double largest = 0;
      for (Size i = 0; i < count; ++i) largest = std::max(largest, std::abs(static_cast<double>(block[i])));
      if (largest == 0) continue;
      const double step = largest / 127;
      for (Size i = 0; i < count; ++i)
        block[i] = static_cast<float>(std::nearbyint(static_cast<double>(block[i]) / step) * step);
    }
  }
  return x;
}

/// Each number as the nearest that fp16 has; none is beyond it.
inline Matrix in_fp16(Matrix x) {
  for (float& value : x.v) {
    if (value == 0) continue;
    const double step = std::ldexp(1.0, std::max(std::ilogb(value), -14) - 10);
    value = static_cast<float>(std::nearbyint(static_cast<double>(value) / step) * step);
  }
  return x;
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

/// Scaled dot-product attention over q [T, heads*d], k and v [T, kv_heads*d]; query head h reads key/value head h /
/// (heads/kv_heads).
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
        const double angle =
            static_cast<double>(t) / scale * std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(d));
        const double a = static_cast<double>(head[i]), b = static_cast<double>(head[i + d / 2]);
        head[i] = static_cast<float>(a * std::cos(angle) - b * std::sin(angle));
        head[i + d / 2] = static_cast<float>(b * std::cos(angle) + a * std::sin(angle));
      }
    }
  }
}

// ------------------------------------------------------------------------------------------------------------------ models

/// Llama or Qwen2 (the same with biases on q, k and v). `config` has the Hugging Face keys; `prefix` stands before every name.
struct Language {
  const Weights& weights;
  json config;
  std::string prefix{};
  /// Whether inputs of linear layers are rounded to 8 bits, keys and values to fp16: what an engine does whose products are in whole
  /// numbers. The weights are as they are given.
  bool rounds = false;

  Matrix embed(const std::vector<int>& ids) const {
    const std::vector<float>& table = weights.get(prefix + "model.embed_tokens.weight");
    Matrix x(ids.size(), config["hidden_size"].get<Size>());
    for (Size t = 0; t < ids.size(); ++t) std::copy_n(table.data() + static_cast<Size>(ids[t]) * x.cols, x.cols, x[t]);
    return x;
  }

  /// Logits [T, V] of every position of embeddings [T, D].
  Matrix logits(Matrix x) const {
    const double eps = config["rms_norm_eps"];
    const Size heads = config["num_attention_heads"], kv_heads = config.value("num_key_value_heads", heads);
    for (Size layer = 0; layer < config["num_hidden_layers"].get<Size>(); ++layer) {
      const std::string p = prefix + "model.layers." + std::to_string(layer) + ".";
      const auto w = [&](const std::string& name) -> const std::vector<float>& { return weights.get(p + name + ".weight"); };
      const auto bias = [&](const std::string& name) {
        return weights.has(p + name + ".bias") ? &weights.get(p + name + ".bias") : nullptr;
      };
      const Matrix n = rms_norm(x, w("input_layernorm"), eps);
      Matrix q = apply(n, w("self_attn.q_proj"), bias("self_attn.q_proj"));
      Matrix k = apply(n, w("self_attn.k_proj"), bias("self_attn.k_proj"));
      Matrix v = apply(n, w("self_attn.v_proj"), bias("self_attn.v_proj"));
      const double theta = config.value("rope_theta", 10000.0);
      rotate(q, heads, theta, position_scale());
      rotate(k, kv_heads, theta, position_scale());
      if (rounds) k = in_fp16(k), v = in_fp16(v);
      x = add(x, apply(attention(q, k, v, heads, kv_heads, true), w("self_attn.o_proj"), nullptr));
      const Matrix m = rms_norm(x, w("post_attention_layernorm"), eps);
      Matrix gate = activate("silu", apply(m, w("mlp.gate_proj"), nullptr));
      const Matrix up = apply(m, w("mlp.up_proj"), nullptr);
      for (Size i = 0; i < gate.v.size(); ++i) gate.v[i] *= up.v[i];
      x = add(x, apply(gate, w("mlp.down_proj"), nullptr));
    }
    const bool tied = config.value("tie_word_embeddings", false);
    return apply(rms_norm(x, weights.get(prefix + "model.norm.weight"), eps),
                 weights.get(prefix + (tied ? "model.embed_tokens.weight" : "lm_head.weight")), nullptr);
  }

 private:
  Matrix apply(const Matrix& x, const std::vector<float>& w, const std::vector<float>* b) const {
    return linear(rounds ? in_steps(x) : x, w, b);
  }

  /// Linear RoPE scaling: as configured, else what VILA adds for a model_max_length beyond the trained positions.
  double position_scale() const {
    if (config.contains("rope_scaling") && config["rope_scaling"].is_object()) return config["rope_scaling"]["factor"];
    const double trained = config.value("max_position_embeddings", 4096.0), wanted = config.value("model_max_length", trained);
    return wanted > trained ? std::ceil(wanted / trained) : 1;
  }
};

/// CLIP (class token, pre-norm), SigLIP (neither) or InternViT (class token, its own block).
struct Vision {
  const Weights& weights;
  json config;
  std::string prefix{};

  /// Features [tokens, C] of pixels [3,S,S] after `run_layers` blocks; the class token is dropped with `drop_class`.
  Matrix features(const std::vector<float>& pixels, Size run_layers, bool drop_class) const {
    const std::string type = config["model_type"];
    const bool clip = type == "clip_vision_model", intern = type == "intern_vit_6b", class_token = clip || intern;
    const std::string p = prefix + (intern ? "" : "vision_model.");
    const Matrix embedded = patches(pixels, p + "embeddings.patch_embedding", !clip);
    Matrix x(embedded.rows + (class_token ? 1 : 0), embedded.cols);
    std::copy(embedded.v.begin(), embedded.v.end(), x.v.end() - static_cast<std::ptrdiff_t>(embedded.v.size()));
    if (class_token) std::copy_n(weights.get(p + "embeddings.class_embedding").data(), x.cols, x[0]);
    const std::vector<float>& positions = weights.get(p + "embeddings.position_embedding" + (intern ? "" : ".weight"));
    for (Size i = 0; i < x.v.size(); ++i) x.v[i] += positions[i];
    if (clip) x = norm(x, p + "pre_layrnorm");
    for (Size layer = 0; layer < run_layers; ++layer) {
      const std::string l = p + "encoder.layers." + std::to_string(layer) + ".";
      x = intern ? intern_block(x, l) : block(x, l);
    }
    if (!class_token || !drop_class) return x;
    Matrix rest(x.rows - 1, x.cols);
    std::copy(x[1], x[1] + rest.v.size(), rest.v.begin());
    return rest;
  }

 private:
  /// One row per patch; pixels right and below of the last whole patch are unused.
  Matrix patches(const std::vector<float>& pixels, const std::string& name, bool biased) const {
    const Size c = config["hidden_size"], side = config["image_size"], patch = config["patch_size"], grid = side / patch;
    const std::vector<float>& kernel = weights.get(name + ".weight");
    Matrix x(grid * grid, c);
    for (Size gy = 0; gy < grid; ++gy) {
      for (Size gx = 0; gx < grid; ++gx) {
        for (Size o = 0; o < c; ++o) {
          double sum = biased ? static_cast<double>(weights.get(name + ".bias")[o]) : 0.0;
          for (Size ch = 0; ch < 3; ++ch) {
            for (Size y = 0; y < patch; ++y) {
              for (Size xx = 0; xx < patch; ++xx) {
                sum += static_cast<double>(pixels[(ch * side + gy * patch + y) * side + gx * patch + xx]) *
                       static_cast<double>(kernel[((o * 3 + ch) * patch + y) * patch + xx]);
              }
            }
          }
          x[gy * grid + gx][o] = static_cast<float>(sum);
        }
      }
    }
    return x;
  }

  Matrix block(const Matrix& x, const std::string& l) const {
    const Matrix n = norm(x, l + "layer_norm1");
    const Matrix a = attention(apply(n, l + "self_attn.q_proj"), apply(n, l + "self_attn.k_proj"), apply(n, l + "self_attn.v_proj"),
                               heads(), heads(), false);
    const Matrix middle = add(x, apply(a, l + "self_attn.out_proj"));
    return add(middle, feed_forward(norm(middle, l + "layer_norm2"), l));
  }

  /// x += ls1 * attention(rms1(x)), x += ls2 * mlp(rms2(x)); q and k are RMS-normalised over the whole width before the heads part.
  Matrix intern_block(const Matrix& x, const std::string& l) const {
    const double eps = config["layer_norm_eps"];
    const auto rms = [&](const Matrix& m, const std::string& name) { return rms_norm(m, weights.get(l + name + ".weight"), eps); };
    const auto scaled = [&](Matrix m, const std::string& name) {
      const std::vector<float>& w = weights.get(l + name);
      for (Size i = 0; i < m.v.size(); ++i) m.v[i] *= w[i % m.cols];
      return m;
    };
    const Matrix qkv = linear(rms(x, "norm1"), weights.get(l + "attn.qkv.weight"), nullptr);
    Matrix part[3];
    for (Size i = 0; i < 3; ++i) {
      part[i] = Matrix(x.rows, x.cols);
      for (Size t = 0; t < x.rows; ++t) std::copy_n(qkv[t] + i * x.cols, x.cols, part[i][t]);
    }
    const Matrix a = attention(rms(part[0], "attn.q_norm"), rms(part[1], "attn.k_norm"), part[2], heads(), heads(), false);
    const Matrix middle = add(x, scaled(apply(a, l + "attn.proj"), "ls1"));
    return add(middle, scaled(feed_forward(rms(middle, "norm2"), l), "ls2"));
  }

  Matrix feed_forward(const Matrix& x, const std::string& l) const {
    return apply(activate(config["hidden_act"], apply(x, l + "mlp.fc1")), l + "mlp.fc2");
  }
  Matrix norm(const Matrix& m, const std::string& name) const {
    return layer_norm(m, weights.get(name + ".weight"), weights.get(name + ".bias"), config["layer_norm_eps"]);
  }
  Matrix apply(const Matrix& m, const std::string& name) const {
    return linear(m, weights.get(name + ".weight"), &weights.get(name + ".bias"));
  }
  Size heads() const { return config["num_attention_heads"]; }
};

// ------------------------------------------------------------------------------------------------- maps, scales and tiles

inline Size square_side(const Matrix& x) { return static_cast<Size>(std::lround(std::sqrt(static_cast<double>(x.rows)))); }

/// Merges each window x window cells of a square map (zero rows and columns appended at the bottom and right where it does not
/// divide) into one token, cells row by row. The tokens follow each other column by column (VILA1.5) or row by row (NVILA).
inline Matrix downsample(const Matrix& x, Size window, bool column_major) {
  const Size side = square_side(x), merged = (side + window - 1) / window;
  Matrix y(merged * merged, window * window * x.cols);
  for (Size i = 0; i < merged; ++i) {
    for (Size j = 0; j < merged; ++j) {
      for (Size u = 0; u < window; ++u) {
        for (Size v = 0; v < window; ++v) {
          const Size row = window * i + u, col = window * j + v;
          float* target = y[column_major ? j * merged + i : i * merged + j] + (u * window + v) * x.cols;
          if (row < side && col < side) std::copy_n(x[row * side + col], x.cols, target);
        }
      }
    }
  }
  return y;
}

/// A map of h x w cells, one row of `cells` each, row by row.
struct Map {
  Size h = 0, w = 0;
  Matrix cells;
};

/// Square maps of one size laid out as rows x columns.
inline Map lay_out(const std::vector<Matrix>& parts, Size rows, Size columns) {
  const Size side = square_side(parts.at(0));
  Map map{rows * side, columns * side, Matrix(rows * columns * side * side, parts[0].cols)};
  for (Size y = 0; y < map.h; ++y) {
    for (Size x = 0; x < map.w; ++x) {
      const Matrix& part = parts.at(y / side * columns + x / side);
      std::copy_n(part[y % side * side + x % side], part.cols, map.cells[y * map.w + x]);
    }
  }
  return map;
}

/// The square of `side` cells whose first cell is at (top, left).
inline Matrix window_of(const Map& map, Size top, Size left, Size side) {
  Matrix part(side * side, map.cells.cols);
  for (Size i = 0; i < part.rows; ++i) std::copy_n(map.cells[(top + i / side) * map.w + left + i % side], part.cols, part[i]);
  return part;
}

/// Area interpolation: cell i of `out` is the mean of the cells floor(i*in/out) to ceil((i+1)*in/out)-1.
inline Map area(const Map& map, Size h, Size w) {
  Map y{h, w, Matrix(h * w, map.cells.cols)};
  for (Size i = 0; i < h * w; ++i) {
    const Size top = i / w * map.h / h, bottom = ((i / w + 1) * map.h + h - 1) / h;
    const Size left = i % w * map.w / w, right = ((i % w + 1) * map.w + w - 1) / w;
    for (Size c = 0; c < y.cells.cols; ++c) {
      double sum = 0;
      for (Size v = top; v < bottom; ++v) {
        for (Size u = left; u < right; ++u) sum += static_cast<double>(map.cells[v * map.w + u][c]);
      }
      y.cells[i][c] = static_cast<float>(sum / static_cast<double>((bottom - top) * (right - left)));
    }
  }
  return y;
}

/// All maps at the size of map `target`, their channels in one.
inline Map merge(const std::vector<Map>& maps, Size target) {
  const Size h = maps.at(target).h, w = maps[target].w;
  Map all{h, w, Matrix(h * w, maps.size() * maps[0].cells.cols)};
  for (Size m = 0; m < maps.size(); ++m) {
    const Map same = area(maps[m], h, w);
    for (Size i = 0; i < h * w; ++i) std::copy_n(same.cells[i], same.cells.cols, all.cells[i] + m * same.cells.cols);
  }
  return all;
}

/// PyTorch's bicubic interpolation of planes [3,from,from] to [3,to,to]: a = -0.75, half-pixel centres, no antialiasing, edges
/// repeated.
inline std::vector<float> bicubic(const std::vector<float>& pixels, Size from, Size to) {
  const auto weight = [](double x) {
    const double a = -0.75;
    x = std::abs(x);
    if (x <= 1) return (a + 2) * x * x * x - (a + 3) * x * x + 1;
    return x < 2 ? a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a : 0.0;
  };
  const auto clamp = [from](int i) { return static_cast<Size>(std::clamp(i, 0, static_cast<int>(from) - 1)); };
  const double step = static_cast<double>(from) / static_cast<double>(to);
  std::vector<float> out;
  for (Size c = 0; c < 3; ++c) {
    for (Size y = 0; y < to; ++y) {
      for (Size x = 0; x < to; ++x) {
        const double at_y = (static_cast<double>(y) + 0.5) * step - 0.5, at_x = (static_cast<double>(x) + 0.5) * step - 0.5;
        double sum = 0;
        for (int v = static_cast<int>(std::floor(at_y)) - 1, i = 0; i < 4; ++i, ++v) {
          for (int u = static_cast<int>(std::floor(at_x)) - 1, j = 0; j < 4; ++j, ++u) {
            sum += weight(at_y - v) * weight(at_x - u) * static_cast<double>(pixels[(c * from + clamp(v)) * from + clamp(u)]);
          }
        }
        out.push_back(static_cast<float>(sum));
      }
    }
  }
  return out;
}

/// The crop of planes [3,side,side] whose first pixel is at (top, left).
inline std::vector<float> crop(const std::vector<float>& pixels, Size side, Size top, Size left, Size size) {
  std::vector<float> out;
  for (Size c = 0; c < 3; ++c) {
    for (Size y = top; y < top + size; ++y) {
      const float* row = pixels.data() + (c * side + y) * side + left;
      out.insert(out.end(), row, row + size);
    }
  }
  return out;
}

/// NVILA's tiles for an image: columns and rows. The order within one area is that of VILA's Python set, for the two ranges there
/// are.
inline std::pair<Size, Size> choose_tiles(Size width, Size height, Size least, Size tile) {
  using Grids = std::vector<std::pair<Size, Size>>;
  static const Grids from_1 = {{1, 1}, {1, 2},  {2, 1},  {3, 1},  {1, 3},  {2, 2},  {4, 1}, {1, 4}, {5, 1},  {1, 5}, {1, 6}, {6, 1},
                               {3, 2}, {2, 3},  {7, 1},  {1, 7},  {4, 2},  {2, 4},  {1, 8}, {8, 1}, {1, 9},  {3, 3}, {9, 1}, {2, 5},
                               {5, 2}, {10, 1}, {1, 10}, {11, 1}, {1, 11}, {12, 1}, {3, 4}, {4, 3}, {1, 12}, {6, 2}, {2, 6}};
  static const Grids from_9 = {{3, 3},  {9, 1},  {1, 9}, {10, 1}, {1, 10}, {2, 5}, {5, 2}, {11, 1},
                               {1, 11}, {1, 12}, {6, 2}, {12, 1}, {3, 4},  {4, 3}, {2, 6}};
  if (least != 1 && least != 9) throw std::runtime_error("reference: tiles from " + std::to_string(least));
  const double aspect = static_cast<double>(width) / static_cast<double>(height);
  double best_difference = 1e30;
  std::pair<Size, Size> best;
  for (const auto& [columns, rows] : least == 1 ? from_1 : from_9) {
    const double difference = std::abs(aspect - static_cast<double>(columns) / static_cast<double>(rows));
    const bool large = static_cast<double>(width * height) > 0.5 * static_cast<double>(tile * tile * columns * rows);
    if (difference < best_difference || (difference == best_difference && large)) best = {columns, rows};
    best_difference = std::min(best_difference, difference);
  }
  return best;
}

// ------------------------------------------------------------------------------------------------------- checkpoint folders

/// A checkpoint folder of any layout:
/// - three folders (VILA1.5 and, where the language model is Qwen2, NVILA), multi-scale or not;
/// - one folder (VILA 1.0), the CLIP tower among its tensors or in the sub-folder that mm_vision_tower names;
/// - llava-hf: one folder, text_config and vision_config in its configuration.
class PlainModel {
 public:
  explicit PlainModel(const fs::path& folder)
      : config_(parse(folder / "config.json")),
        layout_(config_.contains("text_config") ? Layout::llava_hf
                : fs::exists(folder / "llm")    ? Layout::three_folders
                                                : Layout::one_folder),
        language_weights_(three_folders() ? folder / "llm" : folder),
        vision_folder_(three_folders()                 ? folder / "vision_tower"
                       : layout_ == Layout::one_folder ? folder / config_["mm_vision_tower"].get<std::string>()
                                                       : folder),
        inside_(layout_ == Layout::one_folder && !fs::exists(vision_folder_ / "model.safetensors")),
        vision_weights_(inside_ ? folder : vision_folder_),
        projector_weights_(three_folders() ? folder / "mm_projector" : folder),
        projector_(three_folders() ? parse(folder / "mm_projector" / "config.json")["mm_projector_type"].get<std::string>()
                   : layout_ == Layout::one_folder ? config_["mm_projector_type"].get<std::string>()
                                                   : "mlp2x_gelu"),
        language{language_weights_, language_config(folder), layout_ == Layout::llava_hf ? "language_model." : ""},
        vision{vision_weights_, layout_ == Layout::llava_hf ? config_["vision_config"] : parse(vision_folder_ / "config.json"),
               layout_ == Layout::llava_hf ? "vision_tower."
               : inside_                   ? "model.vision_tower.vision_tower."
                                           : ""} {}

  /// What enters the projector for one square: pixels [3,S,S] of the tower's side, or of the largest scale where the model has
  /// `s2`.
  Matrix features(const std::vector<float>& pixels) const {
    if (config_.value("dynamic_s2", false) || config_.value("image_aspect_ratio", "") == "dynamic_s2") {
      const Map map = lay_out({tower(pixels)}, 1, 1);  // An image that is not tiled stands for every scale.
      return merge(std::vector<Map>(scales().size(), map), 0).cells;
    }
    if (!config_.value("s2", false)) return tower(pixels);
    const Size split = config_["s2_max_split_size"], largest = scales().back();
    std::vector<Map> maps;
    for (const Size scale : scales()) {
      const std::vector<float> resized = bicubic(pixels, largest, scale);
      const Size parts = (scale + split - 1) / split, size = scale / parts;
      std::vector<Matrix> crops;
      for (Size i = 0; i < parts * parts; ++i)
        crops.push_back(tower(crop(resized, scale, i / parts * size, i % parts * size, size)));
      maps.push_back(lay_out(crops, parts, parts));
    }
    return merge(maps, output_scale()).cells;
  }

  Matrix project(const Matrix& features) const {
    const auto apply = [&](const Matrix& x, int place) {
      return linear(x, projector_weights_.get(name(place) + ".weight"), &projector_weights_.get(name(place) + ".bias"));
    };
    const auto norm = [&](const Matrix& x, int place) {
      return layer_norm(x, projector_weights_.get(name(place) + ".weight"), projector_weights_.get(name(place) + ".bias"), 1e-5);
    };
    const auto gelu = [](const Matrix& x) { return activate("gelu", x); };
    if (projector_ == "linear") return apply(features, -1);
    if (projector_ == "mlp2x_gelu") return apply(gelu(apply(features, 0)), 2);
    if (projector_ == "mlp_downsample_3x3_fix") {
      const Matrix narrow = apply(norm(downsample(features, 3, false), 1), 2);
      return apply(gelu(apply(norm(gelu(narrow), 4), 5)), 7);
    }
    const bool nvila = language.config["model_type"] == "qwen2";
    const bool column_major = projector_ == "mlp_downsample" && !nvila;
    return apply(gelu(apply(norm(downsample(features, 2, column_major), 1), 2)), 4);
  }

  /// dynamic_s2: the tokens of an image in tiles. `tiles` has the pixels of each scale's tiles row by row; scale k but the last is
  /// a square of them, the last has `rows` x `columns`.
  Matrix tiled(const std::vector<std::vector<std::vector<float>>>& tiles, Size rows, Size columns) const {
    std::vector<Map> maps;
    for (Size k = 0; k < tiles.size(); ++k) {
      std::vector<Matrix> parts;
      for (const std::vector<float>& pixels : tiles[k]) parts.push_back(tower(pixels));
      const Size side = scales().at(k) / scales()[0];
      maps.push_back(k + 1 < tiles.size() ? lay_out(parts, side, side) : lay_out(parts, rows, columns));
    }
    const Map merged = merge(maps, output_scale());
    const Size block = merged.h / rows;
    std::vector<Matrix> blocks;
    for (Size i = 0; i < rows * columns; ++i)
      blocks.push_back(project(window_of(merged, i / columns * block, i % columns * block, block)));
    return lay_out(blocks, rows, columns).cells;
  }

  std::vector<Size> scales() const {
    std::vector<Size> result;
    std::istringstream text(config_["s2_scales"].get<std::string>());
    for (std::string scale; std::getline(text, scale, ',');) result.push_back(std::stoul(scale));
    return result;
  }

  /// The sequence of text ids with image k in place of the k-th id that is negative or `image_id`.
  Matrix splice(const std::vector<int>& ids, const std::vector<Matrix>& images, int image_id = -1) const {
    Matrix x;
    x.cols = language.config["hidden_size"].get<Size>();
    Size next = 0;
    for (const int id : ids) {
      const Matrix part = id < 0 || id == image_id ? images.at(next++) : language.embed({id});
      x.v.insert(x.v.end(), part.v.begin(), part.v.end());
      x.rows += part.rows;
    }
    return x;
  }

 private:
  enum class Layout { three_folders, one_folder, llava_hf };

  static json parse(const fs::path& path) {
    std::ifstream in(path);
    if (!in) throw std::runtime_error("reference: no " + path.string());
    return json::parse(in);
  }
  bool three_folders() const { return layout_ == Layout::three_folders; }
  json language_config(const fs::path& folder) const {
    return three_folders() ? parse(folder / "llm" / "config.json") : layout_ == Layout::llava_hf ? config_["text_config"] : config_;
  }

  /// The selected features of one crop.
  Matrix tower(const std::vector<float>& pixels) const {
    const bool hf = layout_ == Layout::llava_hf;
    const int select = config_[hf ? "vision_feature_layer" : "mm_vision_select_layer"];  // -1 is after the last block, -2 before it
    const bool drop = hf || config_.value("mm_vision_select_feature", "patch") == "patch";
    return vision.features(pixels, vision.config["num_hidden_layers"].get<Size>() + 1 - static_cast<Size>(-select), drop);
  }

  /// Index of the scale whose map size the others take.
  Size output_scale() const {
    const int index = config_.value("s2_resize_output_to_scale_idx", 0);
    return index < 0 ? scales().size() - 1 : static_cast<Size>(index);
  }

  /// Tensor name of the projector's layer at a place in its sequence; -1 where it is the only one.
  std::string name(int place) const {
    if (layout_ == Layout::llava_hf) return "multi_modal_projector.linear_" + std::to_string(place / 2 + 1);
    const std::string prefix = three_folders() ? "layers" : "model.mm_projector";
    return place < 0 ? prefix : prefix + "." + std::to_string(place);
  }

  json config_;
  Layout layout_;
  Weights language_weights_;
  fs::path vision_folder_;
  bool inside_;
  Weights vision_weights_, projector_weights_;
  std::string projector_;

 public:
  Language language;
  Vision vision;
};

}  // namespace vila::reference
