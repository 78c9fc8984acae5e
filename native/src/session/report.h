// SPDX-License-Identifier: Apache-2.0
// What a checkpoint is, in words and figures, from its configuration and headers.
#pragma once

#include <string>

#include "checkpoint/checkpoint.h"
#include "session/precision.h"
#include "vila/vila.h"

namespace vila {

/// What plans compute in, in words, with the packed layers of a language model that has some.
std::string plan_precision(const LanguageSpec& language, Precision precision, size_t kept);

/// What one position takes in the KV cache.
int64_t kv_bytes_per_token(const LanguageSpec& language, Precision precision);

/// What is known of a checkpoint, for plans in fp32; precision and backend stay empty.
ModelInfo describe(const Checkpoint& checkpoint);

/// See inspect_checkpoint(); for a machine that grants `memory` bytes (see choose_precision()).
CheckpointReport report_of(const std::string& path, uint64_t memory);

}  // namespace vila
