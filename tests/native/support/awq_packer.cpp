// SPDX-License-Identifier: Apache-2.0
#include "support/awq_packer.h"

#include <cmath>
#include <random>

namespace vila::testing {
namespace {

float to_fp16_and_back(float value) { return f16_to_f32(f32_to_f16(value)); }

/// Words of `Word` that are filled code by code.
template <typename Word>
struct Words {
  explicit Words(int64_t count) : words(static_cast<size_t>(count)) {}
  void put(int64_t word, int64_t nibble, int code) {
    Word& target = words.at(static_cast<size_t>(word));
    target = static_cast<Word>(target | static_cast<Word>(code) << (4 * nibble));
  }
  std::string bytes() const {
    std::string text;
    for (const Word word : words) {
      for (size_t i = 0; i < sizeof(Word); ++i) text += static_cast<char>(word >> (8 * i) & 0xFF);
    }
    return text;
  }
  std::vector<Word> words;
};

/// Rows of eight groups in each 32-bit word of zeros, as llm-awq pads them.
int64_t zero_words(const AwqMatrix& m) {
  const int64_t words = (m.groups() + 7) / 8;
  if (m.group == 64) return (words + 1) / 2 * 2;
  if (m.group == 32) return (words + 3) / 4 * 4;
  return words;
}

/// [rows, columns] of fp16 whose element (r, c) is `value(r, c)`.
template <typename Value>
FileTensor fp16_table(const std::string& name, int64_t rows, int64_t columns, Value value) {
  std::vector<float> values;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) values.push_back(value(r, c));
  }
  return float_tensor(name, DType::f16, {rows, columns}, values);
}

std::vector<FileTensor> pack_v2(const std::string& layer, const AwqMatrix& m) {
  Words<uint16_t> codes(m.out / 4 * m.in);
  for (int64_t n = 0; n < m.out; ++n) {
    for (int64_t k = 0; k < m.in; ++k) {
      const int64_t a = k % 32 / 8, b = k % 8 / 2, c = k % 2;
      const int64_t kk = 32 * (k / 32) + 8 * b + 4 * c + a;
      const int64_t column = 64 * (kk / 64) + 16 * (n % 4) + kk % 64 / 4;
      codes.put(n / 4 * m.in + column, kk % 4, m.code(n, k));
    }
  }
  const int64_t rows = 8 * zero_words(m);
  const auto table = [&](const char* suffix, const std::vector<float>& values) {
    return fp16_table(layer + suffix, rows, m.out,
                      [&](int64_t g, int64_t n) { return g < m.groups() ? values[m.at(n, g)] : 0.0F; });
  };
  return {{layer + ".qweight", "I16", {m.out / 4, m.in}, codes.bytes()},
          table(".scales", m.scales),
          table(".scaled_zeros", m.scaled_zeros)};
}

std::vector<FileTensor> pack_v1(const std::string& layer, const AwqMatrix& m) {
  const int64_t words = zero_words(m);
  Words<uint32_t> codes(m.out * m.in / 8), zeros(m.out * words);
  for (int64_t n = 0; n < m.out; ++n) {
    for (int64_t k = 0; k < m.in; ++k) codes.put(n * (m.in / 8) + k / 8, k % 8, m.code(n, k));
    for (int64_t g = 0; g < 8 * words; ++g) zeros.put(n * words + g / 8, g % 8, g < m.groups() ? m.zeros[m.at(n, g)] : 9);
  }
  return {{layer + ".qweight", "I32", {m.out, m.in / 8}, codes.bytes()},
          fp16_table(layer + ".scales", m.out, 8 * words,
                     [&](int64_t n, int64_t g) { return g < m.groups() ? m.scales[m.at(n, g)] : 99.0F; }),
          {layer + ".qzeros", "I32", {m.out, words}, zeros.bytes()}};
}

std::vector<FileTensor> pack_gemm(const std::string& layer, const AwqMatrix& m) {
  const int64_t order[] = {0, 2, 4, 6, 1, 3, 5, 7}, width = m.out / 8;
  Words<uint32_t> codes(m.in * width), zeros(m.groups() * width);
  for (int64_t j = 0; j < width; ++j) {
    for (int64_t t = 0; t < 8; ++t) {
      const int64_t n = 8 * j + order[t];
      for (int64_t k = 0; k < m.in; ++k) codes.put(k * width + j, t, m.code(n, k));
      for (int64_t g = 0; g < m.groups(); ++g) zeros.put(g * width + j, t, m.zeros[m.at(n, g)]);
    }
  }
  return {{layer + ".qweight", "I32", {m.in, width}, codes.bytes()},
          fp16_table(layer + ".scales", m.groups(), m.out, [&](int64_t g, int64_t n) { return m.scales[m.at(n, g)]; }),
          {layer + ".qzeros", "I32", {m.groups(), width}, zeros.bytes()}};
}

}  // namespace

AwqMatrix random_awq(int64_t out, int64_t in, int64_t group, uint64_t seed) {
  AwqMatrix m{out, in, group, {}, {}, {}, {}};
  std::mt19937_64 random(seed);
  const auto below = [&random](uint64_t bound) { return static_cast<int>(random() % bound); };
  for (int64_t i = 0; i < out * in; ++i) m.codes.push_back(below(16));
  const double usual = 1 / (4.6 * std::sqrt(static_cast<double>(in)));  // 4.6: deviation of the codes
  for (int64_t i = 0; i < out * m.groups(); ++i) {
    const float scale = i % 29 == 28 ? 0.0F : to_fp16_and_back(static_cast<float>(usual * (0.7 + 0.6 * below(1000) / 1000)));
    const int zero = i % 7 == 6 ? below(16) : 5 + below(6);
    m.scales.push_back(scale);
    m.zeros.push_back(zero);
    // Every fifth lies between two multiples, every eleventh beyond the codes, and where the scale is zero all the weights are it.
    const double times = i % 11 == 10 ? -2.5 : i % 5 == 4 ? zero + 0.37 : zero;
    m.scaled_zeros.push_back(to_fp16_and_back(scale == 0.0F ? static_cast<float>(usual) : static_cast<float>(-scale * times)));
  }
  return m;
}

std::vector<FileTensor> pack_awq(const std::string& layer, AwqPacking packing, const AwqMatrix& matrix) {
  switch (packing) {
    case AwqPacking::llm_awq_v2: return pack_v2(layer, matrix);
    case AwqPacking::llm_awq_v1: return pack_v1(layer, matrix);
    case AwqPacking::awq_gemm: break;
  }
  return pack_gemm(layer, matrix);
}

std::vector<float> awq_weights(AwqPacking packing, const AwqMatrix& m) {
  std::vector<float> weights;
  for (int64_t n = 0; n < m.out; ++n) {
    for (int64_t k = 0; k < m.in; ++k) {
      const size_t group = m.at(n, k / m.group);
      const float scale = m.scales[group];
      weights.push_back(packing == AwqPacking::llm_awq_v2 ? scale * static_cast<float>(m.code(n, k)) + m.scaled_zeros[group]
                                                          : scale * static_cast<float>(m.code(n, k) - m.zeros[group]));
    }
  }
  return weights;
}

}  // namespace vila::testing
