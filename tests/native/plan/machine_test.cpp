// SPDX-License-Identifier: Apache-2.0
// What is found on a machine: processors, limits, libraries, and what doctor() says of them.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "common/error.h"
#include "common/utf8.h"
#include "kernels/product.h"
#include "plan/control_group.h"
#include "plan/cpu.h"
#include "plan/cuda_driver.h"
#include "plan/memory.h"
#include "plan/environment.h"
#include "plan/onnxruntime/library.h"
#include "plan/plan.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::plan;     // NOLINT
using namespace vila::testing;  // NOLINT
namespace fs = std::filesystem;

namespace {

void put(const fs::path& path, const std::string& content) {
  fs::create_directories(path.parent_path());
  write_file(path, content);
}

std::string topology(const TempDir& root, int processor) {
  return (root / join("sys/devices/system/cpu/cpu", processor, "/topology/")).string();
}

ControlGroupLimits limits_of(const TempDir& root) { return control_group_limits(root.path().string()); }

const Check& find(const std::vector<Check>& checks, const std::string& name) {
  const auto found = std::find_if(checks.begin(), checks.end(), [&](const Check& check) { return check.name == name; });
  REQUIRE_MESSAGE(found != checks.end(), name);
  return *found;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("an instruction set that VILA_CPU does not name rightly is an error of the backend and a line of doctor") {
  // In a child: the variable is read once a process.
  const pid_t pid = in_child([] {
    ::setenv("VILA_CPU", "fast", 1);
    const std::string error = error_of([] { onnxruntime_backend(); });
    if (!error.starts_with("1:VILA_CPU: 'fast' is no instruction set; expected portable")) ::_exit(2);
    for (const Check& check : doctor()) {
      if (check.name == "kernels") ::_exit(!check.ok && check.required && check.detail == error.substr(2) ? 0 : 3);
    }
    ::_exit(4);
  });
  CHECK(status_of(pid) == 0);
}

TEST_CASE("physical cores: siblings count once, in the kernel's new and old form") {
  const TempDir root;
  for (int i = 0; i < 4; ++i) put(topology(root, i) + "core_cpus_list", i % 2 == 0 ? "0,2\n" : "1,3\n");
  const std::string path = root.path().string();
  CHECK(count_cores(path, {0, 1, 2, 3}) == 2);
  CHECK(count_cores(path, {0, 2}) == 1);
  CHECK(count_cores(path, {0, 1}) == 2);
  put(topology(root, 4) + "thread_siblings_list", "4-5\n");
  put(topology(root, 5) + "thread_siblings_list", "4-5\n");
  CHECK(count_cores(path, {4, 5}) == 1);
  CHECK(count_cores(path, {6, 7}) == 2);  // nothing known of them
}

TEST_CASE("usable memory: the machine's, or less where a control group grants less") {
  const TempDir root;
  const std::string path = root.path().string();
  CHECK(usable_memory(path) == 0);  // nothing known
  put(root / "proc/self/cgroup", "0::/box\n");
  put(root / "sys/fs/cgroup/box/memory.max", "3000000000\n");
  CHECK(usable_memory(path) == 3000000000);
  put(root / "proc/meminfo", "MemFree: 1 kB\nMemTotal:       2000000 kB\nMemAvailable: 5 kB\n");
  CHECK(usable_memory(path) == 2048000000);
  put(root / "sys/fs/cgroup/box/memory.max", "1000000000\n");
  CHECK(usable_memory(path) == 1000000000);
  put(root / "sys/fs/cgroup/box/memory.max", "max\n");
  CHECK(usable_memory(path) == 2048000000);
}

TEST_CASE("physical cores of this machine are within what the system says") {
  const int cores = physical_cores();
  CHECK(cores >= 1);
  CHECK(cores <= static_cast<int>(allowed_processors().size()));
  CHECK(allowed_processors().size() <= std::thread::hardware_concurrency() * 64);
}

TEST_CASE("control group limits, version 2: the tightest of a group and its parents") {
  const TempDir root;
  CHECK(limits_of(root).processors == 0);
  CHECK(limits_of(root).memory_bytes == 0);
  put(root / "proc/self/cgroup", "0::/outer/inner\n");
  put(root / "sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n");
  put(root / "sys/fs/cgroup/outer/inner/memory.max", "max\n");
  CHECK(limits_of(root).processors == 0);
  CHECK(limits_of(root).memory_bytes == 0);
  put(root / "sys/fs/cgroup/outer/inner/cpu.max", "400000 100000\n");
  CHECK(limits_of(root).processors == 4);
  put(root / "sys/fs/cgroup/outer/cpu.max", "150000 100000\n");
  put(root / "sys/fs/cgroup/outer/memory.max", "8589934592\n");
  put(root / "sys/fs/cgroup/outer/inner/memory.max", "17179869184\n");
  CHECK(limits_of(root).processors == 2);  // one and a half
  CHECK(limits_of(root).memory_bytes == 8589934592ULL);
  put(root / "sys/fs/cgroup/outer/cpu.max", "10000 100000\n");
  CHECK(limits_of(root).processors == 1);
  put(root / "sys/fs/cgroup/outer/cpu.max", "nonsense");
  CHECK(limits_of(root).processors == 4);
}

TEST_CASE("control group limits, version 2, seen from inside a container") {
  const TempDir root;
  put(root / "proc/self/cgroup", "0::/\n");
  put(root / "sys/fs/cgroup/cpu.max", "200000 100000\n");
  CHECK(limits_of(root).processors == 2);
}

TEST_CASE("control group limits, version 1") {
  const TempDir root;
  put(root / "proc/self/cgroup", "5:memory:/box\n4:cpu,cpuacct:/box\n1:name=systemd:/\nbroken\n::\n");
  put(root / "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "-1\n");
  put(root / "sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000\n");
  put(root / "sys/fs/cgroup/memory/box/memory.limit_in_bytes", "9223372036854771712\n");
  CHECK(limits_of(root).processors == 0);
  CHECK(limits_of(root).memory_bytes == 0);
  put(root / "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "300000\n");
  put(root / "sys/fs/cgroup/memory/box/memory.limit_in_bytes", "1073741824\n");
  CHECK(limits_of(root).processors == 3);
  CHECK(limits_of(root).memory_bytes == 1073741824ULL);
}

TEST_CASE("the library search tells every place and why it would not do") {
  using plan::onnxruntime::Search;
  using plan::onnxruntime::search_library;
  const TempDir temp;
  const auto only_miss = [](const Search& search) {
    REQUIRE_FALSE(search.found);
    REQUIRE(search.misses.size() == 1);
    return search.misses[0].place + ": " + search.misses[0].reason;
  };
  const std::string absent = (temp / "none/libonnxruntime.so").string();
  CHECK(only_miss(search_library(absent)) == "the path that was set, " + absent + ": no such file");
  CHECK(only_miss(search_library(temp.path().string())) ==
        "the path that was set, " + temp.path().string() + "/libonnxruntime.so: no such file");
  const std::string text = (temp / "text.so").string();
  write_file(text, "this is no library");
  CHECK(contains(only_miss(search_library(text)), "text.so: file too short"));
  CHECK(only_miss(search_library("libc.so.6")) == "the path that was set, libc.so.6: exports no OrtGetApiBase: not ONNX Runtime");
  const Search old = search_library(VILA_FAKE_ONNXRUNTIME);
  CHECK(contains(only_miss(old), "version 1.16.3 is too old, at least 1."));
  CHECK(old.misses[0].too_old);

  const std::string real = std::getenv("VILA_ONNXRUNTIME");
  CHECK(search_library(real).found->path == real);
  CHECK(search_library("").found->path == real);
  CHECK(search_library(fs::path(real).parent_path().string()).found.has_value());
  {
    const Variable broken("VILA_ONNXRUNTIME", absent);
    const Search search = search_library("");
    REQUIRE(search.misses.size() >= 2);
    CHECK(search.misses[0].place == "VILA_ONNXRUNTIME " + absent);
    CHECK(search.misses[1].place.starts_with("beside vila4j /"));
    CHECK(contains(search.advice(), "tried VILA_ONNXRUNTIME " + absent + ": no such file; beside vila4j /"));
    CHECK(contains(search.advice(), ", or name it in VILA_ONNXRUNTIME"));
  }
}

TEST_CASE("a library that is missing or too old is an error of its own kind; once a path is right, it works") {
  const TempDir temp;
  // In a child: the library of a process is found once.
  const pid_t pid = in_child([&] {
    const std::string real = std::getenv("VILA_ONNXRUNTIME");
    const auto require = [](bool holds, int status) {
      if (!holds) ::_exit(status);
    };
    set_onnxruntime_path((temp / "none.so").string());
    const std::string none = error_of([] { onnxruntime_backend(); });
    require(none.starts_with("2:ONNX Runtime was not found: tried the path that was set, " + (temp / "none.so").string()), 2);
    set_onnxruntime_path(VILA_FAKE_ONNXRUNTIME);
    const std::string old = error_of([] { onnxruntime_backend(); });
    require(old.starts_with("5:only an ONNX Runtime that is too old was found: tried the path that was set, "), 3);
    const std::vector<Check> checks = onnxruntime_checks();
    require(checks.size() == 1 && !checks[0].ok && checks[0].required && checks[0].detail == old.substr(2), 4);
    set_onnxruntime_path(real);
    require(onnxruntime_backend()->name() == "onnxruntime", 5);
    require(onnxruntime_checks()[0].ok, 6);
    // Too late: the one in use stays.
    set_onnxruntime_path((temp / "none.so").string());
    require(contains(onnxruntime_checks()[0].detail, real), 7);
  });
  CHECK(status_of(pid) == 0);
}

TEST_CASE("doctor: every line is there, one line each, and says what it found") {
  const TempDir temp;
  const Variable cache("VILA_CACHE", (temp / "cache").string());
  const std::vector<Check> checks = doctor();
  for (const Check& check : checks) {
    MESSAGE((check.ok ? "ok  " : "no  ") << check.name << ": " << check.detail);
    CHECK_FALSE(check.detail.empty());
    CHECK_FALSE(contains(check.detail, "\n"));
    CHECK(invalid_utf8_offset(check.detail) == std::string_view::npos);
  }
  for (const char* name : {"ONNX Runtime", "system", "plan cache"}) {
    CHECK(find(checks, name).ok);
    CHECK(find(checks, name).required);
  }
  CHECK(contains(find(checks, "ONNX Runtime").detail, std::getenv("VILA_ONNXRUNTIME")));
  CHECK(contains(find(checks, "plan cache").detail, (temp / "cache").string() + ", writable, "));
  CHECK(contains(find(checks, "threads").detail, join(physical_cores(), " used for one computation")));
  CHECK(contains(find(checks, "memory").detail, " GiB"));
  CHECK(find(checks, "kernels").ok);
  CHECK(contains(find(checks, "kernels").detail, join("products in 8 and 4 bits ", kernels::products().front().name, ", in bfloat16 ")));
  for (const CpuFeature& feature : cpu_features()) CHECK(contains(find(checks, "processor").detail, feature.name));
  for (const char* name : {"CUDA driver", "libvila_cuda.so", "TensorRT"}) {
    CHECK_FALSE(find(checks, name).required);
    CHECK(contains(find(checks, name).detail, "only the backend tensorrt uses it"));
  }
  CHECK_FALSE(find(checks, "backend tensorrt").required);
}

TEST_CASE("doctor: what the backend tensorrt lacks is one line") {
  set_cuda_library_path("/nowhere/libvila_cuda.so");
  set_tensorrt_path("/nowhere");
  const std::vector<Check> checks = doctor();
  set_cuda_library_path("");
  set_tensorrt_path("");
  CHECK(contains(find(checks, "libvila_cuda.so").detail, "not found: tried the file that was set, /nowhere/libvila_cuda.so: "));
  CHECK(contains(find(checks, "TensorRT").detail, "not found: tried the folder that was set, /nowhere/libnvinfer.so.11: "));
  const Check& backend = find(checks, "backend tensorrt");
  CHECK_FALSE(backend.ok);
  CHECK(backend.detail.starts_with("cannot be used, missing: libvila_cuda.so, TensorRT"));
  CHECK(backend.detail.ends_with(" (see above); the backend onnxruntime needs none of it"));
  CHECK(contains(backend.detail, "an NVIDIA driver") != find(checks, "CUDA driver").ok);
}

TEST_CASE("CUDA driver: devices with memory and compute capability; without one, why") {
  const auto text = [](const std::string& file) { return describe(look_at_cuda_driver(file), 8); };
  const std::string fake = VILA_FAKE_CUDA;
  CHECK(text("/nowhere/libcuda.so.1") ==
        "no NVIDIA driver (/nowhere/libcuda.so.1: cannot open shared object file: No such file or directory)");
  CHECK(text("libc.so.6") == "libc.so.6 lacks the functions of a driver");
  {
    const Variable broken("FAKE_CUDA_DEVICES", std::nullopt);
    CHECK(text(fake) == fake + " is there but finds no usable device (cuInit: error 100)");
  }
  {
    const Variable none("FAKE_CUDA_DEVICES", "0");
    CHECK(text(fake) == fake + " finds no device (CUDA_VISIBLE_DEVICES hides the ones it does not name)");
  }
  {
    const Variable one("FAKE_CUDA_DEVICES", "1");
    CHECK(text(fake) == "for CUDA 13.0, 1 device: NVIDIA H200 (140.0 GiB, compute capability 9.0)");
  }
  const Variable two("FAKE_CUDA_DEVICES", "2");
  CHECK(text(fake) ==
        "for CUDA 13.0, 2 devices: NVIDIA H200 (140.0 GiB, compute capability 9.0), Tesla T4 (15.0 GiB, compute capability 7.5, "
        "too old: at least 8.0 is needed)");
}

TEST_CASE("doctor: a cache folder that cannot be made is a failed line, not an exception") {
  const TempDir temp;
  write_file(temp / "file", "");
  const std::string dir = (temp / "file/cache").string();
  const Variable cache("VILA_CACHE", dir);
  const std::vector<Check> checks = doctor();
  const Check& check = find(checks, "plan cache");
  CHECK_FALSE(check.ok);
  CHECK(check.required);
  CHECK(check.detail.starts_with(dir + ": the plan cache cannot be made: Not a directory; another folder can be set"));
}
