// SPDX-License-Identifier: Apache-2.0
// A weights file in memory.
#pragma once

#include <string>

#include "graph/weights_file.h"

namespace vila::testing {

/// Its pieces, one behind the other; the last 16 bytes of the file are not among them.
inline std::string bytes_of(const graph::WeightsPieces& pieces) {
  std::string bytes;
  for (size_t piece = 0; piece < pieces.count; ++piece) {
    pieces.write(piece, [&](const void* data, size_t size) { bytes.append(static_cast<const char*>(data), size); });
  }
  return bytes;
}

}  // namespace vila::testing
