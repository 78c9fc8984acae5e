// SPDX-License-Identifier: Apache-2.0
#include "kernels/packed_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

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

/// The values of 4 or 8 bits as floats, in loops that a compiler can turn into vectors for any processor.
struct Steps {
  explicit Steps(int32_t bits) : middle(bits == 4 ? 8.0F : 128.0F) {}
  /// What a weight is multiplied with; a scale of zero makes all of them zero.
  static float inverse(float scale) { return scale == 0 ? 0 : 1 / scale; }
  /// The whole number -middle to middle - 1 that is nearest, ties to even.
  float nearest(float weight, float inverse) const {
    constexpr float kWhole = 12582912;  // 1.5 * 2^23: floats of this size are whole numbers
    const float rounded = (weight * inverse + kWhole) - kWhole;
    return std::min(std::max(rounded, -middle), middle - 1);
  }
  /// Of a group, whose size is a multiple of 32.
  float squared_error(const std::vector<float>& weights, float scale) const {
    constexpr size_t kSums = 8;
    float sums[kSums] = {};
    const float by = inverse(scale);
    for (size_t i = 0; i < weights.size(); i += kSums) {
      for (size_t lane = 0; lane < kSums; ++lane) {
        const float difference = weights[i + lane] - scale * nearest(weights[i + lane], by);
        sums[lane] += difference * difference;
      }
    }
    float total = 0;
    for (const float sum : sums) total += sum;
    return total;
  }
  float middle;
};

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
  const Steps steps(shape.bits);
  std::vector<float> values(static_cast<size_t>(shape.group));  // of a group; zeros beyond k
  for (int64_t group = 0; group < shape.groups(); ++group) {
    const int64_t first = group * shape.group, count = std::min(shape.group, shape.k - first);
    float extreme = 0;  // The weight of largest magnitude, with its sign: it is stored as -middle.
    for (int64_t i = 0; i < count; ++i) {
      const float weight = weights[first + i];
      if (!std::isfinite(weight))
        fail(ErrorCode::invalid_argument, "weights: ", weight, " at input ", first + i, ", expected a finite number");
      if (std::abs(weight) > std::abs(extreme)) extreme = weight;
    }
    std::copy_n(weights + first, count, values.begin());
    std::fill(values.begin() + count, values.end(), 0.0F);
    float best_scale = 0, best_error = -1;
    const int candidates = shape.bits == 4 && extreme != 0 ? 12 : 0;
    for (int candidate = 0; candidate <= 2 * candidates; ++candidate) {  // 0, 1, -1, 2, -2, ...: the plain scale first
      const int step = (candidate + 1) / 2 * (candidate % 2 == 0 ? -1 : 1);
      const float wanted = extreme / (-steps.middle + 0.1F * static_cast<float>(step));
      const float scale = f16_to_f32(to_f16(wanted));
      if (!std::isfinite(scale)) fail(ErrorCode::invalid_argument, "weights: ", extreme, " is too large for an fp16 scale");
      const float error = candidates == 0 ? 0 : steps.squared_error(values, scale);
      if (best_error < 0 || error < best_error) best_error = error, best_scale = scale;
    }
    scales[group] = to_f16(best_scale);
    const float inverse = Steps::inverse(best_scale);
    for (int64_t i = first; i < first + count; ++i)
      q[i] = static_cast<uint8_t>(static_cast<int>(steps.nearest(weights[i], inverse) + steps.middle));
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
