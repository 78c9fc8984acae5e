// SPDX-License-Identifier: Apache-2.0
// What stands at one position of a sequence.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "common/hash.h"

namespace vila {

/// Equal elements at equal positions behind equal prefixes have equal keys and values.
struct Element {
  int32_t id = -1;                  ///< text: the token id; image: the token's number within the image
  Hash128 image;                    ///< VisionEncoder::key of the image's view; zero for text
  bool operator==(const Element&) const = default;
};

/// How many elements both begin with.
inline size_t common_prefix(const std::vector<Element>& a, const std::vector<Element>& b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

}  // namespace vila
