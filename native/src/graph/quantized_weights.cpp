// SPDX-License-Identifier: Apache-2.0
#include "graph/quantized_weights.h"

#include <cmath>

#include "checkpoint/awq.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/paging.h"
#include "graph/row_panels.h"

namespace vila::graph {
namespace {

using kernels::PackedShape;
using kernels::Zero;
using Packing = LanguageSpec::Packing;

std::string tensor_name(const std::string& layer, const PackedShape& shape) { return join(layer, ".int", shape.bits); }

/// Where a layer's rows come from. Any thread.
class Rows {
 public:
  virtual ~Rows() = default;
  /// Room for one row, filled by put(); belongs to one thread.
  struct Room {
    explicit Room(const PackedShape& shape)
        : weights(static_cast<size_t>(shape.k)), q(weights.size()), scales(static_cast<size_t>(shape.groups())) {}
    std::vector<float> weights;
    std::vector<uint8_t> q;
    std::vector<uint16_t> scales;
  };
  /// Packs row `n`.
  virtual void put(const PackedShape& shape, int64_t n, Room& room, uint8_t* packed) const = 0;
  /// Rows [first, last) are not read again.
  virtual void leave(int64_t first, int64_t last) const = 0;
};

/// Float weights, which are rounded.
class FloatRows : public Rows {
 public:
  explicit FloatRows(const TensorRef& matrix) : matrix_(matrix) {}
  void put(const PackedShape& shape, int64_t n, Room& room, uint8_t* packed) const override {
    to_f32(matrix_.dtype, row(n), room.weights.data(), room.weights.size());
    kernels::quantize_row(shape, room.weights.data(), room.q.data(), room.scales.data());
    kernels::pack_row(shape, n, {room.q.data(), room.scales.data()}, packed);
  }
  void leave(int64_t first, int64_t last) const override { drop_pages(row(first), static_cast<size_t>(row(last) - row(first))); }

 private:
  const uint8_t* row(int64_t n) const {
    return matrix_.data() + static_cast<size_t>(n * matrix_.shape[1]) * size_of(matrix_.dtype);
  }

  const TensorRef& matrix_;
};

/// Codes of 4 bits, as they are.
class CodedRows : public Rows {
 public:
  CodedRows(const AwqLayout& layout, const TensorRef& codes, const TensorRef& scales, const TensorRef& zeros)
      : codes_(unpack_awq_codes(layout, codes)) {
    AwqScales stored = unpack_awq_scales(layout, scales, zeros);
    for (const TensorRef* read : {&codes, &scales, &zeros}) drop_pages(read->data(), read->bytes);
    scales_ = halves(stored.scales, "scale");
    offsets_ = halves(stored.scaled_zeros, "scaled zero");
    points_ = std::move(stored.zeros);
  }
  void put(const PackedShape& shape, int64_t n, Room& room, uint8_t* packed) const override {
    const uint8_t* codes = codes_.data() + n * shape.k / 2;
    for (size_t k = 0; k < room.q.size(); k += 2) {
      room.q[k] = static_cast<uint8_t>(codes[k / 2] & 0xF);
      room.q[k + 1] = static_cast<uint8_t>(codes[k / 2] >> 4);
    }
    const int64_t first = n * shape.groups();
    kernels::pack_row(shape, n,
                      {room.q.data(), scales_.data() + first, points_.empty() ? nullptr : points_.data() + first,
                       offsets_.empty() ? nullptr : offsets_.data() + first},
                      packed);
  }
  void leave(int64_t /*first*/, int64_t /*last*/) const override {}

 private:
  static std::vector<uint16_t> halves(const std::vector<float>& values, const char* what) {
    std::vector<uint16_t> halves;
    halves.reserve(values.size());
    for (const float value : values) {
      halves.push_back(to_f16(value));
      if (!std::isfinite(f16_to_f32(halves.back()))) {
        fail(ErrorCode::invalid_argument, what, " ", value, ", expected a number that fp16 holds");
      }
    }
    return halves;
  }

  std::vector<uint8_t> codes_, points_;
  std::vector<uint16_t> scales_, offsets_;
};

void pack(const Rows& rows, const PackedShape& shape, uint8_t* packed) {
  for_each_panel(shape.n, kernels::kLanes, [&](int64_t first, int64_t last) {
    Rows::Room room(shape);
    for (int64_t n = first; n < last; ++n) rows.put(shape, n, room, packed);
    rows.leave(first, last);
  });
  rows.leave(0, shape.n);
}

/// Fills `packed`, which has the layer's size in zeros, from the checkpoint.
void fill(const QuantizedLayer& layer, const TensorStore& tensors, std::vector<uint8_t>& packed) {
  const PackedShape& shape = layer.shape;
  const TensorRef* source = nullptr;  // for messages
  try {
    if (layer.packing == Packing::none) {
      source = &tensors.get(layer.name + ".weight", {shape.n, shape.k});
      return pack(FloatRows(*source), shape, packed.data());
    }
    const AwqLayout layout{layer.packing, shape.group, shape.n, shape.k};
    const auto parts = awq_tensors(layout);
    const auto part = [&](size_t p) { return &tensors.get(layer.name + parts[p].suffix, parts[p].shape); };
    const TensorRef *codes = part(0), *zeros = part(2);
    source = part(1);
    pack(CodedRows(layout, *codes, *source, *zeros), shape, packed.data());
  } catch (const Error& error) {
    if (source == nullptr) throw;
    fail(error.code(), source->file->path(), ": tensor ", source->name, ": ", error.what());
  }
}

WeightsHeader header_of(const std::vector<QuantizedLayer>& layers) {
  WeightsHeader header;
  for (const QuantizedLayer& layer : layers) {
    const uint64_t bytes = layer.shape.bytes();
    header.add(tensor_name(layer.name, layer.shape), "U8", {static_cast<int64_t>(bytes)}, bytes);
  }
  return header;
}

/// Puts a layer's weights into `packed`, which has their size.
using Fill = std::function<void(const QuantizedLayer& layer, std::vector<uint8_t>& packed)>;

WeightsPieces pieces_of(const std::vector<QuantizedLayer>& layers, const Fill& fill) {
  return {layers.size() + 1, [layers, fill](size_t piece, const WriteBytes& write) {
            if (piece == 0) {
              const std::string header = header_of(layers).finish();
              return write(header.data(), header.size());
            }
            const QuantizedLayer& layer = layers[piece - 1];
            std::vector<uint8_t> packed(layer.shape.bytes());
            fill(layer, packed);
            write_aligned(write, packed.data(), packed.size());
          }};
}

}  // namespace

QuantizedLayer rounded_layer(const LinearUse& use, int32_t bits) {
  return {use.name, {use.out, use.in, kernels::kBlock, bits, Zero::middle}, Packing::none};
}

QuantizedLayer packed_layer(const LinearUse& use, Packing packing, int64_t group) {
  return {use.name, {use.out, use.in, group, 4, packing == Packing::llm_awq_v2 ? Zero::offset : Zero::point}, packing};
}

WeightsPieces quantized_pieces(const std::vector<QuantizedLayer>& layers, const TensorStore& tensors) {
  return pieces_of(layers, [&tensors](const QuantizedLayer& layer, std::vector<uint8_t>& packed) { fill(layer, tensors, packed); });
}

WeightsPieces random_pieces(const std::vector<QuantizedLayer>& layers) {
  return pieces_of(layers, [](const QuantizedLayer& layer, std::vector<uint8_t>& packed) {
    kernels::draw_weights(layer.shape, Hasher().text(layer.name).finish().low, packed.data());
  });
}

int64_t quantized_weights_bytes(const std::vector<QuantizedLayer>& layers) {
  WeightsHeader header = header_of(layers);
  const uint64_t text_bytes = header.finish().size();
  return static_cast<int64_t>(text_bytes + header.data_bytes());
}

QuantizedWeights::QuantizedWeights(const std::vector<QuantizedLayer>& layers) {
  for (const QuantizedLayer& layer : layers) shapes_.emplace(layer.name, layer.shape);
}

QuantizedWeights::QuantizedWeights(const std::string& path, const std::vector<QuantizedLayer>& layers) : QuantizedWeights(layers) {
  store_.add_file(path);
}

QuantizedWeights QuantizedWeights::outline(const std::vector<QuantizedLayer>& layers, const TensorStore& tensors) {
  QuantizedWeights weights(layers);
  const TensorRef& place = tensors.all().begin()->second;
  for (const QuantizedLayer& layer : layers) {
    const uint64_t bytes = layer.shape.bytes();
    weights.store_.add_outline(
        {tensor_name(layer.name, layer.shape), DType::u8, {static_cast<int64_t>(bytes)}, place.file, place.offset, bytes});
  }
  return weights;
}

QuantizedLinear QuantizedWeights::get(const std::string& layer, int64_t out, int64_t in) const {
  const auto found = shapes_.find(layer);
  if (found == shapes_.end() || found->second.n != out || found->second.k != in) {
    fail(ErrorCode::internal, "quantised weights: no layer ", layer, " [", out, ",", in, "]");
  }
  const PackedShape& shape = found->second;
  return {shape, &store_.get(tensor_name(layer, shape), {static_cast<int64_t>(shape.bytes())})};
}

}  // namespace vila::graph
