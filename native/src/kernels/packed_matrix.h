// SPDX-License-Identifier: Apache-2.0
// A matrix of 4- or 8-bit weights in the order in which the kernels read it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vila::kernels {

inline constexpr int64_t kLanes = 16;  ///< rows (outputs) of one panel
inline constexpr int64_t kBlock = 32;  ///< inputs that share one scale of the activations

/// How a stored value q becomes a weight, s being its group's scale.
enum class Zero : uint8_t {
  middle,  ///< s * (q - 8) for 4 bits, s * (q - 128) for 8
  point,   ///< s * (q - z), z an 8-bit number per group
  offset,  ///< s * q + o, o an fp16 number per group (llm-awq's scaled zeros)
};

/// What a packed matrix is. A weight matrix is [n, k] (outputs, inputs), quantised in groups of `group` neighbouring inputs.
///
/// Layout: panels of 16 rows, the last one filled up with zero weights; a panel holds, for each group of inputs in turn, 16 fp16
/// scales, then 16 zero points (u8) or offsets (fp16) if there are any, then its blocks of 32 inputs. A 4-bit block has 4 runs of
/// 64 bytes: byte 4*row + i of run j holds input 8j + i in its low and input 8j + 4 + i in its high half. An 8-bit block has 8
/// runs: byte 4*row + i of run j holds input 4j + i. Inputs beyond k, up to the end of the last group, have weight zero as far as
/// their activations are zero, which Product::quantize sees to.
struct PackedShape {
  int64_t n = 0, k = 0;
  int64_t group = 32;  ///< a multiple of 32
  int32_t bits = 4;    ///< 4 or 8
  Zero zero = Zero::middle;

  int64_t panels() const { return (n + kLanes - 1) / kLanes; }
  int64_t groups() const { return (k + group - 1) / group; }
  int64_t padded_k() const { return groups() * group; }
  int64_t blocks_per_group() const { return group / kBlock; }
  size_t zero_bytes() const { return zero == Zero::middle ? 0 : static_cast<size_t>(zero == Zero::point ? kLanes : 2 * kLanes); }
  size_t header_bytes() const { return static_cast<size_t>(2 * kLanes) + zero_bytes(); }
  size_t block_bytes() const { return static_cast<size_t>(kLanes * kBlock * bits / 8); }
  size_t group_bytes() const { return header_bytes() + static_cast<size_t>(blocks_per_group()) * block_bytes(); }
  size_t panel_bytes() const { return static_cast<size_t>(groups()) * group_bytes(); }
  /// Bytes of the whole matrix. The data must begin at a multiple of 64 for full speed; any address works.
  size_t bytes() const { return static_cast<size_t>(panels()) * panel_bytes(); }
};

/// A packed matrix somewhere in memory; not owned.
struct PackedMatrix {
  PackedShape shape;
  const uint8_t* data = nullptr;
};

/// One row of quantised weights as it comes from a quantiser or a checkpoint.
struct QuantizedRow {
  const uint8_t* q = nullptr;         ///< k values, one a byte, below 2^bits
  const uint16_t* scales = nullptr;   ///< one fp16 number per group
  const uint8_t* points = nullptr;    ///< Zero::point: one per group
  const uint16_t* offsets = nullptr;  ///< Zero::offset: one fp16 number per group
};

/// Writes row `n` into `data` (PackedMatrix::bytes(), zeroed before the first row). Rows of different panels may be written at
/// once.
void pack_row(const PackedShape& shape, int64_t n, const QuantizedRow& row, uint8_t* data);

/// Row `n` as k floats, by the formulas of Zero.
void unpack_row(const PackedMatrix& matrix, int64_t n, float* weights);

/// Quantises k weights to `shape`'s bits with Zero::middle: per group, the scale that gives the smallest squared error of a few
/// candidates around largest magnitude / 2^(bits-1). q: k bytes; scales: groups() fp16 numbers. Infinite or NaN weights throw
/// invalid_argument.
void quantize_row(const PackedShape& shape, const float* weights, uint8_t* q, uint16_t* scales);

/// Fills a whole matrix of Zero::middle with weights around 0 whose standard deviation is 1/sqrt(k): stored values are uniform, the
/// scales equal but for their signs. The same seed gives the same bytes.
void draw_weights(const PackedShape& shape, uint64_t seed, uint8_t* data);

}  // namespace vila::kernels
