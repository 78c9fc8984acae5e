// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "common/json.h"
#include "common/problems.h"

namespace vila {
namespace {

namespace fs = std::filesystem;

constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr const char* kSingleName = "model.safetensors";

bool there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::ostringstream text;
  text << '[';
  for (size_t i = 0; i < shape.size(); ++i) text << (i == 0 ? "" : ",") << shape[i];
  text << ']';
  return text.str();
}

/// A shard is a file beside its index: anything that could lead elsewhere is refused.
void check_shard_name(const std::string& name, const std::string& index) {
  const bool plain = !name.empty() && name.size() <= 255 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return c > 0x20 && c != 0x7F && c != '/' && c != '\\';
  });
  if (!plain || !name.ends_with(".safetensors") || name.front() == '.') {
    fail(ErrorCode::bad_file, index, ": weight_map names the shard ", Json(name).dump(-1, ' ', true),
         ", expected a plain file name ending in .safetensors");
  }
}

/// Shard to the names of the tensors that it must hold.
std::map<std::string, std::vector<std::string>> read_index(const std::string& path) {
  const JsonObject weight_map = JsonObject::read(path).object("weight_map");
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [tensor, shard] : weight_map.value().items()) {
    if (!shard.is_string()) fail(ErrorCode::bad_file, path, ": weight_map: ", Json(tensor).dump(), " is not the name of a shard");
    const auto name = shard.get<std::string>();
    check_shard_name(name, path);
    shards[name].push_back(tensor);
  }
  if (shards.empty()) fail(ErrorCode::bad_file, path, ": weight_map is empty");
  return shards;
}

/// What to say of a shard that is not there. Quantised releases keep the index of the weights they no longer carry.
[[noreturn]] void fail_absent_shard(const std::string& index, const std::string& shard, const std::string& folder) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().extension() != ".pt") continue;
    fail(ErrorCode::unsupported, folder, ": holds the PyTorch pickle ", entry.path().filename().string(),
         " instead of the shards that ", kIndexName, " names; vila4j does not read it");
  }
  fail(ErrorCode::not_found, index, ": names the shard ", shard, ", which is not in ", folder);
}

}  // namespace

int64_t TensorRef::elements() const { return static_cast<int64_t>(bytes / size_of(dtype)); }

std::vector<float> TensorRef::to_float() const {
  std::vector<float> values(static_cast<size_t>(elements()));
  to_f32(dtype, data(), values.data(), values.size());
  return values;
}

std::vector<std::string> TensorStore::add(const std::string& path) {
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  std::vector<std::string> names;
  for (SafetensorsEntry& entry : read_safetensors_header(file->data(), file->size(), path)) {
    if (const auto it = tensors_.find(entry.name); it != tensors_.end()) {
      fail(ErrorCode::bad_file, path, ": tensor ", entry.name, " is also in ", it->second.file->path());
    }
    if (const auto it = unreadable_.find(entry.name); it != unreadable_.end()) {
      fail(ErrorCode::bad_file, path, ": tensor ", entry.name, " is also in ", it->second.path);
    }
    names.push_back(entry.name);
    if (entry.dtype) {
      tensors_.emplace(entry.name, TensorRef{entry.name, *entry.dtype, std::move(entry.shape), file, entry.offset, entry.bytes});
    } else {
      unreadable_.emplace(entry.name, Unreadable{entry.dtype_name, path});
    }
  }
  files_.push_back(path);
  return names;
}

void TensorStore::add_file(const std::string& path) { add(path); }

void TensorStore::add_folder(const std::string& folder) {
  const std::string index = (fs::path(folder) / kIndexName).string(), single = (fs::path(folder) / kSingleName).string();
  if (!there(index)) {
    if (there(single)) return add_file(single);
    for (const char* pickle : {"pytorch_model.bin", "pytorch_model.bin.index.json"}) {
      if (there(fs::path(folder) / pickle)) {
        fail(ErrorCode::unsupported, folder, ": holds PyTorch pickles (", pickle, "), expected ", kIndexName, " or ", kSingleName);
      }
    }
    fail(ErrorCode::not_found, folder, ": holds neither ", kIndexName, " nor ", kSingleName);
  }
  for (const auto& [shard, tensors] : read_index(index)) {
    const std::string path = (fs::path(folder) / shard).string();
    const bool read = attempt([&] {
      if (!there(path)) fail_absent_shard(index, shard, folder);
      const std::vector<std::string> held = add(path);
      const std::set<std::string> names(held.begin(), held.end());
      for (const std::string& tensor : tensors) {
        if (!names.contains(tensor)) {
          fail(ErrorCode::bad_file, index, ": says that ", shard, " holds ", Json(tensor).dump(), ", which it does not");
        }
      }
    });
    if (!read) promised_.insert(tensors.begin(), tensors.end());
  }
}

bool TensorStore::contains(const std::string& name) const { return tensors_.contains(name) || unreadable_.contains(name); }

const TensorRef& TensorStore::get(const std::string& name) const {
  if (const auto it = tensors_.find(name); it != tensors_.end()) return it->second;
  if (const auto it = unreadable_.find(name); it != unreadable_.end()) {
    fail(ErrorCode::unsupported, it->second.path, ": tensor ", name, " has dtype ", it->second.dtype,
         ", which vila4j does not read");
  }
  std::string searched;
  for (const std::string& file : files_) searched += (searched.empty() ? "" : ", ") + file;
  fail(ErrorCode::bad_file, "tensor ", name, " is missing from ", searched.empty() ? "an empty store" : searched);
}

const TensorRef& TensorStore::get(const std::string& name, const std::vector<int64_t>& shape) const {
  const TensorRef& tensor = get(name);
  if (tensor.shape != shape) {
    fail(ErrorCode::bad_file, tensor.file->path(), ": tensor ", name, " has shape ", shape_text(tensor.shape), ", expected ",
         shape_text(shape));
  }
  return tensor;
}

}  // namespace vila
