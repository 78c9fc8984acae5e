// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/patch_json.h"

#include <nlohmann/json.hpp>

#include "common/mapped_file.h"
#include "support/npy.h"

namespace vila::testing {

using Json = nlohmann::json;

void patch_json(const std::filesystem::path& path, const std::string& patch) {
  Json value = Json::parse(read_file(path.string(), 1 << 20));
  value.merge_patch(Json::parse(patch));
  write_file(path, value.dump(1));
}

void set_json(const std::filesystem::path& path, const std::string& key, const std::string& value) {
  Json file = Json::parse(read_file(path.string(), 1 << 20));
  file[key] = Json::parse(value);
  write_file(path, file.dump(1));
}

}  // namespace vila::testing
