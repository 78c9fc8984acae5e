// SPDX-License-Identifier: Apache-2.0
#include "graph/qdq_weights.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "checkpoint/awq.h"
#include "common/error.h"
#include "common/rounding.h"
#include "graph/row_panels.h"

namespace vila::graph {
namespace {

constexpr int64_t kPanel = 64;                                     // outputs; even, so that no byte of int4 has two writers
constexpr std::array<int64_t, 3> kBlocks = {128, 64, 32};          // inputs that share a scale: the first that divides a layer's
constexpr float kMostFp8 = 448, kMostInt8 = 127, kMostInt4 = 7;    // codes for the largest magnitude of a block
constexpr int kLowestInt4 = -8;

AwqLayout layout_of(const QdqLayer& layer) { return {layer.packing, layer.group, layer.out, layer.in}; }
bool is_packed(const QdqLayer& layer) { return layer.packing != LanguageSpec::Packing::none; }

/// Inputs that share a scale.
int64_t block_of(const QdqLayer& layer) {
  if (layer.format != QdqFormat::int4) return layer.in;
  if (layer.out % 2 != 0) fail(ErrorCode::unsupported, layer.name, ": ", layer.out, " outputs, int4 needs an even number");
  if (is_packed(layer)) return layer.group;
  for (const int64_t block : kBlocks) {
    if (layer.in % block == 0) return block;
  }
  fail(ErrorCode::unsupported, layer.name, ": ", layer.in, " inputs, int4 needs a multiple of ", kBlocks.back());
}

/// A layer's tensors while they are made; rows are inputs.
struct Tensors {
  std::vector<uint8_t> codes;
  std::vector<float> scales, corrections;  ///< [in/block, out], rounded to the compute type
};

/// `value` as the compute type has it.
float rounded(float value, DType compute) {
  switch (compute) {
    case DType::f16: return f16_to_f32(to_f16(value));
    case DType::bf16: return bf16_to_f32(to_bf16(value));
    default: return value;
  }
}

void put_int4(Tensors& tensors, const QdqLayer& layer, int64_t k, int64_t n, int code) {
  uint8_t& byte = tensors.codes[static_cast<size_t>(k * (layer.out / 2) + n / 2)];
  byte = static_cast<uint8_t>(byte | (code & 0xF) << (n % 2 == 0 ? 0 : 4));
}

/// Positive, and one where nothing but zero is to be stored.
float usable_scale(float scale) { return scale > 0 ? scale : 1.0F; }

int int4_code(float weight, float scale) {
  return std::clamp(static_cast<int>(std::nearbyint(weight / scale)), kLowestInt4, static_cast<int>(kMostInt4));
}

/// Of a few scales around largest / 7, the one with the least squared error.
float int4_scale(const float* weights, int64_t count, float largest, DType compute) {
  constexpr int kCandidates = 12;
  float best = 1;
  double least = -1;
  for (int step = -kCandidates; step <= kCandidates; ++step) {
    const float scale = usable_scale(rounded(largest / (kMostInt4 + 0.1F * static_cast<float>(step)), compute));
    double error = 0;
    for (int64_t i = 0; i < count; ++i) {
      const double difference = weights[i] - static_cast<double>(scale) * int4_code(weights[i], scale);
      error += difference * difference;
    }
    if (least < 0 || error < least) least = error, best = scale;
  }
  return best;
}

/// Rounds output `n`, whose weights are given.
void round_output(const QdqLayer& layer, int64_t n, const float* weights, DType compute, Tensors& tensors) {
  const int64_t block = block_of(layer);
  for (int64_t first = 0; first < layer.in; first += block) {
    float largest = 0;
    for (int64_t k = first; k < first + block; ++k) {
      if (!std::isfinite(weights[k]))
        fail(ErrorCode::invalid_argument, "weights: ", weights[k], " at input ", k, ", expected a finite number");
      largest = std::max(largest, std::fabs(weights[k]));
    }
    const auto at = [&](int64_t k) { return static_cast<size_t>(k * layer.out + n); };
    float& scale = tensors.scales[at(first / block)];
    switch (layer.format) {
      case QdqFormat::fp8:
        scale = usable_scale(rounded(largest / kMostFp8, compute));
        for (int64_t k = first; k < first + block; ++k) tensors.codes[at(k)] = to_f8e4m3(weights[k] / scale);
        break;
      case QdqFormat::int8:
        scale = usable_scale(rounded(largest / kMostInt8, compute));
        for (int64_t k = first; k < first + block; ++k) {
          const float code = std::clamp(std::nearbyint(weights[k] / scale), -kMostInt8, kMostInt8);
          tensors.codes[at(k)] = static_cast<uint8_t>(static_cast<int8_t>(code));
        }
        break;
      case QdqFormat::int4:
        scale = int4_scale(weights + first, block, largest, compute);
        for (int64_t k = first; k < first + block; ++k) put_int4(tensors, layer, k, n, int4_code(weights[k], scale));
        break;
    }
    if (!std::isfinite(scale)) fail(ErrorCode::invalid_argument, "weights: ", largest, " is too large for a scale in ", name_of(compute));
  }
}

void round_weights(const QdqLayer& layer, const TensorRef& matrix, DType compute, Tensors& tensors) {
  const auto k = static_cast<size_t>(layer.in);
  const size_t row_bytes = k * size_of(matrix.dtype);
  try {
    for_each_panel(layer.out, kPanel, [&](int64_t first, int64_t last) {
      std::vector<float> weights(k);
      for (int64_t n = first; n < last; ++n) {
        to_f32(matrix.dtype, matrix.data() + static_cast<size_t>(n) * row_bytes, weights.data(), k);
        round_output(layer, n, weights.data(), compute, tensors);
      }
    });
  } catch (const Error& error) {
    fail(error.code(), matrix.file->path(), ": tensor ", matrix.name, ": ", error.what());
  }
}

/// The numbers of a packed layer: with c the code and o what the layout adds, s * c + o = s * (c - 8) + (o + 8 * s), or, where s is
/// negative, -s * (7 - c) + (o + 7 * s).
void convert_packed(const QdqLayer& layer, const TensorStore& store, DType compute, Tensors& tensors) {
  const AwqLayout layout = layout_of(layer);
  const auto parts = awq_tensors(layout);
  const auto part = [&](size_t i) -> const TensorRef& { return store.get(layer.name + parts[i].suffix, parts[i].shape); };
  const std::vector<uint8_t> codes = unpack_awq_codes(layout, part(0));
  const AwqScales stored = unpack_awq_scales(layout, part(1), part(2));
  const int64_t groups = layout.groups();
  for_each_panel(layer.out, kPanel, [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; ++n) {
      for (int64_t g = 0; g < groups; ++g) {
        const auto from = static_cast<size_t>(n * groups + g);
        const float scale = stored.scales[from];
        const float offset = stored.scaled_zeros.empty() ? -scale * static_cast<float>(stored.zeros[from]) : stored.scaled_zeros[from];
        const auto to = static_cast<size_t>(g * layer.out + n);
        tensors.scales[to] = usable_scale(rounded(std::fabs(scale), compute));
        tensors.corrections[to] = offset + scale * (scale < 0 ? 7.0F : 8.0F);
        for (int64_t k = g * layer.group; k < (g + 1) * layer.group; ++k) {
          const int code = codes[static_cast<size_t>(n * layer.in + k) / 2] >> (k % 2 == 0 ? 0 : 4) & 0xF;
          put_int4(tensors, layer, k, n, scale == 0 ? 0 : scale < 0 ? 7 - code : code - 8);
        }
      }
    }
  });
}

/// A tensor of the file.
struct Part {
  std::string name;
  const char* dtype;
  std::vector<int64_t> shape;
  uint64_t bytes;
};

const char* file_name_of(DType compute) { return compute == DType::f16 ? "F16" : compute == DType::bf16 ? "BF16" : "F32"; }

std::vector<Part> parts_of(const QdqLayer& layer, DType compute) {
  const bool int4 = layer.format == QdqFormat::int4;
  const int64_t columns = int4 ? layer.out / 2 : layer.out, blocks = layer.in / block_of(layer);
  const std::vector<int64_t> scales = int4 ? std::vector<int64_t>{blocks, layer.out} : std::vector<int64_t>{layer.out};
  const uint64_t scale_bytes = static_cast<uint64_t>(blocks * layer.out) * size_of(compute);
  std::vector<Part> parts = {{join(layer.name, ".", name_of(layer.format)), layer.format == QdqFormat::int8 ? "I8" : "U8",
                              {layer.in, columns}, static_cast<uint64_t>(layer.in * columns)},
                             {layer.name + ".scales", file_name_of(compute), scales, scale_bytes}};
  if (is_packed(layer)) parts.push_back({layer.name + ".corrections", file_name_of(compute), scales, scale_bytes});
  return parts;
}

void write_floats(const WriteBytes& write, const std::vector<float>& values, DType dtype) {
  std::vector<uint8_t> bytes(values.size() * size_of(dtype));
  from_f32(dtype, values.data(), bytes.data(), values.size());
  write_aligned(write, bytes.data(), bytes.size());
}

void write_layer(const QdqLayer& layer, const TensorStore& tensors, DType compute, const WriteBytes& write) {
  const std::vector<Part> parts = parts_of(layer, compute);
  Tensors made;
  made.codes.resize(parts[0].bytes);
  made.scales.resize(parts[1].bytes / size_of(compute));
  if (is_packed(layer)) {
    made.corrections.resize(made.scales.size());
    convert_packed(layer, tensors, compute, made);
  } else {
    round_weights(layer, tensors.get(layer.name + ".weight", {layer.out, layer.in}), compute, made);
  }
  write_aligned(write, made.codes.data(), made.codes.size());
  write_floats(write, made.scales, compute);
  if (!made.corrections.empty()) write_floats(write, made.corrections, compute);
}

}  // namespace

const char* name_of(QdqFormat format) {
  switch (format) {
    case QdqFormat::fp8: return "fp8";
    case QdqFormat::int8: return "int8";
    case QdqFormat::int4: return "int4";
  }
  return "?";
}

std::vector<QdqLayer> qdq_layers(const LanguageSpec& spec, std::optional<QdqFormat> format) {
  std::vector<QdqLayer> layers;
  for (int64_t i = 0; i < spec.layers; ++i) {
    for (const LinearLayer& layer : block_linears(spec, i)) {
      if (is_packed(spec, layer.name)) {
        layers.push_back({layer.name, layer.out, layer.in, QdqFormat::int4, spec.packing, spec.packing_group});
      } else if (format) {
        layers.push_back({layer.name, layer.out, layer.in, *format});
      }
    }
  }
  return layers;
}

std::vector<QdqLayer> qdq_layers(const std::vector<LinearUse>& uses, std::optional<QdqFormat> format) {
  std::vector<QdqLayer> layers;
  if (!format || *format == QdqFormat::int4) return layers;
  for (const LinearUse& use : uses) layers.push_back({use.name, use.out, use.in, *format});
  return layers;
}

WeightsPieces qdq_pieces(const std::vector<QdqLayer>& layers, const TensorStore& tensors, DType compute) {
  WeightsHeader header;
  for (const QdqLayer& layer : layers) {
    for (const Part& part : parts_of(layer, compute)) header.add(part.name, part.dtype, part.shape, part.bytes);
  }
  return {layers.size() + 1, [layers, &tensors, compute, first = header.finish()](size_t piece, const WriteBytes& write) {
            if (piece == 0) return write(first.data(), first.size());
            write_layer(layers[piece - 1], tensors, compute, write);
          }};
}

QdqLinear QdqWeights::get(const std::string& layer, int64_t out, int64_t in) const {
  QdqLinear linear;
  linear.out = out, linear.in = in;
  for (const QdqFormat format : {QdqFormat::fp8, QdqFormat::int8, QdqFormat::int4}) {
    if (store_.contains(join(layer, ".", name_of(format)))) linear.format = format;
  }
  const bool int4 = linear.format == QdqFormat::int4;
  linear.codes = &store_.get(join(layer, ".", name_of(linear.format)), {in, int4 ? out / 2 : out});
  if (!int4) {
    linear.scales = &store_.get(layer + ".scales", {out});
    return linear;
  }
  const TensorRef& scales = store_.get(layer + ".scales");
  const int64_t blocks = scales.shape.empty() ? 0 : scales.shape[0];
  if (blocks < 1 || in % blocks != 0) {
    fail(ErrorCode::bad_file, scales.file->path(), ": tensor ", scales.name, " has ", blocks, " rows, expected a divisor of ", in);
  }
  linear.block = in / blocks;
  linear.scales = &store_.get(layer + ".scales", {blocks, out});
  const std::string corrections = layer + ".corrections";
  if (store_.contains(corrections)) linear.corrections = &store_.get(corrections, {blocks, out});
  return linear;
}

}  // namespace vila::graph
