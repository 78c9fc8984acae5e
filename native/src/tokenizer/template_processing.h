// SPDX-License-Identifier: Apache-2.0
// What a tokenizer adds around the ids of a text.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/json.h"

namespace vila {

/// Ids before and after a text's own.
struct TextTemplate {
  std::vector<int32_t> before, after;
};

/// Reads the post_processor of a tokenizer.json: null, ByteLevel (which changes no ids), TemplateProcessing, or a Sequence of
/// them. Throws bad_file, unsupported with `name`.
TextTemplate read_post_processor(const Json& value, const std::string& name);

}  // namespace vila
