// SPDX-License-Identifier: Apache-2.0
#include "graph/packed_weights.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "checkpoint/awq.h"
#include "common/paging.h"
#include "graph/weights_file.h"

namespace vila::graph {
namespace {

constexpr float kLargestCode = 15;

int64_t zero_bytes(int64_t groups) { return (groups + 1) / 2; }

/// Integer zero points [out, groups], and what they leave over.
struct Zeros {
  std::vector<uint8_t> points;
  std::vector<float> corrections;  ///< empty when all are zero
};

/// With z the integer nearest to -scaled_zero/scale: scale * code + scaled_zero = scale * (code - z) + (scaled_zero + scale * z).
Zeros zeros_of(const AwqScales& stored) {
  if (stored.scaled_zeros.empty()) return {stored.zeros, {}};
  Zeros zeros;
  bool any = false;
  for (size_t i = 0; i < stored.scales.size(); ++i) {
    const float scale = stored.scales[i], scaled_zero = stored.scaled_zeros[i];
    const float wanted = scale == 0.0F ? 0.0F : -scaled_zero / scale;
    const auto point = wanted > 0 ? std::lround(std::min(wanted, kLargestCode)) : 0;  // 0 for what is not a number, too
    zeros.points.push_back(static_cast<uint8_t>(point));
    zeros.corrections.push_back(scaled_zero + scale * static_cast<float>(point));
    any = any || zeros.corrections.back() != 0.0F;
  }
  if (!any) zeros.corrections.clear();
  return zeros;
}

/// Two to a byte; each row begins with a byte.
std::vector<uint8_t> packed_points(const std::vector<uint8_t>& points, int64_t out, int64_t groups) {
  const int64_t row_bytes = zero_bytes(groups);
  std::vector<uint8_t> bytes(static_cast<size_t>(out * row_bytes));
  for (int64_t n = 0; n < out; ++n) {
    for (int64_t g = 0; g < groups; ++g) {
      uint8_t& byte = bytes[static_cast<size_t>(n * row_bytes + g / 2)];
      byte = static_cast<uint8_t>(byte | points[static_cast<size_t>(n * groups + g)] << (4 * (g % 2)));
    }
  }
  return bytes;
}

/// A packed layer and its three stored tensors.
struct Source {
  LinearLayer layer;
  AwqLayout layout;
  const TensorRef *codes, *scales, *zeros;
};

std::vector<Source> sources(const LanguageSpec& spec, const TensorStore& tensors) {
  std::vector<Source> list;
  for (int64_t i = 0; i < spec.layers; ++i) {
    for (const LinearLayer& layer : block_linears(spec, i)) {
      if (!is_packed(spec, layer.name)) continue;
      const AwqLayout layout{spec.packing, spec.packing_group, layer.out, layer.in};
      const auto parts = awq_tensors(layout);
      const auto part = [&](size_t p) { return &tensors.get(layer.name + parts[p].suffix, parts[p].shape); };
      list.push_back({layer, layout, part(0), part(1), part(2)});
    }
  }
  return list;
}

/// A tensor of the file.
struct Part {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  uint64_t bytes() const {
    uint64_t count = size_of(dtype);
    for (const int64_t dim : shape) count *= static_cast<uint64_t>(dim);
    return count;
  }
};

std::vector<Part> parts_of(const Source& source, bool corrections) {
  const int64_t out = source.layout.out, groups = source.layout.groups(), group = source.layout.group;
  const std::string& name = source.layer.name;
  std::vector<Part> parts = {{name + ".codes", DType::u8, {out, groups, group / 2}},
                             {name + ".scales", DType::f32, {out, groups}},
                             {name + ".zero_points", DType::u8, {out, zero_bytes(groups)}}};
  if (corrections) parts.push_back({name + ".corrections", DType::f32, {out, groups}});
  return parts;
}

/// What a piece has read stays in memory no longer than the piece is made.
void leave(const Source& source) {
  for (const TensorRef* tensor : {source.codes, source.scales, source.zeros}) drop_pages(tensor->data(), tensor->bytes);
}

/// Whether the layer's zeros are none of MatMulNBits' integers.
bool has_corrections(const Source& source) {
  const bool any = !zeros_of(unpack_awq_scales(source.layout, *source.scales, *source.zeros)).corrections.empty();
  leave(source);
  return any;
}

/// The same without a look at the weights.
bool may_have_corrections(const Source& source) { return source.layout.packing == LanguageSpec::Packing::llm_awq_v2; }

WeightsHeader header_of(const std::vector<Source>& list, bool (*corrections)(const Source&)) {
  WeightsHeader header;
  for (const Source& source : list) {
    for (const Part& part : parts_of(source, corrections(source))) {
      header.add(part.name, part.dtype == DType::u8 ? "U8" : "F32", part.shape, part.bytes());
    }
  }
  return header;
}

}  // namespace

WeightsPieces packed_pieces(const LanguageSpec& spec, const TensorStore& tensors) {
  const std::vector<Source> list = sources(spec, tensors);
  const std::string header = header_of(list, has_corrections).finish();
  return {list.size() + 1, [list, header](size_t piece, const WriteBytes& write) {
            if (piece == 0) return write(header.data(), header.size());
            const auto write_tensor = [&write](const auto& values) {
              write_aligned(write, values.data(), values.size() * sizeof values[0]);
            };
            const Source& source = list[piece - 1];
            write_tensor(unpack_awq_codes(source.layout, *source.codes));
            const AwqScales scales = unpack_awq_scales(source.layout, *source.scales, *source.zeros);
            const Zeros zeros = zeros_of(scales);
            write_tensor(scales.scales);
            write_tensor(packed_points(zeros.points, source.layout.out, source.layout.groups()));
            if (!zeros.corrections.empty()) write_tensor(zeros.corrections);
            leave(source);
          }};
}

int64_t packed_weights_bytes(const LanguageSpec& spec, const TensorStore& tensors) {
  WeightsHeader header = header_of(sources(spec, tensors), may_have_corrections);
  const uint64_t text_bytes = header.finish().size();
  return static_cast<int64_t>(text_bytes + header.data_bytes());
}

PackedWeights PackedWeights::outline(const LanguageSpec& spec, const TensorStore& tensors) {
  PackedWeights weights(spec.packing_group);
  for (const Source& source : sources(spec, tensors)) {
    for (const Part& part : parts_of(source, may_have_corrections(source))) {
      weights.store_.add_outline({part.name, part.dtype, part.shape, source.codes->file, source.codes->offset, part.bytes()});
    }
  }
  return weights;
}

PackedWeights::PackedWeights(const std::string& path, int64_t block) : block_(block) { store_.add_file(path); }

PackedLinear PackedWeights::get(const std::string& layer, int64_t out, int64_t in) const {
  const int64_t blocks = in / block_;
  PackedLinear linear{out, in, block_, nullptr, nullptr, nullptr, nullptr};
  linear.codes = &store_.get(layer + ".codes", {out, blocks, block_ / 2});
  linear.scales = &store_.get(layer + ".scales", {out, blocks});
  linear.zero_points = &store_.get(layer + ".zero_points", {out, zero_bytes(blocks)});
  const std::string corrections = layer + ".corrections";
  if (store_.contains(corrections)) linear.corrections = &store_.get(corrections, {out, blocks});
  return linear;
}

}  // namespace vila::graph
