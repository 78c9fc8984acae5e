// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/log.h"
#include "common/mapped_file.h"
#include "plan/environment.h"
#include "plan/plan.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::plan;     // NOLINT
using namespace vila::testing;  // NOLINT
namespace fs = std::filesystem;

namespace {

const std::string kContent = std::string("plan\0bytes", 10) + std::string(100000, 'x');

void write_content(const PlanCache::Write& write) {
  write(kContent.data(), 7);
  write(nullptr, 0);
  write(kContent.data() + 7, kContent.size() - 7);
}

void no_write(const PlanCache::Write&) { fail(ErrorCode::internal, "must not be written"); }

/// A file of one piece.
std::function<PlanCache::Pieces()> one(const std::function<void(const PlanCache::Write&)>& write) {
  return [write] { return PlanCache::Pieces{1, [write](size_t, const PlanCache::Write& to) { write(to); }}; };
}

/// A file of five pieces, each twice as long as the one before it, that notes which are asked for. A call of `between` stands in
/// the middle of piece 3.
class Five {
 public:
  explicit Five(std::function<void()> between = [] {}) : between_(std::move(between)) {}
  PlanCache::Weights in(const TempDir& temp) {
    asked.clear();
    return PlanCache(temp.path().string()).get_or_write("w", "1", [this] {
      return PlanCache::Pieces{5, [this](size_t piece, const PlanCache::Write& write) {
                                 asked.push_back(piece);
                                 const std::string half(size_t{3} << (piece + 15), static_cast<char>('a' + piece));
                                 write(half.data(), half.size());
                                 if (piece == 3) between_();
                                 write(half.data(), half.size());
                               }};
    });
  }
  std::vector<size_t> asked;

 private:
  std::function<void()> between_;
};

using Asked = std::vector<size_t>;

std::string no_build() { fail(ErrorCode::internal, "must not be built"); }

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string content_of(const std::string& path) { return read_file(path, 1 << 30); }

class Lines final : public LogListener {
 public:
  explicit Lines(LogLevel least = LogLevel::warn) { set_log_listener(this, least); }
  ~Lines() override { set_log_listener(nullptr, LogLevel::error); }
  void on_log(LogLevel, const std::string& message) override {
    const std::lock_guard lock(mutex_);
    lines_.push_back(message);
  }
  std::vector<std::string> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(lines_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

}  // namespace

TEST_CASE("an entry is built once and found again, by another cache object too") {
  const TempDir temp;
  const std::string dir = (temp / "made/on the way/ünïcode キャッシュ").string();
  PlanCache cache(dir);
  CHECK(cache.dir() == dir);
  const auto built = cache.get_or_build("language", "abc123", [] { return kContent; });
  CHECK_FALSE(built.existed);
  CHECK(built.bytes == kContent);
  CHECK(built.path == dir + "/language-abc123.onnx");
  const auto found = PlanCache(dir).get_or_build("language", "abc123", no_build);
  CHECK(found.existed);
  CHECK(found.bytes == kContent);
  CHECK(found.path == built.path);
  const auto other = cache.get_or_build("language", "abc124", [] { return std::string(); });
  CHECK_FALSE(other.existed);
  CHECK(PlanCache(dir).get_or_build("language", "abc124", no_build).bytes.empty());
  // No lock and no temporary file stays behind.
  CHECK(names_in(dir) == std::vector<std::string>{"language-abc123.onnx", "language-abc124.onnx"});
}

TEST_CASE("names that are no plain file names are refused") {
  const TempDir temp;
  PlanCache cache(temp.path().string());
  const auto message = [&](const std::string& label, const std::string& print) {
    return error_of([&] { cache.get_or_build(label, print, no_build); });
  };
  CHECK(message("", "a") == "10:plan cache: label \"\" is no file name of letters, digits, _ and -");
  CHECK(message("..", "a") == "10:plan cache: label \"..\" is no file name of letters, digits, _ and -");
  CHECK(message("a", "b/c") == "10:plan cache: fingerprint \"b/c\" is no file name of letters, digits, _ and -");
  CHECK(message("a b", "c").starts_with("10:plan cache: label \"a b\""));
  CHECK(message(std::string(300, 'a'), "c").starts_with("10:plan cache: label \"aaa"));
  CHECK(names_in(temp.path()).empty());
}

TEST_CASE("a build that throws leaves nothing, and the next one works") {
  const TempDir temp;
  PlanCache cache(temp.path().string());
  CHECK(error_of([&] { cache.get_or_build("p", "1", []() -> std::string { fail(ErrorCode::cancelled, "stopped"); }); }) ==
        "8:stopped");
  CHECK(names_in(temp.path()).empty());
  CHECK_FALSE(cache.get_or_build("p", "1", [] { return kContent; }).existed);
}

TEST_CASE("damaged entries are built again with a warning, every kind of damage") {
  const TempDir temp;
  PlanCache cache(temp.path().string());
  const std::string path = cache.get_or_build("p", "1", [] { return kContent; }).path;
  const std::string good = content_of(path);
  std::vector<std::string> damaged{"", "x", good.substr(0, good.size() - 1), good.substr(1), good + "x", good.substr(0, 27),
                                   std::string(good.size(), '\0')};
  for (size_t at : {size_t{0}, good.size() / 2, good.size() - 27, good.size() - 20, good.size() - 1}) {
    std::string flipped = good;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    damaged.push_back(flipped);
  }
  Lines lines;
  for (const std::string& bytes : damaged) {
    write_file(path, bytes);
    const auto entry = cache.get_or_build("p", "1", [] { return kContent; });
    CHECK_FALSE(entry.existed);
    CHECK(entry.bytes == kContent);
    CHECK(lines.take() == std::vector<std::string>{path + ": the cached plan is damaged (its checksum does not match); it is built again"});
    CHECK(content_of(path) == good);
  }
  CHECK(cache.get_or_build("p", "1", no_build).existed);
  CHECK(lines.take().empty());
}

TEST_CASE("weights are written once, found again, and end in the checksum of what was written") {
  const TempDir temp;
  PlanCache cache(temp.path().string());
  const auto written = cache.get_or_write("w", "1", one(write_content));
  CHECK(written.path == (temp / "w-1.safetensors").string());
  CHECK(written.bytes == kContent.size() + PlanCache::kChecksumBytes);
  CHECK_FALSE(written.existed);
  const std::string file = content_of(written.path);
  CHECK(file.substr(0, kContent.size()) == kContent);
  CHECK(file.size() == written.bytes);
  const auto found = PlanCache(temp.path().string()).get_or_write("w", "1", one(no_write));
  CHECK(found.existed);
  CHECK(found.path == written.path);
  CHECK(found.bytes == written.bytes);
  CHECK_FALSE(cache.get_or_write("w", "2", [] { return PlanCache::Pieces{}; }).existed);  // nothing but the checksum
  CHECK(cache.get_or_write("w", "2", one(no_write)).bytes == PlanCache::kChecksumBytes);
  CHECK(names_in(temp.path()) == std::vector<std::string>{"w-1.safetensors", "w-2.safetensors"});
  CHECK(error_of([&] { cache.get_or_write("a/b", "1", one(no_write)); }) ==
        "10:plan cache: label \"a/b\" is no file name of letters, digits, _ and -");
}

TEST_CASE("weights larger than a read are compared to their end") {
  const TempDir temp;
  PlanCache cache(temp.path().string());
  const std::string megabytes(5 * (size_t{1} << 20) / 2, 'm');
  const auto write = [&](const PlanCache::Write& to) { to(megabytes.data(), megabytes.size()); };
  const std::string path = cache.get_or_write("w", "1", one(write)).path;
  CHECK(cache.get_or_write("w", "1", one(no_write)).existed);
  std::string bytes = content_of(path);
  bytes[bytes.size() - PlanCache::kChecksumBytes - 1] = 'n';
  write_file(path, bytes);
  CHECK_FALSE(cache.get_or_write("w", "1", one(write)).existed);
}

TEST_CASE("writing weights that throws leaves nothing, and the next one works") {
  const TempDir temp;
  PlanCache cache(temp.path().string());
  CHECK(error_of([&] {
          cache.get_or_write("w", "1", one([](const PlanCache::Write& write) {
            write("half", 4);
            fail(ErrorCode::bad_file, "broken");
          }));
        }) == "4:broken");
  CHECK(names_in(temp.path()).empty());
  const auto broken = []() -> PlanCache::Pieces { fail(ErrorCode::bad_file, "broken"); };
  CHECK(error_of([&] { cache.get_or_write("w", "1", broken); }) == "4:broken");
  CHECK(names_in(temp.path()).empty());
  CHECK_FALSE(cache.get_or_write("w", "1", one(write_content)).existed);
}

TEST_CASE("weights that a killed process had begun are gone on with behind the last whole piece, and become the same file") {
  const TempDir temp, undisturbed;
  Lines lines(LogLevel::info);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    Five([] { ::raise(SIGKILL); }).in(temp);
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
  CHECK_FALSE(fs::exists(temp / "w-1.safetensors"));
  CHECK(fs::file_size(temp / "w-1.safetensors.partial") == (size_t{7} * 3 << 16) + (size_t{3} << 18));  // 0 to 2, and half of 3
  Five rest;
  const auto written = rest.in(temp);
  CHECK(rest.asked == Asked{3, 4});
  CHECK_FALSE(written.existed);
  CHECK(lines.take() == std::vector<std::string>{written.path + ": goes on behind 3 of 5 pieces that are there"});
  CHECK(names_in(temp.path()) == std::vector<std::string>{"w-1.safetensors"});
  Five whole;
  const auto other = whole.in(undisturbed);
  CHECK(whole.asked == Asked{0, 1, 2, 3, 4});
  CHECK(content_of(written.path) == content_of(other.path));
  CHECK(written.bytes == other.bytes);
  CHECK(lines.take().empty());
}

TEST_CASE("what was begun is compared before it is gone on with") {
  const auto piece_end = [](size_t piece) { return (size_t{6} << 15) * ((size_t{2} << piece) - 1); };
  struct Harm {
    const char* name;
    std::function<void(const fs::path& partial, const fs::path& list)> apply;
    Asked asked;
  };
  const auto flip = [](const fs::path& path, size_t at) {
    std::string bytes = content_of(path.string());
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    write_file(path, bytes);
  };
  const Harm harms[] = {
      {"none", [](const auto&, const auto&) {}, {3, 4}},
      {"a byte of piece 1", [&](const auto& partial, const auto&) { flip(partial, piece_end(0)); }, {1, 2, 3, 4}},
      {"the last byte of piece 2", [&](const auto& partial, const auto&) { flip(partial, piece_end(2) - 1); }, {2, 3, 4}},
      {"a byte of the piece that was not whole", [&](const auto& partial, const auto&) { flip(partial, piece_end(2)); }, {3, 4}},
      {"cut within piece 2", [&](const auto& partial, const auto&) { fs::resize_file(partial, piece_end(2) - 1); }, {2, 3, 4}},
      {"empty", [&](const auto& partial, const auto&) { fs::resize_file(partial, 0); }, {0, 1, 2, 3, 4}},
      {"gone", [&](const auto& partial, const auto&) { fs::remove(partial); }, {0, 1, 2, 3, 4}},
      {"no list", [&](const auto&, const auto& list) { fs::remove(list); }, {0, 1, 2, 3, 4}},
      {"a torn list", [&](const auto&, const auto& list) { fs::resize_file(list, fs::file_size(list) - 1); }, {2, 3, 4}},
      {"a wrong size in the list", [&](const auto&, const auto& list) { flip(list, 24 + 7); }, {1, 2, 3, 4}},
      {"a wrong checksum in the list", [&](const auto&, const auto& list) { flip(list, 8); }, {0, 1, 2, 3, 4}},
      {"a list that goes on",
       [&](const auto&, const auto& list) { write_file(list, content_of(list.string()) + std::string(500, 'x')); },
       {3, 4}}};
  const TempDir undisturbed;
  Five whole;
  const std::string good = content_of(whole.in(undisturbed).path);
  for (const Harm& harm : harms) {
    CAPTURE(harm.name);
    const TempDir temp;
    CHECK(error_of([&] { Five([] { fail(ErrorCode::cancelled, "stopped"); }).in(temp); }) == "8:stopped");
    CHECK(names_in(temp.path()) == std::vector<std::string>{"w-1.safetensors.partial", "w-1.safetensors.partial.done"});
    harm.apply(temp / "w-1.safetensors.partial", temp / "w-1.safetensors.partial.done");
    Five rest;
    CHECK(content_of(rest.in(temp).path) == good);
    CHECK(rest.asked == harm.asked);
    CHECK(names_in(temp.path()) == std::vector<std::string>{"w-1.safetensors"});
  }
}

TEST_CASE("damaged or missing weights are written again, every kind of damage") {
  const TempDir temp;
  PlanCache cache(temp.path().string());
  const std::string path = cache.get_or_write("w", "1", one(write_content)).path;
  const std::string good = content_of(path);
  std::vector<std::string> damaged{
      "", "x", good.substr(0, good.size() - 1), good.substr(1), good + "x", good.substr(0, 16), std::string(good.size(), '\0')};
  for (size_t at : {size_t{0}, good.size() / 2, good.size() - 17, good.size() - 16, good.size() - 1}) {
    std::string flipped = good;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    damaged.push_back(flipped);
  }
  Lines lines;
  for (const std::string& bytes : damaged) {
    write_file(path, bytes);
    CHECK_FALSE(cache.get_or_write("w", "1", one(write_content)).existed);
    CHECK(lines.take() == std::vector<std::string>{
                              path + ": the cached weights are damaged (their checksum does not match); they are written again"});
    CHECK(content_of(path) == good);
  }
  fs::remove(path);
  CHECK_FALSE(cache.get_or_write("w", "1", one(write_content)).existed);
  CHECK(lines.take().empty());
}

TEST_CASE("threads that race for weights write them once") {
  const TempDir temp;
  std::atomic<int> writes{0}, existed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      const auto weights = PlanCache(temp.path().string()).get_or_write("w", "1", one([&](const PlanCache::Write& write) {
        ++writes;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        write_content(write);
      }));
      existed += weights.existed ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(writes == 1);
  CHECK(existed == 5);
  CHECK(names_in(temp.path()) == std::vector<std::string>{"w-1.safetensors"});
}

TEST_CASE("threads that race for one entry build it once; other entries do not wait for it") {
  const TempDir temp;
  std::atomic<int> builds{0}, existed{0}, wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      PlanCache cache(temp.path().string());
      const auto entry = cache.get_or_build("p", "1", [&] {
        ++builds;
        // Another entry can be built meanwhile, from inside too.
        if (PlanCache(temp.path().string()).get_or_build("q", "1", [] { return std::string("q"); }).bytes != "q") ++wrong;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        return kContent;
      });
      existed += entry.existed ? 1 : 0;
      if (entry.bytes != kContent) ++wrong;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(builds == 1);
  CHECK(existed == 7);
  CHECK(wrong == 0);
  CHECK(names_in(temp.path()) == std::vector<std::string>{"p-1.onnx", "q-1.onnx"});
}

TEST_CASE("processes that race for one entry build it once") {
  const TempDir temp, marks;
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i) {
    children.push_back(in_child([&] {
      const auto entry = PlanCache(temp.path().string()).get_or_build("p", "1", [&] {
        write_file(marks / std::to_string(::getpid()), "");
        std::this_thread::sleep_for(std::chrono::milliseconds(150));
        return kContent;
      });
      if (entry.bytes != kContent) throw std::runtime_error("wrong content");
    }));
  }
  for (pid_t pid : children) CHECK(status_of(pid) == 0);
  CHECK(names_in(marks.path()).size() == 1);
  CHECK(names_in(temp.path()) == std::vector<std::string>{"p-1.onnx"});
}

TEST_CASE("locks and temporary files that come and go under contention lose no build") {
  const TempDir temp;
  std::vector<pid_t> children;
  for (int child = 0; child < 4; ++child) {
    children.push_back(in_child([&] {
      for (int i = 0; i < 60; ++i) {
        const std::string print = std::to_string(i);
        const auto entry = PlanCache(temp.path().string()).get_or_build("p", print, [&] { return print; });
        if (entry.bytes != print) throw std::runtime_error("wrong content");
      }
    }));
  }
  for (pid_t pid : children) CHECK(status_of(pid) == 0);
  CHECK(names_in(temp.path()).size() == 60);
}

TEST_CASE("a builder that is killed leaves no entry, and the next one is not held up") {
  const TempDir temp;
  const pid_t pid = in_child([&] {
    PlanCache(temp.path().string()).get_or_build("p", "1", [&] {
      write_file(temp / "building", "");
      for (;;) ::pause();
      return std::string();
    });
  });
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!fs::exists(temp / "building") && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  REQUIRE(fs::exists(temp / "building"));
  REQUIRE(::kill(pid, SIGKILL) == 0);
  CHECK(WIFSIGNALED(status_of(pid)));
  fs::remove(temp / "building");
  CHECK_FALSE(fs::exists(temp / "p-1.onnx"));
  // As if it had been killed while it wrote.
  write_file(temp / "p-1.onnx.tmp", kContent + kContent);
  const auto entry = PlanCache(temp.path().string()).get_or_build("p", "1", [] { return kContent; });
  CHECK_FALSE(entry.existed);
  CHECK(PlanCache(temp.path().string()).get_or_build("p", "1", no_build).bytes == kContent);
  CHECK(names_in(temp.path()) == std::vector<std::string>{"p-1.onnx"});
}

TEST_CASE("a folder that cannot be made or written is named, with the way out") {
  const TempDir temp;
  write_file(temp / "file", "");
  const std::string below = (temp / "file/cache").string();
  const std::string way_out = "; another folder can be set with the load option cache_dir or the environment variable VILA_CACHE";
  CHECK(error_of([&] { PlanCache cache(below); }) == "3:" + below + ": the plan cache cannot be made: Not a directory" + way_out);
  CHECK(error_of([&] { PlanCache cache((temp / "file").string()); }) ==
        "3:" + (temp / "file").string() + ": the plan cache cannot be made: Not a directory" + way_out);
  // A folder where the temporary file should go: the write fails, also for root.
  PlanCache cache(temp.path().string());
  fs::create_directory(temp / "p-1.onnx.tmp");
  CHECK(error_of([&] { cache.get_or_build("p", "1", [] { return kContent; }); }) ==
        "3:" + (temp / "p-1.onnx.tmp").string() + ": cannot be created: Is a directory" + way_out);
  CHECK_FALSE(fs::exists(temp / "p-1.onnx"));
}

TEST_CASE("a read-only folder serves what it holds and refuses to build") {
  const TempDir temp;
  // In a child that is not root: root may write everywhere.
  const pid_t pid = in_child([&] {
    constexpr uid_t kNobody = 65534;
    if (::geteuid() == 0 && (::chown(temp.path().c_str(), kNobody, kNobody) != 0 || ::setuid(kNobody) != 0)) ::_exit(2);
    const auto require = [](bool holds, int status) {
      if (!holds) ::_exit(status);
    };
    PlanCache(temp.path().string()).get_or_build("p", "1", [] { return kContent; });
    require(::chmod(temp.path().c_str(), 0555) == 0, 3);
    PlanCache cache(temp.path().string());
    require(cache.get_or_build("p", "1", no_build).existed, 4);
    const std::string message = error_of([&] { cache.get_or_build("p", "2", [] { return kContent; }); });
    require(message.starts_with("3:" + (temp / "p-2.onnx.lock").string() + ": cannot be created: Permission denied; another folder"), 5);
    require(::chmod(temp.path().c_str(), 0755) == 0, 6);
  });
  CHECK(status_of(pid) == 0);
}

TEST_CASE("the folder: option, VILA_CACHE, XDG_CACHE_HOME, home, temporary directory") {
  const TempDir temp;
  const auto under = [&](const char* name) { return (temp / name).string(); };
  const Variable tmp("TMPDIR", under("tmp"));
  fs::create_directory(temp / "tmp");
  const std::string last = under("tmp") + "/vila4j-" + std::to_string(::geteuid());
  Variable vila_cache("VILA_CACHE", under("env"));
  Variable xdg("XDG_CACHE_HOME", under("xdg"));
  Variable home("HOME", under("home"));
  CHECK(PlanCache(under("option")).dir() == under("option"));
  CHECK(PlanCache("").dir() == under("env"));
  {
    const Variable none("VILA_CACHE", std::nullopt);
    CHECK(PlanCache("").dir() == under("xdg") + "/vila4j");
    const Variable relative("XDG_CACHE_HOME", "relative");
    CHECK(PlanCache("").dir() == under("home") + "/.cache/vila4j");
    Lines lines;
    {
      write_file(temp / "file", "");
      const Variable broken("HOME", under("file"));
      CHECK(PlanCache("").dir() == last);
      CHECK(lines.take() == std::vector<std::string>{under("file") + "/.cache/vila4j: not usable as plan cache: Not a directory; " +
                                                     "a folder under the temporary directory is used"});
    }
    const Variable homeless("HOME", std::nullopt);
    CHECK(PlanCache("").dir() == last);
    CHECK(lines.take().empty());
    // Someone else could have made it: it must be ours alone.
    REQUIRE(::chmod(last.c_str(), 0777) == 0);
    CHECK(error_of([] { PlanCache cache(""); }).starts_with("3:" + last + ": no folder that only this user can write"));
  }
}
