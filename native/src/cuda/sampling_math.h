// SPDX-License-Identifier: Apache-2.0
// What the sampling kernels compute number by number, for the device and, with any compiler, for the host and its tests.
#pragma once

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#define VILA_HOST_DEVICE __host__ __device__
#else
#define VILA_HOST_DEVICE
#endif

namespace vila::cuda {

/// Ids are below 2^22.
inline constexpr int kIdBits = 22;
inline constexpr uint32_t kIdMask = (uint32_t{1} << kIdBits) - 1;
inline constexpr int32_t kMostIds = int32_t{1} << kIdBits;

/// A number of 54 bits that is the greater the better an id is: the greater logit, then the lower id. Both zeros are equal; no NaN.
VILA_HOST_DEVICE inline uint64_t rank_of(float logit, int32_t id) {
  const float value = logit == 0 ? 0.0F : logit;
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const uint32_t ordered = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
  return static_cast<uint64_t>(ordered) << kIdBits | (kIdMask - static_cast<uint32_t>(id));
}
VILA_HOST_DEVICE inline int32_t id_of_rank(uint64_t rank) {
  return static_cast<int32_t>(kIdMask - (static_cast<uint32_t>(rank) & kIdMask));
}
VILA_HOST_DEVICE inline float logit_of_rank(uint64_t rank) {
  const auto ordered = static_cast<uint32_t>(rank >> kIdBits);
  const uint32_t bits = (ordered & 0x80000000U) != 0 ? ordered & 0x7FFFFFFFU : ~ordered;
  float logit;
  std::memcpy(&logit, &bits, sizeof logit);
  return logit;
}

/// A rank is found digit by digit, the highest first. The first three digits are the logit's, the last two the id's.
inline constexpr int kDigits = 5;
inline constexpr int kDigitBits = 11;
inline constexpr uint32_t kDigitValues = uint32_t{1} << kDigitBits;
VILA_HOST_DEVICE constexpr int shift_of_digit(int digit) { return (kDigits - 1 - digit) * kDigitBits; }

/// Penalties of GenerationOptions on a logit, in double as Sampler has them. `seen` is 0 for an id that has not been seen, else one
/// more than how often it was generated. Compile this without contraction of products and sums.
struct Penalties {
  float repetition = 1, presence = 0, frequency = 0;
};
VILA_HOST_DEVICE inline float penalized(float logit, uint32_t seen, const Penalties& penalties) {
  if (seen == 0 || !(std::fabs(logit) <= FLT_MAX)) return logit;
  double value = logit;
  value = value > 0 ? value / penalties.repetition : value * penalties.repetition;
  if (seen > 1) {
    value -= static_cast<double>(penalties.presence) + static_cast<double>(penalties.frequency) * static_cast<double>(seen - 1);
  }
  constexpr double kMost = FLT_MAX;
  value = value < -kMost ? -kMost : value > kMost ? kMost : value;
  return static_cast<float>(value);
}

/// Fractional bits of weights, so that those of `vocab` ids, none above 1, add up to at most 2^63.
VILA_HOST_DEVICE inline int weight_bits(int32_t vocab) {
  int bits = 62;
  while ((uint64_t{1} << (63 - bits)) < static_cast<uint64_t>(vocab)) --bits;
  return bits;
}
/// `value` (0 .. 1) with `bits` fractional bits, to the nearest.
VILA_HOST_DEVICE inline uint64_t fixed(double value, int bits) {
  return static_cast<uint64_t>(value * static_cast<double>(uint64_t{1} << bits) + 0.5);
}
/// An id's probability before normalisation; that of the best is 1.
VILA_HOST_DEVICE inline uint64_t fixed_weight(float logit, float best, float temperature, int bits) {
  return fixed(std::exp((static_cast<double>(logit) - static_cast<double>(best)) / static_cast<double>(temperature)), bits);
}

__extension__ typedef unsigned __int128 Wide;
/// The least whole number that is at least `p` (0 < p < 1) times `total`; at least 1 where total is.
VILA_HOST_DEVICE inline uint64_t share_of(float p, uint64_t total) {
  const double scaled = static_cast<double>(p) * 0x1p64;  // exact: p has 24 bits
  const Wide product = static_cast<Wide>(scaled < 1 ? 1 : static_cast<uint64_t>(scaled)) * total;
  return static_cast<uint64_t>(product >> 64) + (static_cast<uint64_t>(product) != 0 ? 1 : 0);
}
/// Sampler's uniform number, the upper 53 bits of `random` as a fraction, times `total`, rounded down: the id where the running sum
/// first exceeds this is drawn.
VILA_HOST_DEVICE inline uint64_t target_of(uint64_t random, uint64_t total) {
  return static_cast<uint64_t>((static_cast<Wide>(random >> 11 << 11) * total) >> 64);
}

/// mt19937_64, the generator of the C++ library (Nishimura: "Tables of 64-bit Mersenne Twisters", 2000).
struct Twister {
  static constexpr int kWords = 312, kMiddle = 156;
  uint64_t words[kWords];
  uint32_t next;  ///< word to be given out; kWords: all have been

  VILA_HOST_DEVICE void seed(uint64_t value) {
    words[0] = value;
    for (int i = 1; i < kWords; ++i) {
      value = 6364136223846793005ULL * (value ^ (value >> 62)) + static_cast<uint64_t>(i);
      words[i] = value;
    }
    next = kWords;
  }
  /// The next generation's word from this word, the one behind it and the one kMiddle behind it (which may be of the next
  /// generation).
  VILA_HOST_DEVICE static uint64_t twisted(uint64_t word, uint64_t behind, uint64_t far) {
    const uint64_t mixed = (word & 0xFFFFFFFF80000000ULL) | (behind & 0x7FFFFFFFULL);
    return far ^ (mixed >> 1) ^ ((mixed & 1) != 0 ? 0xB5026F5AA96619E9ULL : 0);
  }
  VILA_HOST_DEVICE static uint64_t tempered(uint64_t word) {
    word ^= (word >> 29) & 0x5555555555555555ULL;
    word ^= (word << 17) & 0x71D67FFFEDA60000ULL;
    word ^= (word << 37) & 0xFFF7EEE000000000ULL;
    return word ^ (word >> 43);
  }
};

}  // namespace vila::cuda
