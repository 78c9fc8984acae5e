// SPDX-License-Identifier: Apache-2.0
// Helpers of every native test: NumPy files, test data, temporary folders, expected errors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "vila/vila.h"

namespace vila::testing {

/// A NumPy array (version 1.0 or 2.0, little-endian) of float32 or uint8; elements in C order, whatever the file's.
struct Npy {
  std::vector<int64_t> shape;
  std::vector<float> floats;      ///< of '<f4'
  std::vector<uint8_t> bytes;     ///< of '|u1'
};
Npy read_npy(const std::filesystem::path& path);

/// tests/data/<name> ($VILA_TEST_DATA); throws when it is not there.
std::filesystem::path data(const std::string& name);

/// Largest absolute difference; infinity when sizes differ or either has a NaN.
double max_abs_difference(const std::vector<float>& a, const std::vector<float>& b);

/// A new folder under the temporary directory, removed with everything in it at the end of scope.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

void write_file(const std::filesystem::path& path, const std::string& content);

/// Runs `call`, which must throw vila::Error, and returns "<code number>:<message>"; "no error" when it does not throw.
template <typename Call>
std::string error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.coded();
  }
  return "no error";
}

}  // namespace vila::testing
