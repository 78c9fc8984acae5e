// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/awq.h"

#include <algorithm>
#include <cstring>

#include "common/error.h"

namespace vila {
namespace {

using Packing = LanguageSpec::Packing;

constexpr int64_t kPerWord = 8;  // codes in 32 bits

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// 32-bit words of zeros that llm-awq keeps for a row: enough for its groups, rounded up to whole 64-bit loads for groups of 64 and
/// to 128-bit ones for groups of 32.
int64_t zero_words(const AwqLayout& layout) {
  const int64_t step = layout.group == 64 ? 2 : layout.group == 32 ? 4 : 1;
  return ceil_div(ceil_div(layout.groups(), kPerWord), step) * step;
}

uint32_t word_at(const uint8_t* bytes, int64_t index) {  // Files need not align their tensors.
  uint32_t word;
  std::memcpy(&word, bytes + 4 * index, sizeof word);
  return word;
}

uint16_t half_word_at(const uint8_t* bytes, int64_t index) {
  uint16_t word;
  std::memcpy(&word, bytes + 2 * index, sizeof word);
  return word;
}

uint8_t code(uint32_t word, int64_t place) { return static_cast<uint8_t>(word >> (4 * place) & 15U); }

uint8_t pair(uint8_t even, uint8_t odd) { return static_cast<uint8_t>(even | odd << 4); }

/// AutoAWQ's GEMM: a word holds eight neighbours, the even ones in its lower half. Column offset by place.
constexpr std::array<int64_t, 8> kGemmOrder = {0, 2, 4, 6, 1, 3, 5, 7};

/// Rows of a store of [rows, out] turned into [out, groups]; rows beyond the groups are padding.
std::vector<float> turned(const TensorRef& tensor, const AwqLayout& layout) {
  const int64_t groups = layout.groups();
  const std::vector<float> stored = tensor.to_float();
  std::vector<float> values(static_cast<size_t>(layout.out * groups));
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t n = 0; n < layout.out; ++n)
      values[static_cast<size_t>(n * groups + g)] = stored[static_cast<size_t>(g * layout.out + n)];
  }
  return values;
}

/// The first columns of [out, columns].
std::vector<float> cut(const TensorRef& tensor, const AwqLayout& layout) {
  const int64_t groups = layout.groups(), columns = tensor.shape.at(1);
  const std::vector<float> stored = tensor.to_float();
  std::vector<float> values;
  values.reserve(static_cast<size_t>(layout.out * groups));
  for (int64_t n = 0; n < layout.out; ++n) {
    const auto row = stored.begin() + n * columns;
    values.insert(values.end(), row, row + groups);
  }
  return values;
}

std::vector<uint8_t> row_zeros(const TensorRef& tensor, const AwqLayout& layout) {
  const int64_t words = tensor.shape.at(1);
  std::vector<uint8_t> zeros;
  zeros.reserve(static_cast<size_t>(layout.out * layout.groups()));
  for (int64_t n = 0; n < layout.out; ++n) {
    for (int64_t g = 0; g < layout.groups(); ++g)
      zeros.push_back(code(word_at(tensor.data(), n * words + g / kPerWord), g % kPerWord));
  }
  return zeros;
}

std::vector<uint8_t> gemm_zeros(const TensorRef& tensor, const AwqLayout& layout) {
  const int64_t words = layout.out / kPerWord, groups = layout.groups();
  std::vector<uint8_t> zeros(static_cast<size_t>(layout.out * groups));
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t j = 0; j < words; ++j) {
      const uint32_t word = word_at(tensor.data(), g * words + j);
      for (int64_t t = 0; t < kPerWord; ++t) {
        zeros[static_cast<size_t>((kPerWord * j + kGemmOrder[static_cast<size_t>(t)]) * groups + g)] = code(word, t);
      }
    }
  }
  return zeros;
}

/// llm-awq v2 deals the rows in fours: of each block of 64 columns, a row has 16 half-words in turn. A half-word w of the eight
/// that make 32 columns holds columns w, 8 + w, 16 + w and 24 + w.
void unpack_v2(const uint8_t* stored, const AwqLayout& layout, uint8_t* out) {
  for (int64_t n = 0; n < layout.out; ++n) {
    const int64_t row = n / 4 * layout.in;
    for (int64_t block = 0; block < layout.in; block += 64) {
      for (int64_t half = 0; half < 2; ++half, out += 16) {
        const int64_t first = row + block + 16 * (n % 4) + 8 * half;
        for (int64_t b = 0; b < 4; ++b) {
          const uint32_t even = half_word_at(stored, first + 2 * b), odd = half_word_at(stored, first + 2 * b + 1);
          for (int64_t a = 0; a < 4; ++a) out[4 * a + b] = pair(code(even, a), code(odd, a));
        }
      }
    }
  }
}

/// [in, out/8] words turned into rows of outputs, a cache line of words at a time.
void unpack_gemm(const uint8_t* stored, const AwqLayout& layout, uint8_t* out) {
  constexpr int64_t kLine = 16;
  const int64_t words = layout.out / kPerWord, row_bytes = layout.in / 2;
  for (int64_t line = 0; line < words; line += kLine) {
    const int64_t end = std::min(words, line + kLine);
    for (int64_t k = 0; k < layout.in; k += 2) {
      for (int64_t j = line; j < end; ++j) {
        const uint32_t even = word_at(stored, k * words + j), odd = word_at(stored, (k + 1) * words + j);
        for (int64_t t = 0; t < kPerWord; ++t) {
          out[(kPerWord * j + kGemmOrder[static_cast<size_t>(t)]) * row_bytes + k / 2] = pair(code(even, t), code(odd, t));
        }
      }
    }
  }
}

}  // namespace

const char* name_of(LanguageSpec::Packing packing) {
  switch (packing) {
    case Packing::none: return "none";
    case Packing::llm_awq_v2: return "llm-awq v2";
    case Packing::llm_awq_v1: return "llm-awq v1 (GEMV)";
    case Packing::awq_gemm: return "AutoAWQ GEMM";
  }
  return "?";
}

std::string awq_misfit(const AwqLayout& layout) {
  const bool v2 = layout.packing == Packing::llm_awq_v2;
  const int64_t columns = std::max<int64_t>(layout.group, v2 ? 64 : kPerWord);
  const int64_t rows = v2 ? 4 : layout.packing == Packing::awq_gemm ? kPerWord : 1;
  if (layout.in % columns != 0) return join(layout.in, " inputs, expected a multiple of ", columns);
  if (layout.out % rows != 0) return join(layout.out, " outputs, expected a multiple of ", rows);
  return "";
}

std::array<AwqTensor, 3> awq_tensors(const AwqLayout& layout) {
  const int64_t out = layout.out, in = layout.in, words = zero_words(layout);
  switch (layout.packing) {
    case Packing::llm_awq_v2:
      return {{{".qweight", {out / 4, in}, DType::i16},
               {".scales", {kPerWord * words, out}, std::nullopt},
               {".scaled_zeros", {kPerWord * words, out}, std::nullopt}}};
    case Packing::llm_awq_v1:
      return {{{".qweight", {out, in / kPerWord}, DType::i32},
               {".scales", {out, kPerWord * words}, std::nullopt},
               {".qzeros", {out, words}, DType::i32}}};
    case Packing::awq_gemm:
      return {{{".qweight", {in, out / kPerWord}, DType::i32},
               {".scales", {layout.groups(), out}, std::nullopt},
               {".qzeros", {layout.groups(), out / kPerWord}, DType::i32}}};
    case Packing::none: break;
  }
  fail(ErrorCode::internal, "awq_tensors: no packing");
}

AwqScales unpack_awq_scales(const AwqLayout& layout, const TensorRef& scales, const TensorRef& zeros) {
  switch (layout.packing) {
    case Packing::llm_awq_v2: return {turned(scales, layout), {}, turned(zeros, layout)};
    case Packing::llm_awq_v1: return {cut(scales, layout), row_zeros(zeros, layout), {}};
    case Packing::awq_gemm: return {turned(scales, layout), gemm_zeros(zeros, layout), {}};
    case Packing::none: break;
  }
  fail(ErrorCode::internal, "unpack_awq_scales: no packing");
}

std::vector<uint8_t> unpack_awq_codes(const AwqLayout& layout, const TensorRef& qweight) {
  std::vector<uint8_t> codes(static_cast<size_t>(layout.out * layout.in / 2));
  switch (layout.packing) {
    case Packing::llm_awq_v2: unpack_v2(qweight.data(), layout, codes.data()); return codes;
    case Packing::awq_gemm: unpack_gemm(qweight.data(), layout, codes.data()); return codes;
    case Packing::llm_awq_v1:  // Little-endian words of eight neighbours in their order: the bytes as they lie.
      std::memcpy(codes.data(), qweight.data(), codes.size());
      return codes;
    case Packing::none: break;
  }
  fail(ErrorCode::internal, "unpack_awq_codes: no packing");
}

std::vector<float> dequantize_awq(const AwqLayout& layout, const std::vector<uint8_t>& codes, const AwqScales& scales) {
  std::vector<float> weights(static_cast<size_t>(layout.out * layout.in));
  const auto group = static_cast<size_t>(layout.group);
  for (size_t block = 0; block < scales.scales.size(); ++block) {
    const float scale = scales.scales[block];
    for (size_t i = block * group; i < (block + 1) * group; ++i) {
      const int value = codes[i / 2] >> (i % 2 * 4) & 15;
      weights[i] = scales.scaled_zeros.empty() ? scale * static_cast<float>(value - scales.zeros[block])
                                               : scale * static_cast<float>(value) + scales.scaled_zeros[block];
    }
  }
  return weights;
}

}  // namespace vila
