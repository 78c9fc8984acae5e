// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/timing_cache.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "common/error.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/mapped_file.h"

namespace vila::plan::tensorrt {
namespace {

constexpr uint64_t kMostBytes = uint64_t{1} << 30;
constexpr std::string_view kMagic = "vila4j timing cache 1\n";

/// The first bytes of a file that holds `content`.
std::string head_of(std::string_view content) {
  return std::string(kMagic) + Hasher().bytes(content.data(), content.size()).finish().hex() + "\n";
}

/// Writes all of it and syncs; false with errno set.
bool write_file(const std::string& path, std::string_view head, std::string_view content) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) return false;
  bool good = true;
  for (std::string_view rest : {head, content}) {
    while (good && !rest.empty()) {
      const ssize_t written = ::write(file, rest.data(), rest.size());
      if (written >= 0) rest.remove_prefix(static_cast<size_t>(written));
      good = written >= 0 || errno == EINTR;
    }
  }
  good = good && ::fsync(file) == 0;
  const int error = errno;
  ::close(file);
  errno = error;
  return good;
}

}  // namespace

std::string read_timing_cache(const std::string& path) {
  try {
    const std::string bytes = read_file(path, kMostBytes);
    const size_t head = kMagic.size() + 33;
    if (bytes.size() >= head && head_of(std::string_view(bytes).substr(head)) == bytes.substr(0, head)) return bytes.substr(head);
    log(LogLevel::warn, path, ": the timing cache is damaged (its checksum does not match); it is made again");
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found) log(LogLevel::warn, "the timing cache is made again: ", error.what());
  }
  return {};
}

void write_timing_cache(const std::string& path, const void* data, size_t size) {
  const std::string temporary = join(path, ".", ::getpid(), ".tmp");
  const std::string_view content(static_cast<const char*>(data), size);
  if (write_file(temporary, head_of(content), content) && ::rename(temporary.c_str(), path.c_str()) == 0) return;
  log(LogLevel::warn, path, ": the timing cache cannot be written: ", std::strerror(errno));
  ::unlink(temporary.c_str());
}

}  // namespace vila::plan::tensorrt
