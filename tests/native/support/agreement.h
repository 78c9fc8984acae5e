// SPDX-License-Identifier: Apache-2.0
// What a test run found out about a model: the rows of the table in docs/models.md.
#pragma once

#include <string>

namespace vila::testing {

/// One comparison of the engine with a reference on one model. Figures are the largest absolute differences; negative: not
/// compared.
struct Agreement {
  std::string model;       ///< the releases that it stands for: "VILA1.5-3b, -7b, -13b"
  std::string layout;      ///< how the checkpoint lies on disk: "three folders"
  std::string particular;  ///< what sets the row apart: "SigLIP, `mlp_downsample` column by column"
  std::string reference;   ///< "goldens" or "plain pass"
  std::string prompts;     ///< what was asked: "two images", "one image as tiles"
  std::string precision = "fp32";  ///< of the plans
  double features = -1, tokens = -1, logits = -1;
  double feature_tolerance = 1e-4, logit_tolerance = 2e-4;  ///< of features and image tokens; of logits
};

/// Appends a line to the file that $VILA_AGREEMENTS names; does nothing where it is not set. Any thread of one process.
void record(const Agreement& agreement);

}  // namespace vila::testing
