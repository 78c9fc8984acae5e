// SPDX-License-Identifier: Apache-2.0
#include "kernels/packed_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "common/dtype.h"
#include "common/error.h"
#include "common/random.h"

namespace vila::kernels {
namespace {

/// Where the group's scale of a row lies; its zero and its values lie behind.
size_t group_at(const PackedShape& shape, int64_t n, int64_t group) {
  return static_cast<size_t>(n / kLanes) * shape.panel_bytes() + static_cast<size_t>(group) * shape.group_bytes();
}

/// Where input `i` of a block lies for a row's lane: a byte and, for 4 bits, a shift.
struct Place {
  size_t byte;
  int shift;
};
Place place(const PackedShape& shape, int64_t lane, int64_t i) {
  if (shape.bits == 8) return {static_cast<size_t>(i / 4 * 64 + 4 * lane + i % 4), 0};
  return {static_cast<size_t>(i / 8 * 64 + 4 * lane + i % 4), i % 8 < 4 ? 0 : 4};
}

/// Calls visit(block's first byte, lane's place, input) for each input of a row's group that exists.
template <typename Visit>
void each_input(const PackedShape& shape, int64_t n, int64_t group, const Visit& visit) {
  const size_t values = group_at(shape, n, group) + shape.header_bytes();
  const int64_t first = group * shape.group, last = std::min(first + shape.group, shape.k);
  for (int64_t k = first; k < last; ++k) {
    const Place at = place(shape, n % kLanes, (k - first) % kBlock);
    visit(values + static_cast<size_t>((k - first) / kBlock) * shape.block_bytes() + at.byte, at.shift, k);
  }
}

uint16_t half_at(const uint8_t* data) {
  uint16_t value;
  std::memcpy(&value, data, sizeof value);
  return value;
}

}  // namespace

void pack_row(const PackedShape& shape, int64_t n, const QuantizedRow& row, uint8_t* data) {
  const auto lane = static_cast<size_t>(n % kLanes);
  for (int64_t group = 0; group < shape.groups(); ++group) {
    uint8_t* header = data + group_at(shape, n, group);
    std::memcpy(header + 2 * lane, row.scales + group, sizeof(uint16_t));
    if (shape.zero == Zero::point) header[2 * kLanes + lane] = row.points[group];
    if (shape.zero == Zero::offset) std::memcpy(header + 2 * kLanes + 2 * lane, row.offsets + group, sizeof(uint16_t));
    each_input(shape, n, group,
               [&](size_t byte, int shift, int64_t k) { data[byte] = static_cast<uint8_t>(data[byte] | row.q[k] << shift); });
  }
}

void unpack_row(const PackedMatrix& matrix, int64_t n, float* weights) {
  const PackedShape& shape = matrix.shape;
  const auto lane = static_cast<size_t>(n % kLanes);
  for (int64_t group = 0; group < shape.groups(); ++group) {
    const uint8_t* header = matrix.data + group_at(shape, n, group);
    const float scale = f16_to_f32(half_at(header + 2 * lane));
    float point = shape.bits == 4 ? 8.0F : 128.0F, offset = 0;
    if (shape.zero == Zero::point) point = header[2 * kLanes + lane];
    if (shape.zero == Zero::offset) offset = f16_to_f32(half_at(header + 2 * kLanes + 2 * lane)), point = 0;
    each_input(shape, n, group, [&](size_t byte, int shift, int64_t k) {
      const int q = matrix.data[byte] >> shift & (shape.bits == 4 ? 0xF : 0xFF);
      weights[k] = scale * (static_cast<float>(q) - point) + offset;
    });
  }
}

void quantize_row(const PackedShape& shape, const float* weights, uint8_t* q, uint16_t* scales) {
  const int middle = 1 << (shape.bits - 1);
  const auto stored = [middle](float weight, float scale) {
    const float steps = scale == 0 ? 0 : std::nearbyint(weight / scale);
    return std::clamp(static_cast<int>(steps), -middle, middle - 1);
  };
  for (int64_t group = 0; group < shape.groups(); ++group) {
    const int64_t first = group * shape.group, last = std::min(first + shape.group, shape.k);
    float extreme = 0;  // The weight of largest magnitude, with its sign: it is stored as -middle.
    for (int64_t k = first; k < last; ++k) {
      if (!std::isfinite(weights[k]))
        fail(ErrorCode::invalid_argument, "weights: ", weights[k], " at input ", k, ", expected a finite number");
      if (std::abs(weights[k]) > std::abs(extreme)) extreme = weights[k];
    }
    float best_scale = 0;
    double best_error = -1;
    const int candidates = shape.bits == 4 ? 12 : 0;
    for (int step = -candidates; step <= candidates; ++step) {
      const float wanted = extreme / (-static_cast<float>(middle) + 0.1F * static_cast<float>(step));
      const float scale = f16_to_f32(to_f16(wanted));
      if (!std::isfinite(scale)) fail(ErrorCode::invalid_argument, "weights: ", extreme, " is too large for an fp16 scale");
      double error = 0;
      for (int64_t k = first; k < last; ++k) {
        const double difference = weights[k] - static_cast<double>(scale) * stored(weights[k], scale);
        error += difference * difference;
      }
      if (best_error < 0 || error < best_error) best_error = error, best_scale = scale;
    }
    scales[group] = to_f16(best_scale);
    for (int64_t k = first; k < last; ++k) q[k] = static_cast<uint8_t>(stored(weights[k], best_scale) + middle);
  }
}

void draw_weights(const PackedShape& shape, uint64_t seed, uint8_t* data) {
  // The mean square of values whole numbers around -1/2 is (values^2 + 2) / 12.
  const double values = 1 << shape.bits;
  const uint16_t scale = to_f16(static_cast<float>(std::sqrt(12 / ((values * values + 2) * static_cast<double>(shape.k)))));
  Random random(seed);
  for (int64_t panel = 0; panel < shape.panels(); ++panel) {
    for (int64_t group = 0; group < shape.groups(); ++group, data += shape.group_bytes()) {
      // Signs at random take that half out of a row's sum.
      const uint64_t signs = random.next();
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        const auto sign = static_cast<uint16_t>((signs >> lane & 1) << 15);
        const uint16_t signed_scale = panel * kLanes + lane < shape.n ? static_cast<uint16_t>(scale | sign) : uint16_t{0};
        std::memcpy(data + 2 * lane, &signed_scale, sizeof signed_scale);
      }
      for (size_t at = shape.header_bytes(); at < shape.group_bytes(); at += sizeof(uint64_t)) {
        const uint64_t bits = random.next();
        std::memcpy(data + at, &bits, sizeof bits);
      }
    }
  }
}

}  // namespace vila::kernels
