// SPDX-License-Identifier: Apache-2.0
// What a checkpoint is, in words and figures, from its configuration and headers.
#pragma once

#include <string>

#include "checkpoint/checkpoint.h"
#include "vila/vila.h"

namespace vila {

/// What plans compute in.
inline constexpr const char* kPlanPrecision = "fp32";

/// What is known of a checkpoint; precision and backend stay empty.
ModelInfo describe(const Checkpoint& checkpoint);

/// See inspect_checkpoint().
CheckpointReport report_of(const std::string& path);

}  // namespace vila
