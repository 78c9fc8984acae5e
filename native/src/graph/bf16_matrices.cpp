// SPDX-License-Identifier: Apache-2.0
#include "graph/bf16_matrices.h"

#include <bit>
#include <cmath>
#include <functional>

#include "common/error.h"
#include "common/hash.h"
#include "common/paging.h"
#include "common/random.h"
#include "common/rounding.h"
#include "graph/row_panels.h"

namespace vila::graph {
namespace {

constexpr int64_t kPanel = 16;  // rows that are rounded at once

std::string tensor_name(const LinearUse& layer) { return layer.name + ".weight"; }
size_t elements(const LinearUse& layer) { return static_cast<size_t>(layer.out * layer.in); }

WeightsHeader header_of(const std::vector<LinearUse>& layers) {
  WeightsHeader header;
  for (const LinearUse& layer : layers) {
    header.add(tensor_name(layer), "BF16", {layer.out, layer.in}, elements(layer) * sizeof(uint16_t));
  }
  return header;
}

/// Puts a layer's numbers into `values`, which has their count.
using Fill = std::function<void(const LinearUse& layer, std::vector<uint16_t>& values)>;

WeightsPieces pieces_of(const std::vector<LinearUse>& layers, const Fill& fill) {
  return {layers.size() + 1, [layers, fill](size_t piece, const WriteBytes& write) {
            if (piece == 0) {
              const std::string header = header_of(layers).finish();
              return write(header.data(), header.size());
            }
            const LinearUse& layer = layers[piece - 1];
            std::vector<uint16_t> values(elements(layer));
            fill(layer, values);
            write_aligned(write, values.data(), values.size() * sizeof(uint16_t));
          }};
}

void round(const TensorRef& tensor, const LinearUse& layer, std::vector<uint16_t>& values) {
  if (tensor.dtype != DType::f32 && tensor.dtype != DType::f16 && tensor.dtype != DType::bf16) {
    fail(ErrorCode::unsupported, tensor.file->path(), ": tensor ", tensor.name, " is ", name_of(tensor.dtype),
         ", expected fp32, fp16 or bf16");
  }
  const auto width = static_cast<size_t>(layer.in), row_bytes = width * size_of(tensor.dtype);
  for_each_panel(layer.out, kPanel, [&](int64_t first, int64_t last) {
    std::vector<float> row(width);
    for (auto n = static_cast<size_t>(first); n < static_cast<size_t>(last); ++n) {
      to_f32(tensor.dtype, tensor.data() + n * row_bytes, row.data(), width);
      from_f32(DType::bf16, row.data(), values.data() + n * width, width);
    }
    drop_pages(tensor.data() + static_cast<size_t>(first) * row_bytes, static_cast<size_t>(last - first) * row_bytes);
  });
  drop_pages(tensor.data(), tensor.bytes);
}

void draw(const LinearUse& layer, std::vector<uint16_t>& values) {
  Random random(Hasher().text(layer.name).finish().low);
  const float width = std::sqrt(12.0F / static_cast<float>(layer.in));  // of a uniform distribution
  for (uint16_t& value : values) {
    const float unit = static_cast<float>(random.next() >> 40) / static_cast<float>(1 << 24) - 0.5F;
    value = static_cast<uint16_t>(std::bit_cast<uint32_t>(width * unit) >> 16);  // rounded towards zero
  }
}

}  // namespace

WeightsPieces rounded_matrices(const std::vector<LinearUse>& layers, const TensorStore& tensors) {
  return pieces_of(layers, [&tensors](const LinearUse& layer, std::vector<uint16_t>& values) {
    round(tensors.get(tensor_name(layer), {layer.out, layer.in}), layer, values);
  });
}

WeightsPieces random_matrices(const std::vector<LinearUse>& layers) { return pieces_of(layers, draw); }

int64_t matrices_bytes(const std::vector<LinearUse>& layers) {
  WeightsHeader header = header_of(layers);
  const uint64_t text_bytes = header.finish().size();
  return static_cast<int64_t>(text_bytes + header.data_bytes());
}

TensorStore outline_matrices(const std::vector<LinearUse>& layers, const TensorStore& tensors) {
  TensorStore store;
  const TensorRef& place = tensors.all().begin()->second;
  for (const LinearUse& layer : layers) {
    store.add_outline({tensor_name(layer), DType::bf16, {layer.out, layer.in}, place.file, place.offset,
                       elements(layer) * sizeof(uint16_t)});
  }
  return store;
}

}  // namespace vila::graph
