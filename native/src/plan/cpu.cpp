// SPDX-License-Identifier: Apache-2.0
#include "plan/cpu.h"

#include <cpuid.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <thread>

#include "plan/control_group.h"

namespace vila::plan {
namespace {

/// Whether the system saves the AMX registers (XCR0 bits 17 and 18), without which the instructions cannot be used.
bool system_saves_amx() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & bit_OSXSAVE) == 0) return false;
  unsigned low = 0, high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low >> 17 & 3) == 3;
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
    std::string siblings;
    std::getline(std::ifstream(folder + "core_cpus_list"), siblings);
    if (siblings.empty()) std::getline(std::ifstream(folder + "thread_siblings_list"), siblings);
    cores.insert(siblings.empty() ? "cpu" + std::to_string(processor) : siblings);
  }
  return static_cast<int>(cores.size());
}

int physical_cores() {
  const int quota = control_group_limits("").processors;
  const int cores = count_cores("", allowed_processors());
  return std::max(1, quota == 0 ? cores : std::min(cores, quota));
}

std::vector<CpuFeature> cpu_features() {
  __builtin_cpu_init();
  const unsigned edx = system_saves_amx() ? leaf7_edx() : 0;
  return {{"AVX2", __builtin_cpu_supports("avx2") != 0},
          {"AVX-512F", __builtin_cpu_supports("avx512f") != 0},
          {"AVX-512 VNNI", __builtin_cpu_supports("avx512vnni") != 0},
          {"AVX-512 BF16", __builtin_cpu_supports("avx512bf16") != 0},
          {"AMX BF16", (edx >> 22 & 1) != 0},
          {"AMX INT8", (edx >> 25 & 1) != 0}};
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
