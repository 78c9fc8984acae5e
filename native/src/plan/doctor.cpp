// SPDX-License-Identifier: Apache-2.0
// What this machine offers to vila4j, line by line.
#include <gnu/libc-version.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

#include "common/error.h"
#include "kernels/attention.h"
#include "kernels/bf16_product.h"
#include "kernels/full_attention.h"
#include "kernels/layer_norm.h"
#include "kernels/processor.h"
#include "kernels/product.h"
#include "plan/control_group.h"
#include "plan/cpu.h"
#include "plan/cuda_driver.h"
#include "plan/device_backend.h"
#include "plan/plan.h"
#include "plan/tensorrt/cuda_library.h"
#include "plan/tensorrt/library.h"

namespace vila {
namespace plan {
namespace {

// Said of what nothing else in vila4j needs.
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

/// Which of our own kernels run in this process.
Check kernels_check() {
  constexpr const char* kName = "kernels";
  try {
    std::string detail = join("products in 8 and 4 bits ", kernels::products().front().name, ", in bfloat16 ",
                              kernels::bf16_products().front().name, "; attention ", kernels::attentions().front().name,
                              ", of images ", kernels::full_attentions().front().name, "; LayerNorm ",
                              kernels::layer_norms().front().name);
    const std::optional<kernels::InstructionSet> limit = kernels::limit();
    if (limit) detail += join("; ", kernels::kLimitVariable, "=", kernels::name_of(*limit), " allows no more");
    return line(kName, true, true, detail);
  } catch (const Error& error) {
    return line(kName, false, true, error.what());
  }
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

/// Whether the backend tensorrt can be used: with both libraries it is opened, which needs a device: `number`, if one is new enough.
Check backend_check(std::optional<int32_t> number, bool own_library, bool tensorrt_library) {
  constexpr const char* kName = "backend tensorrt";
  std::string missing;
  for (const auto& [there, what] : {std::pair(own_library, tensorrt::kCudaLibraryName), std::pair(tensorrt_library, "TensorRT"),
                                    std::pair(number.has_value(), "an NVIDIA driver with a device that is new enough")}) {
    if (!there) missing += (missing.empty() ? "" : ", ") + std::string(what);
  }
  if (own_library && tensorrt_library) {
    try {
      const std::shared_ptr<DeviceBackend> backend = tensorrt_backend(number.value_or(0));
      return line(kName, true, false,
                  join("can be used: TensorRT ", backend->version(), " on device ", number.value_or(0), ", ", backend->device_name(), " (",
                       backend->device(), ")"));
    } catch (const std::exception& error) {
      if (missing.empty()) return line(kName, false, false, join("cannot be used: ", error.what()));
    }
  }
  return line(kName, false, false,
              join("cannot be used, missing: ", missing, " (see above); the backend onnxruntime needs none of it"));
}

/// The lines of the backend tensorrt: the driver, our own library, TensorRT, and whether it can be used with them.
std::vector<Check> tensorrt_checks() {
  constexpr int kLeast = tensorrt::kLeastComputeCapability;
  const CudaDriver driver = look_at_cuda_driver("");
  const tensorrt::CudaSearch own = tensorrt::search_cuda_for_process();
  const tensorrt::Search search = tensorrt::search_for_process();
  std::optional<int32_t> device;
  for (size_t i = driver.devices.size(); i-- > 0;) {
    if (driver.devices[i].major >= kLeast) device = static_cast<int32_t>(i);
  }
  std::vector<Check> checks;
  checks.push_back(line("CUDA driver", device.has_value(), false, join(describe(driver, kLeast), "; ", kWhatFor)));
  checks.push_back(line(tensorrt::kCudaLibraryName, own.found.has_value(), false,
                        own.found ? join(own.found->path, ", interface ", tensorrt::kEntryVersion, "; ", kWhatFor)
                                  : join("not found: ", own.all_misses(), "; not needed: ", kWhatFor)));
  const std::string found =
      search.found ? join(search.found->version, ", ", search.found->path, " and ", search.found->parser_path, "; ", kWhatFor)
                   : join("not found: ", search.all_misses(), "; not needed: ", kWhatFor);
  checks.push_back(line("TensorRT", search.found.has_value(), false, found));
  checks.push_back(backend_check(device, own.found.has_value(), search.found.has_value()));
  return checks;
}

}  // namespace
}  // namespace plan

std::vector<Check> doctor() {
  using namespace plan;
  std::vector<Check> checks = onnxruntime_checks();
  for (Check (*check)() : {system_check, processor_check, kernels_check, threads_check, memory_check, cache_check}) checks.push_back(check());
  for (Check& check : tensorrt_checks()) checks.push_back(std::move(check));
  return checks;
}

}  // namespace vila
