// SPDX-License-Identifier: Apache-2.0
// The tables of a BPE vocabulary as files write them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/json.h"

namespace vila {

/// {"token": id, ...}. Throws bad_file with `name` for what is no object or no id.
std::vector<std::pair<std::string, int32_t>> read_vocabulary(const Json& value, const std::string& name);
/// "left right". Throws bad_file with `name` unless there is exactly one space with something on both sides.
std::pair<std::string, std::string> split_merge(const std::string& merge, const std::string& name);

}  // namespace vila
