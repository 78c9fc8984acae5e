// SPDX-License-Identifier: Apache-2.0
// 128-bit content hashes (XXH3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace vila {

struct Hash128 {
  uint64_t low = 0, high = 0;
  bool operator==(const Hash128&) const = default;
  /// 32 lower-case hex digits.
  std::string hex() const;
};

/// Feeds values one after another; strings are preceded by their length, so that ("ab","c") and ("a","bc") differ.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher& bytes(const void* data, size_t size);
  Hasher& text(std::string_view text);
  Hasher& number(int64_t value);
  Hasher& real(double value);
  Hash128 finish() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vila
