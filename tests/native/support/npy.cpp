// SPDX-License-Identifier: Apache-2.0
#include "support/npy.h"

#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <regex>
#include <sstream>
#include <stdexcept>

namespace vila::testing {
namespace fs = std::filesystem;

namespace {

/// Elements stored first index fastest, as elements stored last index fastest.
template <typename T>
std::vector<T> to_c_order(const std::vector<T>& source, const std::vector<int64_t>& shape) {
  std::vector<T> target(source.size());
  for (size_t c = 0; c < target.size(); ++c) {
    size_t rest = c, f = 0;
    for (size_t d = shape.size(); d-- > 0;) {
      size_t stride = 1;
      for (size_t before = 0; before < d; ++before) stride *= static_cast<size_t>(shape[before]);
      f += rest % static_cast<size_t>(shape[d]) * stride;
      rest /= static_cast<size_t>(shape[d]);
    }
    target[c] = source[f];
  }
  return target;
}

}  // namespace

Npy read_npy(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream stream;
  stream << in.rdbuf();
  const std::string content = stream.str();
  if (content.size() < 12 || content.compare(0, 6, "\x93NUMPY") != 0) throw std::runtime_error(path.string() + ": not a .npy file");
  const auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(content[i])); };
  const bool v1 = content[6] == 1;
  const size_t header_size = v1 ? byte(8) | byte(9) << 8 : byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24;
  const size_t start = v1 ? 10 : 12;
  const std::string header = content.substr(start, header_size);
  const bool fortran = header.find("'fortran_order': True") != std::string::npos;
  std::smatch match;
  if (!std::regex_search(header, match, std::regex(R"('shape': \(([^)]*)\))"))) throw std::runtime_error(path.string() + ": no shape");
  Npy array;
  size_t count = 1;
  std::stringstream shape(match[1].str());
  for (std::string part; std::getline(shape, part, ',');) {
    if (part.find_first_of("0123456789") == std::string::npos) continue;
    array.shape.push_back(std::stoll(part));
    count *= static_cast<size_t>(array.shape.back());
  }
  const size_t data_start = start + header_size;
  const bool is_float = header.find("'<f4'") != std::string::npos;
  if (!is_float && header.find("'|u1'") == std::string::npos) throw std::runtime_error(path.string() + ": neither <f4 nor |u1");
  const size_t bytes = count * (is_float ? 4 : 1);
  if (content.size() != data_start + bytes) throw std::runtime_error(path.string() + ": wrong size");
  if (is_float) {
    array.floats.resize(count);
    std::memcpy(array.floats.data(), content.data() + data_start, bytes);
  } else {
    array.bytes.resize(count);
    std::memcpy(array.bytes.data(), content.data() + data_start, bytes);
  }
  if (fortran) {
    array.floats = to_c_order(array.floats, array.shape);
    array.bytes = to_c_order(array.bytes, array.shape);
  }
  return array;
}

fs::path data(const std::string& name) {
  const char* root = std::getenv("VILA_TEST_DATA");
  if (root == nullptr) throw std::runtime_error("VILA_TEST_DATA is not set: run the tests through ctest or set it to tests/data");
  fs::path path = fs::path(root) / name;
  if (!fs::exists(path)) throw std::runtime_error(path.string() + ": no such test data");
  return path;
}

double max_abs_difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (std::isnan(difference)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, difference);
  }
  return largest;
}

TempDir::TempDir() {
  std::string pattern = (fs::temp_directory_path() / "vila-test-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = pattern;
}
TempDir::~TempDir() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void write_file(const fs::path& path, const std::string& content) {
  fs::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out << content;
  if (!out.flush()) throw std::runtime_error(path.string() + ": cannot be written");
}

}  // namespace vila::testing
