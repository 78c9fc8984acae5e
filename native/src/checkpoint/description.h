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
  /// Whether this part of the spec could be read; all true unless problems are gathered (common/problems.h). has_vision says that
  /// tower and preprocessing are known, has_prompt that tokenizer, template and limits are.
  bool has_language = false, has_vision = false, has_projector = false, has_prompt = false;
};

/// Reads the configuration files of a checkpoint folder; see read_model_spec(). Where problems are gathered, each part is read that
/// can be.
CheckpointDescription describe_checkpoint(const std::string& folder);

}  // namespace vila
