// SPDX-License-Identifier: Apache-2.0
#include "common/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "common/error.h"

namespace vila {
namespace {

/// An open file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) {
      const int error = errno;
      fail(error == ENOENT || error == ENOTDIR ? ErrorCode::not_found : ErrorCode::io, path, ": ", std::strerror(error));
    }
  }
  ~Descriptor() { ::close(fd_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  uint64_t regular_size(const std::string& path) const {
    struct stat status {};
    if (::fstat(fd_, &status) != 0) fail(ErrorCode::io, path, ": ", std::strerror(errno));
    if (!S_ISREG(status.st_mode)) fail(ErrorCode::io, path, ": not a regular file");
    return static_cast<uint64_t>(status.st_size);
  }

 private:
  int fd_;
};

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
  const Descriptor descriptor(path);
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->path_ = path;
  file->size_ = descriptor.regular_size(path);
  if (file->size_ > 0) {
    void* address = ::mmap(nullptr, file->size_, PROT_READ, MAP_SHARED, descriptor.get(), 0);
    if (address == MAP_FAILED) {
      const int error = errno;
      file->size_ = 0;
      fail(ErrorCode::io, path, ": cannot be mapped: ", std::strerror(error));
    }
    file->data_ = static_cast<const uint8_t*>(address);
  }
  return file;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<uint8_t*>(data_), size_);
}

std::string read_file(const std::string& path, uint64_t limit) {
  const Descriptor descriptor(path);
  const uint64_t size = descriptor.regular_size(path);
  if (size > limit) fail(ErrorCode::capacity, path, ": ", size, " bytes, at most ", limit, " are accepted");
  std::string content(size, '\0');
  uint64_t done = 0;
  while (done < size) {
    const ssize_t count = ::read(descriptor.get(), content.data() + done, size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(ErrorCode::io, path, ": ", std::strerror(errno));
    if (count == 0) fail(ErrorCode::io, path, ": became shorter while it was read");
    done += static_cast<uint64_t>(count);
  }
  return content;
}

std::string real_path(const std::string& path) {
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) fail(ErrorCode::not_found, path, ": ", std::strerror(errno));
  std::string result(resolved);
  std::free(resolved);
  return result;
}

}  // namespace vila
