// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/weight_files.h"

#include <algorithm>
#include <filesystem>

#include "common/json.h"

namespace vila {
namespace {

namespace fs = std::filesystem;

/// A format of sharded weights: an index or one file.
struct Format {
  const char* index;
  const char* single;
  const char* extension;
};
constexpr Format kFormats[] = {{"model.safetensors.index.json", "model.safetensors", ".safetensors"},
                               {"pytorch_model.bin.index.json", "pytorch_model.bin", ".bin"}};

bool there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// A shard is a file beside its index: anything that could lead elsewhere is refused.
void check_shard_name(const std::string& name, const std::string& index, const char* extension) {
  const bool plain = !name.empty() && name.size() <= 255 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return c > 0x20 && c != 0x7F && c != '/' && c != '\\';
  });
  if (!plain || !name.ends_with(extension) || name.front() == '.') {
    fail(ErrorCode::bad_file, index, ": weight_map names the shard ", Json(name).dump(-1, ' ', true),
         ", expected a plain file name ending in ", extension);
  }
}

/// Shard to the names of the tensors that it must hold.
std::map<std::string, std::vector<std::string>> read_index(const std::string& path, const char* extension) {
  const JsonObject weight_map = JsonObject::read(path).object("weight_map");
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [tensor, shard] : weight_map.value().items()) {
    if (!shard.is_string()) fail(ErrorCode::bad_file, path, ": weight_map: ", Json(tensor).dump(), " is not the name of a shard");
    const auto name = shard.get<std::string>();
    check_shard_name(name, path, extension);
    shards[name].push_back(tensor);
  }
  if (shards.empty()) fail(ErrorCode::bad_file, path, ": weight_map is empty");
  return shards;
}

/// The one .pt file of a folder, or nothing.
std::string single_pt(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".pt") names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  if (names.size() > 1) {
    fail(ErrorCode::unsupported, folder, ": holds ", names[0], " and ", names[1], ", expected one .pt file");
  }
  return names.empty() ? "" : names[0];
}

WeightFiles from_index(const std::string& folder, const std::string& index, const char* extension) {
  WeightFiles files{index, read_index(index, extension), ""};
  const bool none = std::none_of(files.shards.begin(), files.shards.end(),
                                 [&folder](const auto& shard) { return there(fs::path(folder) / shard.first); });
  const std::string pt = none ? single_pt(folder) : "";
  return pt.empty() ? files : WeightFiles{"", {{pt, {}}}, index};
}

}  // namespace

WeightFiles find_weight_files(const std::string& folder) {
  for (const Format& format : kFormats) {
    const fs::path index = fs::path(folder) / format.index;
    if (there(index)) return from_index(folder, index.string(), format.extension);
    if (there(fs::path(folder) / format.single)) return {"", {{format.single, {}}}, ""};
  }
  const std::string pt = single_pt(folder);
  return pt.empty() ? WeightFiles{} : WeightFiles{"", {{pt, {}}}, ""};
}

}  // namespace vila
