// SPDX-License-Identifier: Apache-2.0
// AVX-512 with VNNI: a panel's 16 rows are the lanes of one register, and one instruction adds the products of 4 inputs to each.
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "kernels/product_kernels.h"
#include "kernels/quantize_activations.h"
#include "kernels/registers_inline.h"

namespace vila::kernels {
namespace {

constexpr int64_t kTileRows = 6;    ///< rows of activations per tile of the two-panel kernel: 6 * 2 * 2 sums in registers
constexpr int64_t kDirectAhead = 4096;  ///< bytes of weights that memory is asked for ahead of those that are read
constexpr int64_t kDirectRows = 4;  ///< up to so many rows (a decode step of few requests) weights are not unpacked first

/// How many rows the next tile takes of `left`. Never a short last tile: 7 rows are 4 and 3.
int64_t tile_rows(int64_t left) {
  const int64_t tiles = (left + kTileRows - 1) / kTileRows;
  return (left + tiles - 1) / tiles;
}

/// A group's numbers: weight = scale * q + offset; for Zero::middle the offset is in the whole-number sums instead.
struct Header {
  __m512 scale, offset;
};

template <Zero zero>
Header read_header(const uint8_t* at) {
  Header header;
  header.scale = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
  header.offset = _mm512_setzero_ps();
  if constexpr (zero == Zero::point) {
    const __m128i points = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + 2 * kLanes));
    header.offset = _mm512_fnmadd_ps(header.scale, _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(points)), header.offset);
  } else if constexpr (zero == Zero::offset) {
    header.offset = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 2 * kLanes)));
  }
  return header;
}

/// 4 activations, the same for each lane.
__m512i broadcast4(const int8_t* x) {
  int32_t four;
  std::memcpy(&four, x, sizeof four);
  return _mm512_set1_epi32(four);
}

template <Zero zero>
__m512i initial_dot(int32_t middle, int32_t sum) {
  if constexpr (zero == Zero::middle) return _mm512_set1_epi32(-middle * sum);
  return _mm512_setzero_si512();
}

void store(float* y, __m512 sums, int64_t outputs) {
  if (outputs >= kLanes) {
    _mm512_storeu_ps(y, sums);
  } else {
    _mm512_mask_storeu_ps(y, static_cast<__mmask16>((1U << outputs) - 1U), sums);
  }
}

/// One panel times R rows, weights as packed.
template <int R, int bits, Zero zero>
void panel_direct(const PackedShape& shape, const uint8_t* at, const QuantizedRows& rows, float* y, int64_t stride,
                  int64_t outputs) {
  const int64_t blocks = rows.blocks(), in_group = shape.blocks_per_group();
  const int8_t* x = rows.q;
  const float* scales = rows.scales;
  const int32_t* totals = rows.sums;
  const __m512i low = _mm512_set1_epi8(0x0F);
  __m512 sums[R];
  for (int r = 0; r < R; ++r) sums[r] = _mm512_setzero_ps();
  int64_t block = 0;
  for (int64_t group = 0; group < shape.groups(); ++group) {
    const Header header = read_header<zero>(at);
    at += shape.header_bytes();
    for (int64_t i = 0; i < in_group; ++i, ++block) {
      for (int line = 0; line <= bits; ++line)  // a header's share included
        _mm_prefetch(reinterpret_cast<const char*>(at + 64 * line + kDirectAhead), _MM_HINT_T0);
      __m512i dots[R];
      for (int r = 0; r < R; ++r) dots[r] = initial_dot<zero>(bits == 4 ? 8 : 128, totals[r * blocks + block]);
      for (int run = 0; run < bits; ++run) {
        const __m512i bytes = _mm512_loadu_si512(at + 64 * run);
        if constexpr (bits == 4) {
          const __m512i first = _mm512_and_si512(bytes, low), second = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), low);
          for (int r = 0; r < R; ++r) {
            const int8_t* values = x + r * rows.k + block * kBlock + 8 * run;
            dots[r] = _mm512_dpbusd_epi32(dots[r], first, broadcast4(values));
            dots[r] = _mm512_dpbusd_epi32(dots[r], second, broadcast4(values + 4));
          }
        } else {
          for (int r = 0; r < R; ++r)
            dots[r] = _mm512_dpbusd_epi32(dots[r], bytes, broadcast4(x + r * rows.k + block * kBlock + 4 * run));
        }
      }
      at += shape.block_bytes();
      for (int r = 0; r < R; ++r) {
        const float scale = scales[r * blocks + block];
        sums[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[r]), _mm512_mul_ps(header.scale, _mm512_set1_ps(scale)), sums[r]);
        if constexpr (zero != Zero::middle) {
          const float total = scale * static_cast<float>(totals[r * blocks + block]);
          sums[r] = _mm512_fmadd_ps(header.offset, _mm512_set1_ps(total), sums[r]);
        }
      }
    }
  }
  for (int r = 0; r < R; ++r) store(y + r * stride, sums[r], outputs);
}

/// Two panels unpacked to one byte a weight: per block 16 runs of 64 bytes, the panels' runs in turn; headers as floats.
struct Unpacked {
  explicit Unpacked(const PackedShape& shape, uint8_t* scratch)
      : weights(scratch),
        scales(reinterpret_cast<float*>(scratch + weight_bytes(shape))),
        offsets(scales + shape.groups() * 2 * kLanes) {}
  static size_t weight_bytes(const PackedShape& shape) { return static_cast<size_t>(shape.padded_k() * 2 * kLanes); }
  static size_t bytes(const PackedShape& shape) {
    return weight_bytes(shape) + static_cast<size_t>(shape.groups() * 2 * 2 * kLanes) * sizeof(float);
  }
  uint8_t* weights;
  float *scales, *offsets;  ///< [groups, 2 panels, 16]
};

template <int bits, Zero zero>
void unpack_panel(const PackedShape& shape, const uint8_t* at, int64_t which, const Unpacked& to) {
  const __m512i low = _mm512_set1_epi8(0x0F);
  uint8_t* out = to.weights + 64 * which;
  for (int64_t group = 0; group < shape.groups(); ++group) {
    const Header header = read_header<zero>(at);
    _mm512_store_ps(to.scales + (2 * group + which) * kLanes, header.scale);
    _mm512_store_ps(to.offsets + (2 * group + which) * kLanes, header.offset);
    at += shape.header_bytes();
    for (int64_t i = 0; i < shape.blocks_per_group(); ++i) {
      for (int run = 0; run < bits; ++run, at += 64) {
        const __m512i bytes = _mm512_loadu_si512(at);
        if constexpr (bits == 4) {
          _mm512_store_si512(out, _mm512_and_si512(bytes, low));
          _mm512_store_si512(out + 128, _mm512_and_si512(_mm512_srli_epi16(bytes, 4), low));
          out += 256;
        } else {
          _mm512_store_si512(out, bytes);
          out += 128;
        }
      }
    }
  }
}

/// Packed weights that are unpacked next. They are asked for from memory while the tiles before them compute, which need no memory:
/// else, with few rows, the processor would wait for memory about as long as it computes.
struct Ahead {
  static constexpr int64_t kLine = 64;
  void fetch() {
    for (int64_t i = 0; i < lines && at < end; ++i, at += kLine) _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T1);
  }
  const uint8_t *at, *end;
  int64_t lines;  ///< at a time
};

/// Two unpacked panels times R rows.
template <int R, int bits, Zero zero>
void tile(const PackedShape& shape, const Unpacked& from, Ahead& ahead, const QuantizedRows& rows, int64_t row, float* y,
          int64_t stride, int64_t outputs) {
  const int64_t blocks = rows.blocks(), in_group = shape.blocks_per_group();
  const int8_t* x = rows.q + row * rows.k;
  const float* scales = rows.scales + row * blocks;
  const int32_t* totals = rows.sums + row * blocks;
  const uint8_t* weights = from.weights;
  __m512 sums[R][2];
  for (int r = 0; r < R; ++r) sums[r][0] = sums[r][1] = _mm512_setzero_ps();
  int64_t block = 0;
  for (int64_t group = 0; group < shape.groups(); ++group) {
    const float *scale0 = from.scales + 2 * group * kLanes, *offset0 = from.offsets + 2 * group * kLanes;
    for (int64_t i = 0; i < in_group; ++i, ++block) {
      ahead.fetch();
      __m512i dots[R][2];
      for (int r = 0; r < R; ++r) dots[r][0] = dots[r][1] = initial_dot<zero>(bits == 4 ? 8 : 128, totals[r * blocks + block]);
      for (int run = 0; run < 8; ++run, weights += 128) {
        const __m512i first = _mm512_load_si512(weights), second = _mm512_load_si512(weights + 64);
        for (int r = 0; r < R; ++r) {
          const __m512i values = broadcast4(x + r * rows.k + block * kBlock + 4 * run);
          dots[r][0] = _mm512_dpbusd_epi32(dots[r][0], first, values);
          dots[r][1] = _mm512_dpbusd_epi32(dots[r][1], second, values);
        }
      }
      const __m512 first = _mm512_load_ps(scale0), second = _mm512_load_ps(scale0 + kLanes);
      for (int r = 0; r < R; ++r) {
        const __m512 scale = _mm512_set1_ps(scales[r * blocks + block]);
        sums[r][0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[r][0]), _mm512_mul_ps(first, scale), sums[r][0]);
        sums[r][1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[r][1]), _mm512_mul_ps(second, scale), sums[r][1]);
        if constexpr (zero != Zero::middle) {
          const __m512 total = _mm512_set1_ps(scales[r * blocks + block] * static_cast<float>(totals[r * blocks + block]));
          sums[r][0] = _mm512_fmadd_ps(_mm512_load_ps(offset0), total, sums[r][0]);
          sums[r][1] = _mm512_fmadd_ps(_mm512_load_ps(offset0 + kLanes), total, sums[r][1]);
        }
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    store(y + r * stride, sums[r][0], outputs);
    if (outputs > kLanes) store(y + r * stride + kLanes, sums[r][1], outputs - kLanes);
  }
}

/// Kernels for 1 to the size of the list rows.
template <int bits, Zero zero>
struct Kernels {
  using Direct = decltype(&panel_direct<1, bits, zero>);
  using Tile = decltype(&tile<1, bits, zero>);
  template <size_t... i>
  static constexpr std::array<Direct, sizeof...(i)> direct(std::index_sequence<i...>) {
    return {panel_direct<static_cast<int>(i) + 1, bits, zero>...};
  }
  template <size_t... i>
  static constexpr std::array<Tile, sizeof...(i)> tiles(std::index_sequence<i...>) {
    return {tile<static_cast<int>(i) + 1, bits, zero>...};
  }

  static void multiply(const PackedMatrix& matrix, const QuantizedRows& rows, int64_t begin, int64_t end, float* y, int64_t stride,
                       uint8_t* scratch) {
    static constexpr auto kDirect = direct(std::make_index_sequence<kDirectRows>());
    static constexpr auto kTiles = tiles(std::make_index_sequence<kTileRows>());
    const PackedShape& shape = matrix.shape;
    const auto panel_data = [&](int64_t panel) { return matrix.data + static_cast<size_t>(panel) * shape.panel_bytes(); };
    if (rows.rows <= kDirectRows) {
      const auto multiply_panel = kDirect[static_cast<size_t>(rows.rows - 1)];
      for (int64_t panel = begin; panel < end; ++panel) {
        multiply_panel(shape, panel_data(panel), rows, y + panel * kLanes, stride, shape.n - panel * kLanes);
      }
      return;
    }
    const Unpacked unpacked(shape, scratch);
    const int64_t fetches = (rows.rows + kTileRows - 1) / kTileRows * rows.blocks();  // of all tiles of two panels
    const int64_t lines = 2 * static_cast<int64_t>(shape.panel_bytes()) / Ahead::kLine;
    for (int64_t panel = begin; panel < end; panel += 2) {
      unpack_panel<bits, zero>(shape, panel_data(panel), 0, unpacked);
      const bool pair = panel + 1 < end;
      unpack_panel<bits, zero>(shape, panel_data(pair ? panel + 1 : panel), 1, unpacked);
      const int64_t outputs = pair ? shape.n - panel * kLanes : std::min(kLanes, shape.n - panel * kLanes);
      Ahead ahead{panel_data(std::min(panel + 2, end)), panel_data(std::min(panel + 4, end)), lines / fetches + 1};
      for (int64_t row = 0; row < rows.rows;) {
        const int64_t count = tile_rows(rows.rows - row);
        kTiles[static_cast<size_t>(count - 1)](shape, unpacked, ahead, rows, row, y + row * stride + panel * kLanes, stride,
                                                 outputs);
        row += count;
      }
    }
  }
};

template <int bits>
void multiply_bits(const PackedMatrix& matrix, const QuantizedRows& rows, int64_t begin, int64_t end, float* y, int64_t stride,
                   uint8_t* scratch) {
  switch (matrix.shape.zero) {
    case Zero::middle: return Kernels<bits, Zero::middle>::multiply(matrix, rows, begin, end, y, stride, scratch);
    case Zero::point: return Kernels<bits, Zero::point>::multiply(matrix, rows, begin, end, y, stride, scratch);
    case Zero::offset: return Kernels<bits, Zero::offset>::multiply(matrix, rows, begin, end, y, stride, scratch);
  }
}

void multiply(const PackedMatrix& matrix, const QuantizedRows& rows, int64_t begin, int64_t end, float* y, int64_t stride,
              uint8_t* scratch) {
  return matrix.shape.bits == 4 ? multiply_bits<4>(matrix, rows, begin, end, y, stride, scratch)
                                : multiply_bits<8>(matrix, rows, begin, end, y, stride, scratch);
}

int64_t at_best(int64_t rounds) {
  constexpr int kSums = 16;
  const __m512i weights = _mm512_set1_epi8(3), x = _mm512_set1_epi8(5);
  add_in_registers<kSums>(rounds, _mm512_setzero_si512(), [&](__m512i& sum) { sum = _mm512_dpbusd_epi32(sum, weights, x); });
  return rounds * kSums * 64;
}

}  // namespace

Product avx512vnni_product() { return {"avx512vnni", quantize_activations_inline, multiply, Unpacked::bytes, at_best}; }

}  // namespace vila::kernels
