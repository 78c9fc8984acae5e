// SPDX-License-Identifier: Apache-2.0
// A spec and where its tensors lie.
#pragma once

#include <string>

#include "checkpoint/model_spec.h"

namespace vila {

/// The three folders may be one and the same.
struct CheckpointDescription {
  ModelSpec spec;
  std::string language_folder, vision_folder, projector_folder;
};

/// Reads the configuration files of a checkpoint folder; see read_model_spec().
CheckpointDescription describe_checkpoint(const std::string& folder);

}  // namespace vila
