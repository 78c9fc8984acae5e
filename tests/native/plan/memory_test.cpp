// SPDX-License-Identifier: Apache-2.0
// How much memory a loaded plan takes, against the size of its weights.
#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "common/error.h"
#include "common/mapped_file.h"
#include "plan/plan.h"
#include "plan/small_graph.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::plan;     // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

constexpr int64_t kWidth = 4096;
constexpr int64_t kMatrices = 16;
constexpr uint64_t kFp32Bytes = kMatrices * kWidth * kWidth * 4;  // 1 GiB

/// Bytes of a line "<key>: <n> kB" of a file under /proc; 0 without it.
uint64_t proc_bytes(const char* file, const std::string& key) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(key + ":")) continue;
    uint64_t kilobytes = 0;
    std::istringstream(line.substr(key.size() + 1)) >> kilobytes;
    return kilobytes * 1024;
  }
  return 0;
}

bool enough_memory() {
  const bool enough = proc_bytes("/proc/meminfo", "MemAvailable") > 3 * kFp32Bytes;
  if (!enough) MESSAGE("SKIPPED: needs 3 GiB of free memory");
  return enough;
}

/// A sparse file of matrices that are zero but for one element each: it takes no disk, and loading it is not kept waiting by one.
/// No two matrices may be equal, ONNX Runtime would keep their packed form once.
void write_weights(const std::filesystem::path& path, DType dtype) {
  const int64_t matrix_bytes = kWidth * kWidth * static_cast<int64_t>(size_of(dtype));
  std::ofstream file(path, std::ios::binary);
  for (int64_t i = 0; i < kMatrices; ++i) {
    const float value = 1.0f + static_cast<float>(i) / 64;  // exact in bf16, which is the upper half of its bytes
    const auto bits = std::bit_cast<uint32_t>(value);
    const char upper[] = {static_cast<char>(bits >> 16 & 0xFF), static_cast<char>(bits >> 24)};
    file.seekp(i * matrix_bytes + static_cast<int64_t>(size_of(dtype)) - 2);
    file.write(upper, sizeof upper);
  }
  file.seekp(kMatrices * matrix_bytes - 1);
  file.put('\0');
  file.flush();
  REQUIRE(file.good());
}

/// kMatrices products in a row, the weights external in `path`, cast to float in the graph where they are not.
graph::Graph weights_graph(const std::filesystem::path& path, DType dtype) {
  graph::Graph g = new_graph();
  g.inputs = {{"x", DType::f32, {"rows", kWidth}}};
  g.outputs = {{"y", DType::f32, {"rows", kWidth}}};
  const auto file = MappedFile::open(path.string());
  std::string last = "x";
  for (int64_t i = 0; i < kMatrices; ++i) {
    const auto weight = std::make_shared<TensorRef>();
    const uint64_t bytes = kWidth * kWidth * size_of(dtype);
    *weight = {join("w", i), dtype, {kWidth, kWidth}, file, static_cast<uint64_t>(i) * bytes, bytes};
    graph::Initializer initializer;
    initializer.name = weight->name;
    initializer.dtype = dtype;
    initializer.shape = weight->shape;
    initializer.source = weight;
    g.initializers.push_back(initializer);
    std::string factor = weight->name;
    if (dtype != DType::f32) {
      factor += "_fp32";
      g.nodes.push_back({"Cast", "", join("c", i), {weight->name}, {factor}, {{"to", int64_t{1}}}});
    }
    const std::string next = i + 1 == kMatrices ? "y" : join("t", i);
    g.nodes.push_back({"MatMul", "", join("m", i), {last, factor}, {next}, {}});
    last = next;
  }
  return g;
}

struct Growth {
  double loaded = 0, peak = 0, after_run = 0, closed = 0;  ///< of the resident set, in sizes of the weights in fp32
  double seconds = 0;
};

/// Loads the plan in a process of its own, so that nothing else is counted.
Growth measure(const std::string& onnx) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    try {
      const auto backend = onnxruntime_backend();
      const auto resident = [](const char* key) { return static_cast<double>(proc_bytes("/proc/self/status", key)); };
      const double empty = resident("VmRSS");
      const auto in_weights = [&](const char* key) { return (resident(key) - empty) / static_cast<double>(kFp32Bytes); };
      Growth growth;
      const auto start = std::chrono::steady_clock::now();
      CompileOptions options;
      options.threads = 2;
      auto plan = backend->compile(onnx, "weights", options);
      growth.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      growth.loaded = in_weights("VmRSS");
      growth.peak = in_weights("VmHWM");
      std::vector<float> x(kWidth, 1.0f), y(kWidth);
      plan->run({{"x", DType::f32, {1, kWidth}, x.data()}}, {{"y", DType::f32, {1, kWidth}, y.data()}}, nullptr);
      growth.after_run = in_weights("VmRSS");
      plan.reset();
      growth.closed = in_weights("VmRSS");
      if (::write(ends[1], &growth, sizeof growth) != sizeof growth) ::_exit(2);
      ::_exit(0);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      ::_exit(1);
    }
  }
  ::close(ends[1]);
  Growth growth;
  const ssize_t got = ::read(ends[0], &growth, sizeof growth);
  ::close(ends[0]);
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  REQUIRE(status == 0);
  REQUIRE(got == sizeof growth);
  return growth;
}

void check_growth(DType dtype) {
  const TempDir temp;
  if (!enough_memory()) return;
  const auto path = temp / "weights.bin";
  write_weights(path, dtype);
  const Growth growth = measure(graph::serialize(weights_graph(path, dtype)));
  MESSAGE(std::string(name_of(dtype)) << ": growth of the resident set in sizes of the fp32 weights: loaded " << growth.loaded << ", peak "
                         << growth.peak << ", after a run " << growth.after_run << ", closed " << growth.closed << "; compiled in "
                         << growth.seconds << " s");
  CHECK(growth.loaded < 1.3);
  CHECK(growth.peak < 1.3);
  CHECK(growth.after_run < 1.3);
  CHECK(growth.closed < 0.1);
  CHECK(growth.loaded > 0.9);  // fp32 products run on packed weights: a figure far below would mean they were not loaded at all
}

}  // namespace

TEST_CASE("loading 1 GiB of fp32 weights in place grows the resident set by less than 1.3 times their size") {
  check_growth(DType::f32);
}

TEST_CASE("loading bf16 weights that are computed in fp32 grows the resident set by less than 1.3 times their fp32 size") {
  check_growth(DType::bf16);
}
