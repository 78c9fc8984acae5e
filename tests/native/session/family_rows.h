// SPDX-License-Identifier: Apache-2.0
// The model families as small random checkpoints, each in the layout of its release.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "support/checkpoint_writer.h"

namespace vila::testing {

/// How text becomes ids around images.
enum class Rule {
  chunks,    ///< each text alone, one BOS at the start
  one_text,  ///< `<image>` is a token of the text
  nvila,     ///< the same, a line end's ids after each image
};

struct Row {
  std::string name;        ///< the releases that it stands for
  std::string particular;  ///< what sets it apart
  RandomCheckpoint shape;
  Rule rule = Rule::chunks;
  std::string before, after;  ///< what the template puts around the user's words
  std::function<void(const std::filesystem::path&)> change = [](const std::filesystem::path&) {};  ///< to what was written
  std::string layout;         ///< for the table, where `store` gives another
  std::function<void(const std::filesystem::path&)> store;  ///< how the engine's copy is stored, where not as it was written
};

/// VILA1.5's shape; what a family changes is left to the caller.
Row row(const std::string& name, uint64_t seed, const std::string& particular);
Row nvila_8b_row();
Row nvila_lite_row(bool tied = false);
/// Every family whose language model is not packed.
std::vector<Row> square_rows();
/// Packed 4-bit language weights, everything else fp16.
std::vector<Row> packed_rows();

}  // namespace vila::testing
