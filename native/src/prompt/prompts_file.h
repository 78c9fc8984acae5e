// SPDX-License-Identifier: Apache-2.0
// prompts.json: named prompts with the names of their image files.
#pragma once

#include <string>
#include <vector>

#include "vila/vila.h"

namespace vila {

/// What read_prompts() does, from the file's text; `name` stands for the file in messages.
std::vector<PromptCase> parse_prompts(const std::string& text, const std::string& name);

}  // namespace vila
