// SPDX-License-Identifier: Apache-2.0
#include "common/single_line.h"

#include "common/utf8.h"

namespace vila {

std::string single_line(const char* text) {
  std::string line = replace_invalid_utf8(text);
  for (char& c : line) {
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

}  // namespace vila
