// SPDX-License-Identifier: Apache-2.0
#include "session/rounding_noise.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <sstream>

#include "checkpoint/needed_tensors.h"
#include "checkpoint/tensor_names.h"
#include "common/error.h"
#include "common/paging.h"
#include "common/random.h"
#include "graph/rope_table.h"
#include "graph/row_panels.h"
#include "kernels/product.h"

namespace vila {
namespace {

using kernels::kBlock;
using kernels::kLanes;
using kernels::PackedShape;

constexpr int64_t kSequences = 2, kLength = 64, kTokens = kSequences * kLength;

/// float32 [count, width]
struct Rows {
  Rows(int64_t rows, int64_t columns) : count(rows), width(columns), values(static_cast<size_t>(rows * columns)) {}
  float* operator[](int64_t row) { return values.data() + row * width; }
  const float* operator[](int64_t row) const { return values.data() + row * width; }
  int64_t count, width;
  std::vector<float> values;
};

Rows stack(const std::vector<Rows>& parts) {
  Rows all(static_cast<int64_t>(parts.size()) * parts[0].count, parts[0].width);
  auto to = all.values.begin();
  for (const Rows& part : parts) to = std::copy(part.values.begin(), part.values.end(), to);
  return all;
}

/// Bytes aligned to 64.
class Bytes {
 public:
  explicit Bytes(size_t size) : data_(static_cast<uint8_t*>(::operator new(std::max<size_t>(size, 1), kAlignment))) {}
  uint8_t* data() const { return data_.get(); }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(uint8_t* data) const { ::operator delete(data, kAlignment); }
  };
  std::unique_ptr<uint8_t, Free> data_;
};

/// The root of the mean of |changed - whole|^2 / |stream|^2, row by row; `changed` and `whole` are the first of as many rows.
double moved(const float* changed, const float* whole, const Rows& stream) {
  double sum = 0;
  for (int64_t row = 0; row < stream.count; ++row) {
    double difference = 0, size = 0;
    for (int64_t i = row * stream.width; i < (row + 1) * stream.width; ++i) {
      difference += std::pow(double{changed[i]} - whole[i], 2);
      size += std::pow(double{stream.values[static_cast<size_t>(i)]}, 2);
    }
    if (difference != 0) sum += difference / size;
  }
  return std::sqrt(sum / static_cast<double>(stream.count));
}

class Probe {
 public:
  Probe(const LanguageSpec& spec, const TensorStore& tensors)
      : spec_(spec),
        tensors_(tensors),
        rope_(graph::make_rope_table(kLength, spec.head_dim, spec.rope_theta, spec.rope_scale)),
        stream_(kTokens, spec.hidden) {
    const TensorRef& table = tensors.get(tensor_names::embed_tokens(spec), {spec.vocab, spec.hidden});
    const size_t row_bytes = static_cast<size_t>(spec.hidden) * size_of(table.dtype);
    Random random(1);
    for (int64_t row = 0; row < kTokens; ++row) {
      const size_t id = random.next() % static_cast<uint64_t>(spec.vocab);
      to_f32(table.dtype, table.data() + id * row_bytes, stream_[row], static_cast<size_t>(spec.hidden));
    }
  }

  /// Computes block `i` and appends what its layers move.
  void block(int64_t i, std::vector<LayerNoise>& noise) {
    const std::vector<LinearLayer> layers = block_linears(spec_, i);
    const LinearLayer &query = layers[0], &key = layers[1], &value = layers[2], &out = layers[3];
    const LinearLayer &gate = layers[4], &up = layers[5], &down = layers[6];
    Rows x = normed(tensor_names::language_layer(spec_, i) + "input_layernorm.weight");
    Both q = multiply(query, x), k = multiply(key, x);
    for (Rows* rows : {&q.eight, &q.four, &k.eight, &k.four}) rotate(*rows);
    const Both v = multiply(value, x);
    add(out, {attend(q.eight, k.eight, v.eight), attend(q.four, k.eight, v.eight), attend(q.eight, k.four, v.eight),
              attend(q.eight, k.eight, v.four)},
        {&query, &key, &value}, noise);

    x = normed(tensor_names::language_layer(spec_, i) + "post_attention_layernorm.weight");
    const Both g = multiply(gate, x), u = multiply(up, x);
    add(down, {gated(g.eight, u.eight), gated(g.four, u.eight), gated(g.eight, u.four)}, {&gate, &up}, noise);
  }

 private:
  /// A layer's outputs with its weights in 8 bits, for all rows, and in 4 bits, for the first kTokens.
  struct Both {
    Rows eight, four;
  };

  /// Ends half a block: `inputs` of its last layer are those with all weights in 8 bits, then with one of `before` in 4.
  void add(const LinearLayer& last, const std::vector<Rows>& inputs, const std::vector<const LinearLayer*>& before,
           std::vector<LayerNoise>& noise) {
    const Both y = multiply(last, stack(inputs));
    for (size_t at = 0; at < stream_.values.size(); ++at) stream_.values[at] += y.eight.values[at];
    for (size_t i = 0; i < before.size(); ++i)
      noise.push_back({before[i]->name, moved(y.eight[static_cast<int64_t>(i + 1) * kTokens], y.eight[0], stream_)});
    noise.push_back({last.name, moved(y.four[0], y.eight[0], stream_)});
  }

  Rows normed(const std::string& norm) const {
    const std::vector<float> weights = tensors_.get(norm, {spec_.hidden}).to_float();
    Rows y(stream_.count, stream_.width);
    for (int64_t row = 0; row < y.count; ++row) {
      double squares = 0;
      for (int64_t i = 0; i < y.width; ++i) squares += double{stream_[row][i]} * stream_[row][i];
      const auto scale = static_cast<float>(1 / std::sqrt(squares / static_cast<double>(y.width) + spec_.rms_eps));
      for (int64_t i = 0; i < y.width; ++i) y[row][i] = stream_[row][i] * scale * weights[static_cast<size_t>(i)];
    }
    return y;
  }

  Both multiply(const LinearLayer& layer, const Rows& x) const {
    const TensorRef& matrix = tensors_.get(layer.name + ".weight", {layer.out, layer.in});
    const size_t row_bytes = static_cast<size_t>(layer.in) * size_of(matrix.dtype);
    const int64_t padded = PackedShape{layer.out, layer.in}.padded_k();
    const kernels::Product& product = kernels::products().front();
    const Bytes memory(kernels::RowsBuffer::bytes(x.count, padded));
    const kernels::RowsBuffer to(memory.data(), x.count, padded);
    for (int64_t row = 0; row < x.count; ++row) product.quantize(x.values.data(), row, layer.in, padded, to);
    Both y{Rows(x.count, layer.out), Rows(kTokens, layer.out)};
    graph::for_each_panel(layer.out, 2 * kLanes, [&](int64_t first, int64_t last) {
      std::vector<float> weights(static_cast<size_t>(layer.in));
      std::vector<uint8_t> q(weights.size());
      for (const int32_t bits : {8, 4}) {
        const PackedShape shape{last - first, layer.in, kBlock, bits};
        std::vector<uint16_t> scales(static_cast<size_t>(shape.groups()));
        std::vector<uint8_t> packed(shape.bytes());
        const Bytes scratch(product.scratch_bytes(shape));
        for (int64_t n = first; n < last; ++n) {
          to_f32(matrix.dtype, matrix.data() + static_cast<size_t>(n) * row_bytes, weights.data(), weights.size());
          round(matrix, shape, weights.data(), q.data(), scales.data());
          kernels::pack_row(shape, n - first, {q.data(), scales.data()}, packed.data());
        }
        Rows& result = bits == 8 ? y.eight : y.four;
        product.multiply({shape, packed.data()}, {result.count, padded, to.q, to.scales, to.sums}, 0, shape.panels(),
                         result.values.data() + first, layer.out, scratch.data());
      }
      drop_pages(matrix.data() + static_cast<size_t>(first) * row_bytes, static_cast<size_t>(last - first) * row_bytes);
    });
    drop_pages(matrix.data(), matrix.bytes);
    if (layer.bias) {
      const std::vector<float> bias = tensors_.get(layer.name + ".bias", {layer.out}).to_float();
      for (Rows* rows : {&y.eight, &y.four}) {
        for (int64_t row = 0; row < rows->count; ++row)
          for (int64_t n = 0; n < layer.out; ++n) (*rows)[row][n] += bias[static_cast<size_t>(n)];
      }
    }
    return y;
  }

  static void round(const TensorRef& matrix, const PackedShape& shape, const float* weights, uint8_t* q, uint16_t* scales) {
    try {
      kernels::quantize_row(shape, weights, q, scales);
    } catch (const Error& error) {
      fail(error.code(), matrix.file->path(), ": tensor ", matrix.name, ": ", error.what());
    }
  }

  /// Rotates each head of each row by its position in its sequence.
  void rotate(Rows& rows) const {
    const int64_t half = spec_.head_dim / 2;
    for (int64_t row = 0; row < rows.count; ++row) {
      const float *cos = rope_.cos.data() + row % kLength * half, *sin = rope_.sin.data() + row % kLength * half;
      for (float* head = rows[row]; head < rows[row] + rows.width; head += spec_.head_dim) {
        for (int64_t i = 0; i < half; ++i) {
          const float a = head[i], b = head[i + half];
          head[i] = a * cos[i] - b * sin[i];
          head[i + half] = b * cos[i] + a * sin[i];
        }
      }
    }
  }

  /// Causal attention within each sequence, of rotated queries and keys.
  Rows attend(const Rows& q, const Rows& k, const Rows& v) const {
    const int64_t size = spec_.head_dim;
    const float scale = 1 / std::sqrt(static_cast<float>(size));
    Rows y(q.count, q.width);
    graph::for_each_panel(kSequences * spec_.heads, 1, [&](int64_t task, int64_t) {
      const int64_t begin = task / spec_.heads * kLength, head = task % spec_.heads;
      const int64_t from = head / (spec_.heads / spec_.kv_heads) * size;
      for (int64_t row = begin; row < begin + kLength; ++row) {
        const float* query = q[row] + head * size;
        float weights[kLength], most = -INFINITY, sum = 0;
        for (int64_t other = begin; other <= row; ++other) {
          float dot = 0;
          for (int64_t i = 0; i < size; ++i) dot += query[i] * k[other][from + i];
          weights[other - begin] = dot * scale;
          most = std::max(most, dot * scale);
        }
        for (int64_t other = 0; other <= row - begin; ++other) sum += weights[other] = std::exp(weights[other] - most);
        float* to = y[row] + head * size;
        for (int64_t other = 0; other <= row - begin; ++other)
          for (int64_t i = 0; i < size; ++i) to[i] += weights[other] / sum * v[begin + other][from + i];
      }
    });
    return y;
  }

  static Rows gated(const Rows& gate, const Rows& up) {
    Rows y(kTokens, gate.width);
    for (size_t i = 0; i < y.values.size(); ++i) y.values[i] = gate.values[i] / (1 + std::exp(-gate.values[i])) * up.values[i];
    return y;
  }

  const LanguageSpec& spec_;
  const TensorStore& tensors_;
  const graph::RopeTable rope_;
  Rows stream_;
};

}  // namespace

std::vector<LayerNoise> rounding_noise(const LanguageSpec& spec, const TensorStore& tensors,
                                       const std::function<void(double done)>& progress) {
  std::vector<LayerNoise> noise;
  Probe probe(spec, tensors);
  for (int64_t i = 0; i < spec.layers; ++i) {
    probe.block(i, noise);
    progress(static_cast<double>(i + 1) / static_cast<double>(spec.layers));
  }
  return noise;
}

std::string noise_text(const std::vector<LayerNoise>& noise) {
  std::string text;
  for (const LayerNoise& layer : noise) {
    char moved[32];
    std::snprintf(moved, sizeof moved, "%.6f", layer.moved);
    text += layer.layer + " " + moved + "\n";
  }
  return text;
}

KeptLayers kept_layers(const std::string& noise_text) {
  KeptLayers kept;
  std::istringstream lines(noise_text);
  for (std::string layer, moved; lines >> layer >> moved;) {
    if (!(std::strtod(moved.c_str(), nullptr) <= kMostMoved)) kept.insert(layer);
  }
  return kept;
}

}  // namespace vila
