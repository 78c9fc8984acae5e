// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/tower_files.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/config_readers.h"
#include "checkpoint/weight_files.h"

namespace vila {
namespace {

namespace fs = std::filesystem;

constexpr const char* kInnerTower = "model.vision_tower.vision_tower.";

/// Whether the checkpoint's own files hold the tower: looks only at the index, or at a single file's header.
bool holds_tower(const std::string& folder) {
  const std::string probe = std::string(kInnerTower) + "vision_model.embeddings.patch_embedding.weight";
  const WeightFiles files = find_weight_files(folder);
  for (const auto& [shard, tensors] : files.shards) {
    if (std::find(tensors.begin(), tensors.end(), probe) != tensors.end()) return true;
    if (!files.index.empty()) continue;
    TensorStore store;
    store.add_file(in_folder(folder, shard));
    return store.contains(probe);
  }
  return false;
}

/// The folders that may hold the tower, in the order in which they are looked at.
std::vector<std::string> tower_places(const std::string& folder, const std::string& name) {
  std::vector<std::string> places;
  const auto add = [&places](const fs::path& place) {
    if (std::find(places.begin(), places.end(), place.string()) == places.end()) places.push_back(place.string());
  };
  add(fs::path(folder) / "vision_tower");
  fs::path named(name);
  if (!named.has_filename()) named = named.parent_path();  // "tower/"
  const fs::path last = named.filename();
  if (last.empty() || last == "." || last == "..") return places;
  fs::path own = fs::absolute(folder).lexically_normal();
  if (!own.has_filename()) own = own.parent_path();
  for (const fs::path& tail : {named, last}) {
    if (tail.is_absolute()) continue;
    add(fs::path(folder) / tail);
    add(own.parent_path() / tail);
  }
  if (named.is_absolute()) add(named);
  return places;
}

}  // namespace

TowerFiles find_tower(const std::string& folder, const JsonObject& config) {
  const std::string name = config.string("mm_vision_tower");
  if (std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
    fail(ErrorCode::bad_file, config.name(), ": mm_vision_tower holds a control character");
  }
  const std::vector<std::string> places = tower_places(folder, name);
  const bool inside = holds_tower(folder);
  std::string searched;
  for (const std::string& place : places) {
    if (is_file(in_folder(place, "config.json"))) {
      return {inside ? folder : place, inside ? kInnerTower : "", JsonObject::read(in_folder(place, "config.json")),
              read_if_there(in_folder(place, "preprocessor_config.json"))};
    }
    searched += (searched.empty() ? "" : ", ") + place;
  }
  const std::optional<KnownTower> known = known_tower(name);
  if (inside && known) return {folder, kInnerTower, known->config, known->processor};
  fail(ErrorCode::not_found, config.name(), ": mm_vision_tower is ", Json(name).dump(), ", but ",
       inside ? "vila4j does not know that tower, and there is no config.json of it in "
              : "that tower is not among the checkpoint's tensors, and there is no config.json of it in ",
       searched);
}

}  // namespace vila
