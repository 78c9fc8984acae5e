// SPDX-License-Identifier: Apache-2.0
// Short forms that the decoder tests share.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <string>

#include "image/decode.h"
#include "support/npy.h"

namespace vila::testing {

inline RgbImage decode(const std::string& file, const std::string& name = "x") {
  return decode_image(reinterpret_cast<const uint8_t*>(file.data()), file.size(), name);
}

inline std::string decode_error(const std::string& file, const std::string& name = "x") {
  return error_of([&] { decode(file, name); });
}

/// `file` with `bytes` in place of what is at `at`.
inline std::string patched(std::string file, size_t at, const std::string& bytes) {
  std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<ptrdiff_t>(at));
  return file;
}

/// The number of proper prefixes of `file` that are not refused as "4:x: ...", one line.
inline int accepted_prefixes(const std::string& file) {
  int accepted = 0;
  for (size_t size = 0; size < file.size(); ++size) {
    const std::string error = decode_error(file.substr(0, size));
    if (!error.starts_with("4:x: ") || error.find('\n') != std::string::npos) ++accepted;
  }
  return accepted;
}

inline int largest_difference(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  if (a.size() != b.size()) return 256;
  int largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

}  // namespace vila::testing
