// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/timing_cache.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <vector>

#include "common/mapped_file.h"
#include "support/npy.h"
#include "vila/vila.h"

using namespace vila;                  // NOLINT
using namespace vila::testing;         // NOLINT
using namespace vila::plan::tensorrt;  // NOLINT

namespace {

struct Lines final : LogListener {
  Lines() { set_log_listener(this, LogLevel::warn); }
  ~Lines() override { set_log_listener(nullptr, LogLevel::warn); }
  void on_log(LogLevel, const std::string& message) override { lines.push_back(message); }
  std::vector<std::string> lines;
};

void write(const std::string& path, const std::string& content) { write_timing_cache(path, content.data(), content.size()); }

}  // namespace

TEST_CASE("the timing cache: what was written comes back, the last writer wins, nothing is left beside it") {
  const TempDir dir;
  Lines log;
  const std::string path = (dir / "trt.timing").string(), content("measured\0\n\xFF", 11);
  CHECK(read_timing_cache(path).empty());
  write(path, content);
  CHECK(read_timing_cache(path) == content);
  write(path, "");
  CHECK(read_timing_cache(path).empty());
  write(path, content + content);
  CHECK(read_timing_cache(path) == content + content);
  CHECK(std::distance(std::filesystem::directory_iterator(dir.path()), {}) == 1);
  CHECK(log.lines.empty());
}

TEST_CASE("the timing cache: a damaged one is a warning and an empty one") {
  const TempDir dir;
  const std::string path = (dir / "trt.timing").string();
  write(path, "measured on this machine");
  const std::string whole = read_file(path, 1 << 20);
  for (size_t at = 0; at < whole.size(); ++at) {
    CAPTURE(at);
    std::string bytes = whole;
    bytes[at] ^= 1;
    write_file(path, bytes);
    Lines log;
    CHECK(read_timing_cache(path).empty());
    REQUIRE(log.lines.size() == 1);
    CHECK(log.lines[0] == path + ": the timing cache is damaged (its checksum does not match); it is made again");
  }
  for (size_t size = 0; size < whole.size(); ++size) {
    write_file(path, whole.substr(0, size));
    Lines log;
    CHECK(read_timing_cache(path).empty());
    CHECK(log.lines.size() == 1);
  }
}

TEST_CASE("the timing cache: a folder that cannot be written to is a warning") {
  const TempDir dir;
  Lines log;
  const std::string path = (dir / "none" / "trt.timing").string();
  write(path, "measured");
  REQUIRE(log.lines.size() == 1);
  CHECK(log.lines[0] == path + ": the timing cache cannot be written: No such file or directory");
}
