// SPDX-License-Identifier: Apache-2.0
// Plain C++ for any processor; the compiler makes vectors of its inner loops.
#include <cstring>

#include "common/dtype.h"
#include "kernels/product_kernels.h"
#include "kernels/quantize_activations.h"

namespace vila::kernels {
namespace {

/// A group's numbers for the 16 rows of a panel: weight = scale * q + offset.
struct GroupHeader {
  float scale[kLanes], offset[kLanes];
};

GroupHeader read_header(const PackedShape& shape, const uint8_t* at) {
  GroupHeader header;
  uint16_t half;
  const float middle = shape.bits == 4 ? 8.0F : 128.0F;
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    std::memcpy(&half, at + 2 * lane, sizeof half);
    header.scale[lane] = f16_to_f32(half);
    if (shape.zero == Zero::offset) {
      std::memcpy(&half, at + 2 * kLanes + 2 * lane, sizeof half);
      header.offset[lane] = f16_to_f32(half);
    } else {
      header.offset[lane] = -header.scale[lane] * (shape.zero == Zero::point ? static_cast<float>(at[2 * kLanes + lane]) : middle);
    }
  }
  return header;
}

/// dot[lane] = sum over a block of q * activation.
void dot_block(int32_t bits, const uint8_t* block, const int8_t* x, int32_t* dot) {
  for (int64_t lane = 0; lane < kLanes; ++lane) dot[lane] = 0;
  const int64_t runs = bits == 4 ? 4 : 8;
  for (int64_t run = 0; run < runs; ++run) {
    const uint8_t* bytes = block + 64 * run;
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      int32_t sum = 0;
      for (int64_t i = 0; i < 4; ++i) {
        const int32_t byte = bytes[4 * lane + i];
        sum += bits == 4 ? (byte & 0xF) * x[8 * run + i] + (byte >> 4) * x[8 * run + 4 + i] : byte * x[4 * run + i];
      }
      dot[lane] += sum;
    }
  }
}

void multiply(const PackedMatrix& matrix, const QuantizedRows& rows, int64_t begin, int64_t end, float* y, int64_t stride,
              uint8_t*) {
  const PackedShape& shape = matrix.shape;
  for (int64_t panel = begin; panel < end; ++panel) {
    const int64_t outputs = std::min(kLanes, shape.n - panel * kLanes);
    for (int64_t row = 0; row < rows.rows; ++row) {
      float sum[kLanes] = {};
      const uint8_t* at = matrix.data + static_cast<size_t>(panel) * shape.panel_bytes();
      int64_t block = 0;
      for (int64_t group = 0; group < shape.groups(); ++group) {
        const GroupHeader header = read_header(shape, at);
        at += shape.header_bytes();
        for (int64_t i = 0; i < shape.blocks_per_group(); ++i, ++block, at += shape.block_bytes()) {
          int32_t dot[kLanes];
          dot_block(shape.bits, at, rows.q + row * rows.k + block * kBlock, dot);
          const float scale = rows.scales[row * rows.blocks() + block];
          const float total = scale * static_cast<float>(rows.sums[row * rows.blocks() + block]);
          for (int64_t lane = 0; lane < kLanes; ++lane) {
            sum[lane] += header.scale[lane] * scale * static_cast<float>(dot[lane]) + header.offset[lane] * total;
          }
        }
      }
      std::memcpy(y + row * stride + panel * kLanes, sum, static_cast<size_t>(outputs) * sizeof(float));
    }
  }
}

size_t scratch_bytes(const PackedShape&) { return 0; }

/// Sums of products of 16 bits, for which most processors have an instruction.
int64_t at_best(int64_t rounds) {
  constexpr int kNumbers = 1024;
  alignas(64) int16_t weights[kNumbers], x[kNumbers];
  for (int i = 0; i < kNumbers; ++i) weights[i] = static_cast<int16_t>(i % 16), x[i] = static_cast<int16_t>(i % 7 - 3);
  const int16_t* volatile place = weights;  // read anew for each round, or one would do
  volatile int32_t result = 0;
  for (int64_t round = 0; round < rounds; ++round) {
    const int16_t* w = place;
    int32_t sum = 0;
    for (int i = 0; i < kNumbers; ++i) sum += w[i] * x[i];
    result = sum;
  }
  static_cast<void>(result);
  return rounds * kNumbers;
}

}  // namespace

Product portable_product() { return {"portable", quantize_activations_inline, multiply, scratch_bytes, at_best}; }

}  // namespace vila::kernels
