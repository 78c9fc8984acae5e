// SPDX-License-Identifier: Apache-2.0
// A file mapped read-only into memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace vila {

/// A read-only, shared mapping of a whole regular file. Immutable; any thread. Symbolic links are followed.
class MappedFile {
 public:
  /// Throws not_found, io (not a regular file, cannot be mapped). An empty file maps to size 0.
  static std::shared_ptr<const MappedFile> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const uint8_t* data() const noexcept { return data_; }
  uint64_t size() const noexcept { return size_; }
  /// As given to open().
  const std::string& path() const noexcept { return path_; }

 private:
  MappedFile() = default;
  std::string path_;
  const uint8_t* data_ = nullptr;
  uint64_t size_ = 0;
};

/// Reads a whole file of at most `limit` bytes; throws not_found, io, capacity naming the file.
std::string read_file(const std::string& path, uint64_t limit);

/// The absolute path with every symbolic link resolved; throws not_found.
std::string real_path(const std::string& path);

}  // namespace vila
