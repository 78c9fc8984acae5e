// SPDX-License-Identifier: Apache-2.0
#include "graph/packed_weights.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "checkpoint/awq.h"
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

std::string header_of(const std::vector<Source>& list) {
  WeightsHeader header;
  for (const Source& source : list) {
    const int64_t out = source.layout.out, groups = source.layout.groups(), group = source.layout.group;
    const std::string& name = source.layer.name;
    const auto bytes = [](int64_t count, size_t size) { return static_cast<uint64_t>(count) * size; };
    header.add(name + ".codes", "U8", {out, groups, group / 2}, bytes(out * groups, static_cast<size_t>(group / 2)));
    header.add(name + ".scales", "F32", {out, groups}, bytes(out * groups, sizeof(float)));
    header.add(name + ".zero_points", "U8", {out, zero_bytes(groups)}, bytes(out, static_cast<size_t>(zero_bytes(groups))));
    if (!zeros_of(unpack_awq_scales(source.layout, *source.scales, *source.zeros)).corrections.empty()) {
      header.add(name + ".corrections", "F32", {out, groups}, bytes(out * groups, sizeof(float)));
    }
  }
  return header.finish();
}

}  // namespace

void write_packed_weights(const LanguageSpec& spec, const TensorStore& tensors,
                          const WriteBytes& write, const std::function<void(double)>& progress) {
  const std::vector<Source> list = sources(spec, tensors);
  const std::string header = header_of(list);
  write(header.data(), header.size());
  const auto write_tensor = [&write](const auto& values) { write_aligned(write, values.data(), values.size() * sizeof values[0]); };
  double done = 0;
  for (const Source& source : list) {
    write_tensor(unpack_awq_codes(source.layout, *source.codes));
    const AwqScales scales = unpack_awq_scales(source.layout, *source.scales, *source.zeros);
    const Zeros zeros = zeros_of(scales);
    write_tensor(scales.scales);
    write_tensor(packed_points(zeros.points, source.layout.out, source.layout.groups()));
    if (!zeros.corrections.empty()) write_tensor(zeros.corrections);
    if (progress) progress(++done / static_cast<double>(list.size()));
  }
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
