// SPDX-License-Identifier: Apache-2.0
#include "support/torch_writer.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include "support/npy.h"

namespace vila::testing {
namespace {

namespace fs = std::filesystem;

std::string content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::vector<fs::path> safetensors_in(const fs::path& folder) {
  std::vector<fs::path> paths;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".safetensors") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
}

/// The name that a safetensors file, or what an index says of it, has among pickles.
std::string torch_name(std::string text) {
  replace_all(text, "model-", "pytorch_model-");
  replace_all(text, "model.safetensors", "pytorch_model.bin");
  replace_all(text, ".safetensors", ".bin");
  return text;
}

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

std::string torch_file(const std::vector<FileTensor>& tensors, const std::string& nested_under, uint64_t alignment) {
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
  return zip_archive(members, alignment);
}

void write_torch_file(const fs::path& path, const std::vector<FileTensor>& tensors, const std::string& nested_under,
                      uint64_t alignment) {
  write_file(path, torch_file(tensors, nested_under, alignment));
}

std::vector<FileTensor> written_tensors(const fs::path& path) {
  std::vector<FileTensor> tensors;
  if (fs::is_directory(path)) {
    for (const fs::path& file : safetensors_in(path)) {
      for (FileTensor& tensor : written_tensors(file)) tensors.push_back(std::move(tensor));
    }
    return tensors;
  }
  const std::string file = content_of(path);
  size_t length = 0;
  for (size_t i = 8; i-- > 0;) length = length << 8 | static_cast<uint8_t>(file.at(i));
  const auto header = nlohmann::json::parse(file.substr(8, length));
  for (const auto& [name, said] : header.items()) {
    if (name == "__metadata__") continue;
    const size_t begin = said["data_offsets"][0], end = said["data_offsets"][1];
    tensors.push_back({name, said["dtype"], said["shape"], file.substr(8 + length + begin, end - begin)});
  }
  return tensors;
}

void store_as_torch(const fs::path& folder, uint64_t alignment, const std::vector<FileTensor>& more) {
  const std::vector<fs::path> files = safetensors_in(folder);
  if (files.size() != 1 && !more.empty()) throw std::runtime_error(folder.string() + ": which shard is to hold more?");
  for (const fs::path& file : files) {
    std::vector<FileTensor> tensors = written_tensors(file);
    tensors.insert(tensors.end(), more.begin(), more.end());
    write_torch_file(folder / torch_name(file.filename().string()), tensors, "", alignment);
    fs::remove(file);
  }
  const fs::path index = folder / "model.safetensors.index.json";
  if (!fs::exists(index)) return;
  auto said = nlohmann::json::parse(content_of(index));
  for (auto& [name, shard] : said["weight_map"].items()) shard = torch_name(shard.get<std::string>());
  write_file(folder / "pytorch_model.bin.index.json", said.dump(1));
  fs::remove(index);
}

}  // namespace vila::testing
