// SPDX-License-Identifier: Apache-2.0
#include "support/torch_writer.h"

#include <map>
#include <stdexcept>

#include "support/npy.h"

namespace vila::testing {
namespace {

std::string little(uint64_t value, int width) {
  std::string bytes;
  for (int i = 0; i < width; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

uint32_t crc32(const std::string& bytes) {
  uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
  }
  return ~crc;
}

struct StorageName {
  const char* type;
  int64_t size;
};

StorageName storage_name(const std::string& dtype) {
  static const std::map<std::string, StorageName> names = {
      {"F32", {"FloatStorage", 4}}, {"F16", {"HalfStorage", 2}}, {"BF16", {"BFloat16Storage", 2}}, {"F64", {"DoubleStorage", 8}},
      {"I64", {"LongStorage", 8}},  {"I32", {"IntStorage", 4}},  {"I16", {"ShortStorage", 2}},     {"I8", {"CharStorage", 1}},
      {"U8", {"ByteStorage", 1}},   {"BOOL", {"BoolStorage", 1}}};
  const auto it = names.find(dtype);
  if (it == names.end()) throw std::runtime_error(dtype + ": not a type of a torch storage");
  return it->second;
}

std::vector<int64_t> c_order(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= std::max<int64_t>(shape[i], 1);
  }
  return strides;
}

}  // namespace

PickleWriter& PickleWriter::byte(int value) {
  bytes_ += static_cast<char>(value);
  return *this;
}

PickleWriter& PickleWriter::op(char opcode, const std::string& argument) {
  bytes_ += opcode;
  bytes_ += argument;
  return *this;
}

PickleWriter& PickleWriter::text(const std::string& text) { return op('X', little(text.size(), 4) + text); }

PickleWriter& PickleWriter::integer(int64_t value) {
  const auto bits = static_cast<uint64_t>(value);
  if (value >= 0 && value < 0x100) return op('K', little(bits, 1));
  if (value >= 0 && value < 0x10000) return op('M', little(bits, 2));
  if (value == static_cast<int32_t>(value)) return op('J', little(bits, 4));
  return op('\x8A', '\x08' + little(bits, 8));
}

PickleWriter& PickleWriter::global(const std::string& module, const std::string& name) {
  return op('c', module + '\n' + name + '\n');
}

PickleWriter& PickleWriter::sizes(const std::vector<int64_t>& values) {
  op('(');
  for (const int64_t value : values) integer(value);
  return op('t');
}

PickleWriter& PickleWriter::storage(const std::string& type, const std::string& key, int64_t elements) {
  return op('(').text("storage").global("torch", type).text(key).text("cpu").integer(elements).op('t').op('Q');
}

PickleWriter& PickleWriter::tensor(const std::string& type, const std::string& key, int64_t elements, int64_t first,
                                   const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  global("torch._utils", "_rebuild_tensor_v2").op('(').storage(type, key, elements).integer(first).sizes(shape).sizes(strides);
  return op('\x89').global("collections", "OrderedDict").op(')').op('R').op('t').op('R');
}

std::string zip_archive(const std::vector<std::pair<std::string, std::string>>& members, uint64_t alignment) {
  std::string file, directory;
  for (const auto& [name, contents] : members) {
    const std::string crc = little(crc32(contents), 4), size = little(contents.size(), 4);
    const uint64_t offset = file.size(), start = offset + 30 + name.size() + 4;
    const std::string padding((alignment - start % alignment) % alignment, 'Z');
    file += "PK\x03\x04" + std::string(2, '\0') + little(0x0808, 2) + std::string(18, '\0') + little(name.size(), 2) +
            little(padding.size() + 4, 2) + name + "FB" + little(padding.size(), 2) + padding + contents;
    file += "PK\x07\x08" + crc + size + size;
    directory += "PK\x01\x02" + std::string(4, '\0') + little(0x0808, 2) + std::string(6, '\0') + crc + size + size +
                 little(name.size(), 2) + std::string(12, '\0') + little(offset, 4) + name;
  }
  const std::string count = little(members.size(), 8), bytes = little(directory.size(), 8), at = little(file.size(), 8);
  const uint64_t zip64_end = file.size() + directory.size();
  file += directory;
  file += "PK\x06\x06" + little(44, 8) + little(0x1E, 2) + little(0x2D, 2) + std::string(8, '\0') + count + count + bytes + at;
  file += "PK\x06\x07" + little(0, 4) + little(zip64_end, 8) + little(1, 4);
  file += "PK\x05\x06" + std::string(4, '\0') + count.substr(0, 2) + count.substr(0, 2) + bytes.substr(0, 4) + at.substr(0, 4);
  return file + std::string(2, '\0');
}

std::string torch_file(const std::vector<FileTensor>& tensors, const std::string& nested_under) {
  PickleWriter pickle;
  pickle.op('}').op('q', std::string(1, '\0'));
  if (!nested_under.empty()) pickle.text(nested_under).op('}');
  pickle.op('(');
  std::vector<std::pair<std::string, std::string>> members = {{"archive/data.pkl", ""}, {"archive/byteorder", "little"}};
  for (size_t i = 0; i < tensors.size(); ++i) {
    const FileTensor& tensor = tensors[i];
    const StorageName storage = storage_name(tensor.dtype);
    const std::string key = std::to_string(i);
    pickle.text(tensor.name).op('r', little(i + 1, 4));
    pickle.tensor(storage.type, key, static_cast<int64_t>(tensor.bytes.size()) / storage.size, 0, tensor.shape,
                  c_order(tensor.shape));
    members.emplace_back("archive/data/" + key, tensor.bytes);
  }
  pickle.op('u');
  if (!nested_under.empty()) pickle.op('s');
  members.emplace_back("archive/version", "3\n");
  members[0].second = pickle.finish();
  return zip_archive(members);
}

void write_torch_file(const std::filesystem::path& path, const std::vector<FileTensor>& tensors, const std::string& nested_under) {
  write_file(path, torch_file(tensors, nested_under));
}

}  // namespace vila::testing
