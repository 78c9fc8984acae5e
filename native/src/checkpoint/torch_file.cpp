// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/torch_file.h"

#include <algorithm>
#include <limits>
#include <map>
#include <sstream>
#include <string_view>

#include "checkpoint/pickle.h"
#include "checkpoint/zip_directory.h"
#include "common/error.h"
#include "common/utf8.h"

namespace vila {
namespace {

constexpr std::string_view kZipStart("PK\x03\x04", 4);
/// PROTO 2, LONG1 of 10 bytes, the number 0x1950a86a20f9469cfc6c, STOP.
constexpr std::string_view kLegacyStart("\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19.", 15);

bool starts_with(const uint8_t* data, uint64_t size, std::string_view start) {
  return size >= start.size() && std::equal(start.begin(), start.end(), reinterpret_cast<const char*>(data));
}

std::string text_of(const std::vector<int64_t>& numbers) {
  std::ostringstream text;
  for (size_t i = 0; i < numbers.size(); ++i) text << (i == 0 ? "[" : ",") << numbers[i];
  text << (numbers.empty() ? "[]" : "]");
  return text.str();
}

/// What stands before "data.pkl" in every name of the archive: "NAME/".
std::string archive_prefix(const std::map<std::string, ZipMember>& members, const std::string& path) {
  constexpr std::string_view kPickle = "/data.pkl";
  std::string prefix;
  for (const auto& [name, member] : members) {
    if (!name.ends_with(kPickle) || name.find('/') != name.size() - kPickle.size()) continue;
    if (!prefix.empty()) fail(ErrorCode::bad_file, path, ": holds ", prefix, "data.pkl and ", name, ", expected one data.pkl");
    prefix = name.substr(0, name.size() - kPickle.size() + 1);
  }
  if (prefix.empty()) fail(ErrorCode::bad_file, path, ": a zip archive without data.pkl, so no file of torch.save");
  return prefix;
}

/// The tensor's elements; fails where the product overflows.
uint64_t element_count(const PickledTensor& tensor, const std::string& path) {
  constexpr auto kLimit = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (std::find(tensor.shape.begin(), tensor.shape.end(), 0) != tensor.shape.end()) return 0;
  uint64_t product = 1;
  for (const int64_t dim : tensor.shape) {
    if (product > kLimit / static_cast<uint64_t>(dim)) {
      fail(ErrorCode::bad_file, path, ": tensor ", tensor.name, ": shape ", text_of(tensor.shape), " overflows");
    }
    product *= static_cast<uint64_t>(dim);
  }
  return product;
}

void check_c_order(const PickledTensor& tensor, uint64_t elements, const std::string& path) {
  if (elements == 0) return;
  int64_t expected = 1;
  for (size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] == 1) continue;
    if (tensor.strides[i] != expected) {
      fail(ErrorCode::unsupported, path, ": tensor ", tensor.name, " has strides ", text_of(tensor.strides), " for shape ",
           text_of(tensor.shape), ", supported are those of C order (save a contiguous() copy)");
    }
    expected *= tensor.shape[i];
  }
}

TensorEntry place(const PickledTensor& tensor, const std::map<std::string, ZipMember>& members, const std::string& prefix,
                  const std::string& path) {
  const std::string where = path + ": tensor " + tensor.name;
  const auto storage = members.find(prefix + "data/" + tensor.storage);
  if (storage == members.end()) {
    fail(ErrorCode::bad_file, where, ": its storage ", prefix, "data/", printable(tensor.storage), " is not in the archive");
  }
  const uint64_t held = storage->second.bytes, size = tensor.type->size;
  if (tensor.storage_elements > std::numeric_limits<uint64_t>::max() / size || held != tensor.storage_elements * size) {
    fail(ErrorCode::bad_file, where, ": its storage ", storage->first, " has ", held, " bytes, expected ", tensor.storage_elements,
         " elements of ", tensor.type->dtype_name);
  }
  const uint64_t elements = element_count(tensor, path);
  check_c_order(tensor, elements, path);
  if (tensor.first > tensor.storage_elements || elements > tensor.storage_elements - tensor.first) {
    fail(ErrorCode::bad_file, where, ": ", elements, " elements from element ", tensor.first, " of a storage of ",
         tensor.storage_elements);
  }
  return {tensor.name, tensor.type->dtype_name,          tensor.type->dtype,
          tensor.shape, storage->second.offset + tensor.first * size, elements * size};
}

/// Contents of a small member, or `fallback` when there is none.
std::string_view small_member(const uint8_t* data, const std::map<std::string, ZipMember>& members, const std::string& name,
                              std::string_view fallback) {
  const auto it = members.find(name);
  if (it == members.end()) return fallback;
  return {reinterpret_cast<const char*>(data) + it->second.offset, static_cast<size_t>(std::min<uint64_t>(it->second.bytes, 64))};
}

}  // namespace

bool is_zip(const uint8_t* data, uint64_t size) { return starts_with(data, size, kZipStart); }

bool is_legacy_torch(const uint8_t* data, uint64_t size) { return starts_with(data, size, kLegacyStart); }

std::vector<TensorEntry> read_torch_file(const uint8_t* data, uint64_t size, const std::string& path) {
  const std::map<std::string, ZipMember> members = read_zip_directory(data, size, path);
  const std::string prefix = archive_prefix(members, path);
  if (const std::string_view order = small_member(data, members, prefix + "byteorder", "little"); order != "little") {
    fail(ErrorCode::unsupported, path, ": byte order is \"", printable(order), "\", supported is \"little\"");
  }
  const ZipMember pickle = members.at(prefix + "data.pkl");
  std::vector<TensorEntry> entries;
  for (const PickledTensor& tensor : read_pickled_tensors(data + pickle.offset, pickle.bytes, path)) {
    entries.push_back(place(tensor, members, prefix, path));
  }
  return entries;
}

}  // namespace vila
