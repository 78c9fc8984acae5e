// SPDX-License-Identifier: Apache-2.0
// Where the vision tower of a one-folder checkpoint (VILA 1.0, LLaVA-1.5) lies.
#pragma once

#include <optional>
#include <string>

#include "common/json.h"

namespace vila {

/// The tower that a checkpoint names.
struct TowerFiles {
  std::string weights_folder;  ///< the checkpoint's own, or the tower's
  std::string prefix;          ///< of the tower's tensors in it
  JsonObject config;
  std::optional<JsonObject> processor;
};

/// The tower that mm_vision_tower of `config` names. Its weights are those among the tensors of the checkpoint `folder`, else of
/// the first of these folders that has a config.json: vision_tower in the checkpoint; what the name says (a hub id, a path), seen
/// from the checkpoint and from the folder that it is in; the name's last part, in the checkpoint and beside it; the name itself
/// where it is an absolute path. Configuration and preprocessing come from there too, or, for weights among the checkpoint's
/// tensors, from known_tower(). Throws not_found naming every place searched; bad_file for a name with control characters.
TowerFiles find_tower(const std::string& folder, const JsonObject& config);

}  // namespace vila
