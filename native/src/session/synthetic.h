// SPDX-License-Identifier: Apache-2.0
// Checkpoints of real sizes with random weights, for measuring: configuration, a tokenizer of bytes, and weight files that take
// little room. The matrices of linear layers and the embedding table are holes in them, as their packed form is drawn at random
// when plans are made (graph::random_pieces); position embeddings, norms, biases and the like are random numbers in bf16.
#pragma once

#include <string>

#include "common/json.h"

namespace vila {

/// The configuration files of a model in VILA1.5's three folders.
struct SyntheticModel {
  std::string name;
  Json language;          ///< llm/config.json
  Json tower;             ///< vision_tower/config.json
  std::string projector;  ///< mm_projector_type
  std::string aspect;     ///< image_aspect_ratio
};

/// "vila1.5-3b", "llama3-8b" (Llama-3-VILA1.5-8B), "vila-7b" or "vila-13b". Throws invalid_argument for another name.
SyntheticModel synthetic_model(const std::string& name);

/// Writes the checkpoint into `folder` (made if missing), the same bytes each time, with memory for one piece of a tensor. The
/// tokenizer has 256 ids, one a byte; the template is "plain", so that prompts of any length can be made. Throws io.
void write_synthetic(const SyntheticModel& model, const std::string& folder);

/// The folder of the checkpoint in the cache `dir`, written first where it is not there yet: whole or not at all. Throws io.
std::string cached_synthetic(const SyntheticModel& model, const std::string& dir);

}  // namespace vila
