// SPDX-License-Identifier: Apache-2.0
#include "plan/memory.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "plan/control_group.h"

namespace vila::plan {

uint64_t usable_memory(const std::string& root) {
  uint64_t total = 0;
  std::ifstream lines(root + "/proc/meminfo");  // "MemTotal:       24689764 kB"
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("MemTotal:")) continue;
    std::istringstream(line.substr(line.find(':') + 1)) >> total;
    total *= 1024;
    break;
  }
  const uint64_t limit = control_group_limits(root).memory_bytes;
  return limit != 0 && (total == 0 || limit < total) ? limit : total;
}

}  // namespace vila::plan
