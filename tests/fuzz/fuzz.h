// SPDX-License-Identifier: Apache-2.0
// A small mutation fuzzer: takes seeds, changes them at random, feeds them to a target. A vila::Error is a proper answer;
// any other exception, a crash or a sanitizer report is a finding. The failing input is written to fuzz-<name>-failure.bin.
//
// Environment: VILA_FUZZ_SECONDS (default 20), VILA_FUZZ_SEED (default 1).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "vila/vila.h"

namespace vila::fuzz {

inline std::string read_seed(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string content((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (content.empty()) {
    std::fprintf(stderr, "fuzz: seed %s is missing or empty\n", path.c_str());
    std::exit(2);
  }
  return content;
}

/// Changes 1 to 8 places: bits, bytes, little-endian numbers, digits, runs removed, repeated, or taken from another seed.
/// `tokens` are strings worth inserting (keywords of the format).
inline std::string mutate(const std::string& seed, const std::vector<std::string>& seeds, const std::vector<std::string>& tokens,
                          std::mt19937_64& random) {
  std::string input = seed;
  const auto below = [&random](size_t n) { return n == 0 ? size_t{0} : static_cast<size_t>(random() % n); };
  const size_t changes = 1 + below(8);
  for (size_t i = 0; i < changes; ++i) {
    if (input.empty()) input = seed.substr(0, 1);
    const size_t at = below(input.size());
    switch (below(10)) {
      case 0: input[at] = static_cast<char>(input[at] ^ static_cast<char>(1U << below(8))); break;
      case 1: input[at] = static_cast<char>(below(256)); break;
      case 2: input[at] = "0123456789-.eE\"{}[],:"[below(22)]; break;
      case 3: {  // an interesting little-endian number
        static constexpr uint64_t kNumbers[] = {0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, ~0ULL};
        const uint64_t number = kNumbers[below(10)];
        const size_t width = size_t{1} << below(4);
        for (size_t b = 0; b < width && at + b < input.size(); ++b) input[at + b] = static_cast<char>(number >> (8 * b));
        break;
      }
      case 4: input.erase(at, 1 + below(std::min<size_t>(64, input.size() - at))); break;
      case 5: input.insert(at, input.substr(below(input.size()), 1 + below(64))); break;
      case 6: input.resize(at); break;
      case 7: {
        const std::string& other = seeds[below(seeds.size())];
        const size_t from = below(other.size());
        input.replace(at, below(input.size() - at), other.substr(from, below(256)));
        break;
      }
      case 8:
        if (!tokens.empty()) input.insert(at, tokens[below(tokens.size())]);
        break;
      default:
        if (!tokens.empty()) {
          const std::string& token = tokens[below(tokens.size())];
          input.replace(at, std::min(token.size(), input.size() - at), token);
        }
    }
  }
  return input;
}

/// Runs until the time is over. Returns the process's exit code: 0 without a finding.
inline int run(const std::string& name, const std::vector<std::string>& seeds, const std::vector<std::string>& tokens,
               const std::function<void(const std::string&)>& target) {
  const char* seconds_text = std::getenv("VILA_FUZZ_SECONDS");
  const char* seed_text = std::getenv("VILA_FUZZ_SEED");
  const double seconds = seconds_text != nullptr ? std::atof(seconds_text) : 20.0;
  std::mt19937_64 random(seed_text != nullptr ? std::strtoull(seed_text, nullptr, 10) : 1);
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&start] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  uint64_t runs = 0, accepted = 0;
  const std::string failure = "fuzz-" + name + "-failure.bin";
  while (elapsed() < seconds) {
    const std::string& seed = seeds[random() % seeds.size()];
    const std::string input = runs < seeds.size() ? seeds[runs] : mutate(seed, seeds, tokens, random);
    ++runs;
    {  // Written first, so that it is there after a crash.
      std::ofstream out(failure, std::ios::binary);
      out << input;
    }
    try {
      target(input);
      ++accepted;
    } catch (const Error&) {
    } catch (const std::exception& error) {
      std::fprintf(stderr, "fuzz %s: input %s (run %llu) threw %s\n", name.c_str(), failure.c_str(),
                   static_cast<unsigned long long>(runs), error.what());
      return 1;
    }
  }
  std::remove(failure.c_str());
  std::printf("fuzz %s: %llu inputs in %.0f s, %llu accepted, no finding\n", name.c_str(), static_cast<unsigned long long>(runs),
              elapsed(), static_cast<unsigned long long>(accepted));
  return accepted > 0 ? 0 : 1;  // Seeds that are all refused would prove nothing.
}

}  // namespace vila::fuzz
