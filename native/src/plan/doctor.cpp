// SPDX-License-Identifier: Apache-2.0
// What this machine offers to vila4j, line by line.
#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "common/error.h"
#include "plan/control_group.h"
#include "plan/cpu.h"
#include "plan/plan.h"
#include "plan/tensorrt/library.h"

namespace vila {
namespace plan {
namespace {

// Said of what only a later version can use.
constexpr const char* kWhatFor = "only the backend tensorrt uses it";

std::string gibibytes(uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GiB", static_cast<double>(bytes) / (1 << 30));
  return text;
}

Check line(const char* name, bool ok, bool required, std::string detail) {
  Check check;
  check.name = name;
  check.ok = ok;
  check.required = required;
  check.detail = std::move(detail);
  return check;
}

Check system_check() {
  utsname system{};
  ::uname(&system);
  return line("system", true, true, join(system.sysname, " ", system.release, ", ", system.machine, ", glibc ", ::gnu_get_libc_version()));
}

Check processor_check() {
  std::string present, absent;
  bool avx2 = false;
  for (const CpuFeature& feature : cpu_features()) {
    (feature.present ? present : absent) += (feature.present ? present : absent).empty() ? feature.name : ", " + feature.name;
    if (feature.name == "AVX2") avx2 = feature.present;
  }
  const std::string model = cpu_model();
  std::string detail = (model.empty() ? std::string("unknown model") : model) + "; has " + (present.empty() ? "none" : present) +
                       "; lacks " + (absent.empty() ? "none" : absent);
  if (!avx2) detail += "; without AVX2 it works, but very slowly";
  return line("processor", avx2, false, detail);
}

Check threads_check() {
  const std::vector<int> allowed = allowed_processors();
  const int cores = count_cores("", allowed);
  const int quota = control_group_limits("").processors;
  std::string detail = join(physical_cores(), " used for one computation: this process may run on ", cores, " physical cores with ",
                            allowed.size(), " logical processors");
  if (quota != 0) detail += join(", and its control group grants the time of ", quota);
  return line("threads", true, false, detail);
}

Check memory_check() {
  struct sysinfo info {};
  ::sysinfo(&info);
  const uint64_t total = uint64_t{info.totalram} * info.mem_unit;
  std::string detail = gibibytes(total);
  const uint64_t limit = control_group_limits("").memory_bytes;
  if (limit != 0 && limit < total) detail += ", of which the control group of this process grants " + gibibytes(limit);
  return line("memory", true, false, detail + "; a plan in fp32 takes 4 bytes for each of the model's parameters");
}

Check cache_check() {
  constexpr const char* kName = "plan cache";
  try {
    const std::string dir = PlanCache("").dir();
    if (::access(dir.c_str(), W_OK | X_OK) != 0) {
      return line(kName, false, true,
                  join(dir, ": ", std::strerror(errno), "; set another folder with the load option cache_dir or the environment ",
                       "variable VILA_CACHE"));
    }
    struct statvfs space {};
    std::string detail = dir + ", writable";
    if (::statvfs(dir.c_str(), &space) == 0) detail += ", " + gibibytes(uint64_t{space.f_bavail} * space.f_frsize) + " free";
    return line(kName, true, true, detail);
  } catch (const Error& error) {
    return line(kName, false, true, error.what());
  }
}

/// Opens a library for good: the driver is not made to be unloaded.
void* open_library(const char* name, std::string& reason) {
  void* library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* error = ::dlerror();
    reason = error != nullptr ? error : name;
  }
  return library;
}

template <typename Function>
Function symbol(void* library, const char* name) {
  return reinterpret_cast<Function>(::dlsym(library, name));
}

Check cuda_check() {
  constexpr const char* kName = "CUDA driver";
  std::string reason;
  void* library = open_library("libcuda.so.1", reason);
  if (library == nullptr) return line(kName, false, false, join("no NVIDIA driver (", reason, "); not needed: ", kWhatFor));
  // The driver API, cuda.h: every function returns 0 for success.
  const auto init = symbol<int (*)(unsigned)>(library, "cuInit");
  const auto version = symbol<int (*)(int*)>(library, "cuDriverGetVersion");
  const auto count = symbol<int (*)(int*)>(library, "cuDeviceGetCount");
  const auto name = symbol<int (*)(char*, int, int)>(library, "cuDeviceGetName");
  if (init == nullptr || version == nullptr || count == nullptr || name == nullptr) {
    return line(kName, false, false, join("libcuda.so.1 lacks the functions of a driver; not needed: ", kWhatFor));
  }
  if (const int error = init(0); error != 0) {
    return line(kName, false, false, join("libcuda.so.1 is there but finds no usable device (cuInit: error ", error,
                                          "); not needed: ", kWhatFor));
  }
  int number = 0, devices = 0;
  version(&number);
  count(&devices);
  std::string detail = join("for CUDA ", number / 1000, ".", number % 1000 / 10, ", ", devices, devices == 1 ? " device" : " devices");
  for (int i = 0; i < devices; ++i) {
    char text[128] = {};
    if (name(text, sizeof text - 1, i) == 0) detail += (i == 0 ? ": " : ", ") + std::string(text);
  }
  return line(kName, devices > 0, false, join(detail, "; ", kWhatFor));
}

Check tensorrt_check() {
  constexpr const char* kName = "TensorRT";
  const tensorrt::Search search = tensorrt::search_library("");
  if (!search.found) return line(kName, false, false, join("not found: ", search.all_misses(), "; not needed: ", kWhatFor));
  const tensorrt::Library& library = *search.found;
  return line(kName, true, false, join(library.version, ", ", library.path, " and ", library.parser_path, "; ", kWhatFor));
}

}  // namespace
}  // namespace plan

std::vector<Check> doctor() {
  using namespace plan;
  std::vector<Check> checks = onnxruntime_checks();
  for (Check (*check)() : {system_check, processor_check, threads_check, memory_check, cache_check, cuda_check, tensorrt_check}) {
    checks.push_back(check());
  }
  return checks;
}

}  // namespace vila
