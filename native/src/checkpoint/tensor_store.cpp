// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <set>
#include <sstream>

#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/torch_file.h"
#include "checkpoint/weight_files.h"
#include "common/json.h"
#include "common/log.h"
#include "common/problems.h"

namespace vila {
namespace {

namespace fs = std::filesystem;

std::string shape_text(const std::vector<int64_t>& shape) {
  std::ostringstream text;
  text << '[';
  for (size_t i = 0; i < shape.size(); ++i) text << (i == 0 ? "" : ",") << shape[i];
  text << ']';
  return text.str();
}

/// The tensors of a file of either format, which its first bytes tell apart.
std::vector<TensorEntry> read_entries(const MappedFile& file) {
  if (is_zip(file.data(), file.size())) return read_torch_file(file.data(), file.size(), file.path());
  if (is_legacy_torch(file.data(), file.size())) {
    fail(ErrorCode::unsupported, file.path(),
         ": is in the format of PyTorch before 1.6, which vila4j does not read; load it with PyTorch and torch.save() it again");
  }
  const std::string extension = fs::path(file.path()).extension().string();
  if (extension == ".bin" || extension == ".pt" || extension == ".pth") {
    fail(ErrorCode::bad_file, file.path(), ": does not start as a file of torch.save() does, with a zip archive");
  }
  return read_safetensors_header(file.data(), file.size(), file.path());
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
  for (TensorEntry& entry : read_entries(*file)) {
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
  const WeightFiles files = find_weight_files(folder);
  if (files.shards.empty()) {
    fail(ErrorCode::not_found, folder, ": holds neither model.safetensors.index.json nor model.safetensors, ",
         "nor pytorch_model.bin, ",
         "its index or a .pt file");
  }
  if (!files.stale_index.empty()) {
    log(LogLevel::info, folder, ": taking ", files.shards.begin()->first, ", because none of the shards that ", files.stale_index,
        " names is there");
  }
  for (const auto& [shard, tensors] : files.shards) {
    const std::string path = (fs::path(folder) / shard).string();
    const bool read = attempt([&] {
      std::error_code ignored;
      if (!files.index.empty() && !fs::exists(path, ignored)) {
        fail(ErrorCode::not_found, files.index, ": names the shard ", shard, ", which is not in ", folder);
      }
      const std::vector<std::string> held = add(path);
      const std::set<std::string> names(held.begin(), held.end());
      for (const std::string& tensor : tensors) {
        if (!names.contains(tensor)) {
          fail(ErrorCode::bad_file, files.index, ": says that ", shard, " holds ", Json(tensor).dump(), ", which it does not");
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
