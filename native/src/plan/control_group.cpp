// SPDX-License-Identifier: Apache-2.0
#include "plan/control_group.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace vila::plan {
namespace {

// Version 1 writes "no limit" as a number near 2^63.
constexpr uint64_t kNoMemoryLimit = 1ULL << 60;

/// A number at the start of a small file of the kernel's; 0 when there is none (also for "max", version 2's "no limit").
double number_in(const std::string& path) {
  double value = 0;
  std::ifstream(path) >> value;
  return value;
}

int whole_processors(double quota, double period) {
  if (!(quota > 0) || !(period > 0) || quota / period > 1e6) return 0;
  return std::max(1, static_cast<int>(quota / period + 0.999));
}

uint64_t memory_limit(double bytes) {
  return bytes >= 1 && bytes < static_cast<double>(kNoMemoryLimit) ? static_cast<uint64_t>(bytes) : 0;
}

template <typename T>
void lower(T& limit, T other) {
  if (other != 0) limit = limit == 0 ? other : std::min(limit, other);
}

/// cpu.max holds "<quota or max> <period>".
ControlGroupLimits limits_v2(const std::string& folder) {
  double quota = 0, period = 0;
  std::ifstream(folder + "/cpu.max") >> quota >> period;
  return {whole_processors(quota, period), memory_limit(number_in(folder + "/memory.max"))};
}

ControlGroupLimits cpu_limits_v1(const std::string& folder) {
  return {whole_processors(number_in(folder + "/cpu.cfs_quota_us"), number_in(folder + "/cpu.cfs_period_us")), 0};
}

ControlGroupLimits memory_limits_v1(const std::string& folder) {
  return {0, memory_limit(number_in(folder + "/memory.limit_in_bytes"))};
}

/// Lowers `limits` to those of a group and its parents, up to the root of its hierarchy.
void walk_up(const std::string& hierarchy, std::string group, ControlGroupLimits (*read)(const std::string&),
             ControlGroupLimits& limits) {
  for (;;) {
    const ControlGroupLimits found = read(hierarchy + group);
    lower(limits.processors, found.processors);
    lower(limits.memory_bytes, found.memory_bytes);
    if (group.empty()) return;
    group.erase(group.rfind('/'));
  }
}

bool names(const std::string& list, const std::string& name) {
  std::istringstream parts(list);
  for (std::string part; std::getline(parts, part, ',');) {
    if (part == name) return true;
  }
  return false;
}

}  // namespace

ControlGroupLimits control_group_limits(const std::string& root) {
  ControlGroupLimits limits;
  const std::string mounts = root + "/sys/fs/cgroup";
  std::ifstream groups(root + "/proc/self/cgroup");
  // Lines "<id>:<controllers>:<path>"; no controllers mean version 2.
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos || second + 1 >= line.size() || line[second + 1] != '/') continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    const std::string group = path == "/" ? std::string() : path;
    if (controllers.empty()) walk_up(mounts, group, limits_v2, limits);
    if (names(controllers, "cpu")) walk_up(mounts + "/cpu", group, cpu_limits_v1, limits);
    if (names(controllers, "memory")) walk_up(mounts + "/memory", group, memory_limits_v1, limits);
  }
  return limits;
}

}  // namespace vila::plan
