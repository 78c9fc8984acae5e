// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/safetensors.h"

#include <algorithm>
#include <limits>

#include "common/json.h"

namespace vila {
namespace {

constexpr uint64_t kMaxHeader = 100ULL << 20;
constexpr size_t kMaxRank = 8;

/// An element type of the format.
struct FileType {
  const char* name;
  uint64_t bits;
  std::optional<DType> dtype;
};

constexpr FileType kFileTypes[] = {
    {"F32", 32, DType::f32},      {"F16", 16, DType::f16},      {"BF16", 16, DType::bf16},    {"I64", 64, DType::i64},
    {"I32", 32, DType::i32},      {"I16", 16, DType::i16},      {"I8", 8, DType::i8},         {"U8", 8, DType::u8},
    {"BOOL", 8, DType::boolean},  {"F64", 64, std::nullopt},    {"U64", 64, std::nullopt},    {"U32", 32, std::nullopt},
    {"U16", 16, std::nullopt},    {"C64", 64, std::nullopt},    {"F8_E4M3", 8, std::nullopt}, {"F8_E5M2", 8, std::nullopt},
    {"F8_E8M0", 8, std::nullopt}, {"F6_E2M3", 6, std::nullopt}, {"F6_E3M2", 6, std::nullopt}, {"F4", 4, std::nullopt},
};

const FileType& file_type(const JsonObject& entry) {
  const std::string name = entry.string("dtype");
  for (const FileType& type : kFileTypes) {
    if (name == type.name) return type;
  }
  fail(ErrorCode::bad_file, entry.name(), ": dtype is \"", name, "\", expected a type of the safetensors format");
}

/// A list of non-negative integers.
std::vector<uint64_t> sizes(const JsonObject& entry, const char* key) {
  const auto it = entry.value().find(key);
  const bool is_list = it != entry.value().end() && it->is_array();
  if (!is_list || !std::all_of(it->begin(), it->end(), [](const Json& v) { return v.is_number_unsigned(); })) {
    fail(ErrorCode::bad_file, entry.name(), ": ", key, " is not a list of non-negative integers");
  }
  if (it->size() > kMaxRank) {
    fail(ErrorCode::bad_file, entry.name(), ": ", key, " has ", it->size(), " numbers, at most ", kMaxRank, " are accepted");
  }
  return it->get<std::vector<uint64_t>>();
}

/// Bytes of a tensor; fails when the product overflows or ends inside a byte.
uint64_t byte_count(const JsonObject& entry, const std::vector<uint64_t>& shape, uint64_t bits) {
  constexpr auto kLimit = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  uint64_t product = bits;
  const bool empty = std::find(shape.begin(), shape.end(), 0U) != shape.end();
  for (const uint64_t dim : shape) {
    if (dim > kLimit || (!empty && product > kLimit / dim)) {
      fail(ErrorCode::bad_file, entry.name(), ": shape ", entry.value().at("shape").dump(), " overflows");
    }
    product *= empty ? 1 : dim;
  }
  if (empty) return 0;
  if (product % 8 != 0) fail(ErrorCode::bad_file, entry.name(), ": shape does not fill whole bytes");
  return product / 8;
}

TensorEntry read_entry(const std::string& name, const Json& value, uint64_t data_start, uint64_t data_size,
                            const std::string& path) {
  if (std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
    fail(ErrorCode::bad_file, path, ": header: the tensor name ", Json(name).dump(), " holds a control character");
  }
  const JsonObject entry(value, path + ": tensor " + name);
  const FileType& type = file_type(entry);
  const std::vector<uint64_t> shape = sizes(entry, "shape"), range = sizes(entry, "data_offsets");
  const uint64_t bytes = byte_count(entry, shape, type.bits);
  if (range.size() != 2 || range[0] > range[1]) {
    fail(ErrorCode::bad_file, entry.name(), ": data_offsets is ", entry.value().at("data_offsets").dump(),
         ", expected [begin, end]");
  }
  if (range[1] > data_size) {
    fail(ErrorCode::bad_file, entry.name(), ": ends at byte ", range[1], " of the data, but the file holds ", data_size,
         " bytes of data");
  }
  if (range[1] - range[0] != bytes) {
    fail(ErrorCode::bad_file, entry.name(), ": data_offsets span ", range[1] - range[0], " bytes, expected ", bytes, " for ",
         type.name, ' ', entry.value().at("shape").dump());
  }
  TensorEntry result{name, type.name, type.dtype, {}, data_start + range[0], bytes};
  result.shape.assign(shape.begin(), shape.end());
  return result;
}

/// The tensors must lie one behind the other and fill the file. Sorts them by offset.
void check_layout(std::vector<TensorEntry>& entries, uint64_t data_start, uint64_t size, const std::string& path) {
  std::sort(entries.begin(), entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return a.offset != b.offset ? a.offset < b.offset : a.bytes < b.bytes;
  });
  uint64_t end = data_start;
  std::string before = "the header";
  for (const TensorEntry& entry : entries) {
    if (entry.offset < end) fail(ErrorCode::bad_file, path, ": tensor ", entry.name, " overlaps ", before);
    if (entry.offset > end) {
      fail(ErrorCode::bad_file, path, ": ", entry.offset - end, " bytes between ", before, " and tensor ", entry.name,
           ", expected none");
    }
    end = entry.offset + entry.bytes;
    before = "tensor " + entry.name;
  }
  if (end != size) fail(ErrorCode::bad_file, path, ": ", size - end, " bytes after ", before, ", expected none");
}

}  // namespace

std::vector<TensorEntry> read_safetensors_header(const uint8_t* data, uint64_t size, const std::string& path) {
  if (size < 8) fail(ErrorCode::bad_file, path, ": ", size, " bytes, too short for a safetensors file");
  uint64_t length = 0;
  for (int i = 0; i < 8; ++i) length |= static_cast<uint64_t>(data[i]) << (8 * i);
  if (length > kMaxHeader) {
    fail(ErrorCode::bad_file, path, ": header of ", length, " bytes, at most ", kMaxHeader, " are accepted");
  }
  if (length > size - 8) fail(ErrorCode::bad_file, path, ": header of ", length, " bytes in a file of ", size, " bytes");
  const uint64_t data_start = 8 + length;
  const std::string text(reinterpret_cast<const char*>(data) + 8, length);
  const JsonObject header(parse_json(text, path + ": header"), path + ": header");
  std::vector<TensorEntry> entries;
  for (const auto& [name, value] : header.value().items()) {
    if (name == "__metadata__") {
      JsonObject(value, path + ": __metadata__");
    } else {
      entries.push_back(read_entry(name, value, data_start, size - data_start, path));
    }
  }
  check_layout(entries, data_start, size, path);
  return entries;
}

}  // namespace vila
