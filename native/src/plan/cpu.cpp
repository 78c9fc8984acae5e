// SPDX-License-Identifier: Apache-2.0
#include "plan/cpu.h"

#include <cpuid.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

namespace vila::plan {
namespace {

/// The first line of a small file of the kernel's; empty when it cannot be read.
std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// ceil(quota / period); 0 for no limit or nonsense.
int whole_processors(double quota, double period) {
  if (!(quota > 0) || !(period > 0)) return 0;
  const double count = quota / period;
  return count > 1e6 ? 0 : std::max(1, static_cast<int>(count + 0.999));
}

int smaller_limit(int a, int b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

/// Limit of the v2 group at `folder`.
int quota_v2(const std::string& folder) {
  std::istringstream line(first_line(folder + "/cpu.max"));
  std::string quota;
  double period = 0;
  if (!(line >> quota >> period) || quota == "max") return 0;
  char* end = nullptr;
  const double value = std::strtod(quota.c_str(), &end);
  return *end == '\0' ? whole_processors(value, period) : 0;
}

/// Limit of the v1 group at `folder`.
int quota_v1(const std::string& folder) {
  double quota = 0, period = 0;
  if (!(std::istringstream(first_line(folder + "/cpu.cfs_quota_us")) >> quota)) return 0;
  if (!(std::istringstream(first_line(folder + "/cpu.cfs_period_us")) >> period)) return 0;
  return whole_processors(quota, period);
}

/// The smallest limit of a group and its parents, up to the root of its hierarchy.
int walk_up(const std::string& hierarchy, std::string group, int (*limit)(const std::string&)) {
  int result = limit(hierarchy);
  while (group.size() > 1) {
    result = smaller_limit(result, limit(hierarchy + group));
    group.erase(group.rfind('/'));
  }
  return result;
}

bool has_controller(const std::string& list, const std::string& name) {
  std::istringstream parts(list);
  for (std::string part; std::getline(parts, part, ',');) {
    if (part == name) return true;
  }
  return false;
}

/// Leaf 7, subleaf 0, register EDX: bits that __builtin_cpu_supports of the oldest supported compiler does not know.
unsigned leaf7_edx() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 ? edx : 0;
}

}  // namespace

std::vector<int> allowed_processors() {
  std::vector<int> result;
  // The kernel refuses a set smaller than its own: grow until it fits.
  for (int capacity = 1024; capacity <= 1 << 17; capacity *= 2) {
    cpu_set_t* set = CPU_ALLOC(capacity);
    if (set == nullptr) break;
    const size_t size = CPU_ALLOC_SIZE(capacity);
    const bool read = ::sched_getaffinity(0, size, set) == 0;
    for (int i = 0; read && i < capacity; ++i) {
      if (CPU_ISSET_S(i, size, set)) result.push_back(i);
    }
    CPU_FREE(set);
    if (read) break;
  }
  if (result.empty()) {
    for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) result.push_back(static_cast<int>(i));
  }
  return result;
}

int count_cores(const std::string& root, const std::vector<int>& processors) {
  std::set<std::string> cores;
  for (int processor : processors) {
    const std::string folder = root + "/sys/devices/system/cpu/cpu" + std::to_string(processor) + "/topology/";
    std::string siblings = first_line(folder + "core_cpus_list");
    if (siblings.empty()) siblings = first_line(folder + "thread_siblings_list");
    cores.insert(siblings.empty() ? "cpu" + std::to_string(processor) : siblings);
  }
  return static_cast<int>(cores.size());
}

int processor_quota(const std::string& root) {
  std::ifstream groups(root + "/proc/self/cgroup");
  int result = 0;
  // Lines "<id>:<controllers>:<path>"; id 0 without controllers is v2.
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos || second + 1 >= line.size() || line[second + 1] != '/') continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) {
      result = smaller_limit(result, walk_up(root + "/sys/fs/cgroup", group, quota_v2));
    } else if (has_controller(controllers, "cpu")) {
      result = smaller_limit(result, walk_up(root + "/sys/fs/cgroup/cpu", group, quota_v1));
    }
  }
  return result;
}

int physical_cores() {
  const int quota = processor_quota("");
  const int cores = count_cores("", allowed_processors());
  return std::max(1, quota == 0 ? cores : std::min(cores, quota));
}

std::vector<CpuFeature> cpu_features() {
  __builtin_cpu_init();
  const bool avx512 = __builtin_cpu_supports("avx512f") != 0;
  const unsigned edx = leaf7_edx();
  return {{"AVX2", __builtin_cpu_supports("avx2") != 0},
          {"AVX-512F", avx512},
          {"AVX-512 VNNI", __builtin_cpu_supports("avx512vnni") != 0},
          {"AVX-512 BF16", __builtin_cpu_supports("avx512bf16") != 0},
          {"AMX BF16", avx512 && (edx >> 22 & 1) != 0},
          {"AMX INT8", avx512 && (edx >> 25 & 1) != 0}};
}

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (!line.starts_with("model name")) continue;
    const size_t start = line.find_first_not_of(" \t", line.find(':') + 1);
    return start == std::string::npos ? std::string() : line.substr(start);
  }
  return {};
}

}  // namespace vila::plan
