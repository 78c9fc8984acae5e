// SPDX-License-Identifier: Apache-2.0
// A small Qwen2 tokenizer (vocab.json, merges.txt) whose ids can be told by eye.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace vila::testing {

/// First id behind the plain ones.
inline constexpr int kFirstAddedByteToken = 257;

/// Writes the files into `folder` (made if missing): the id of a byte is its value, 256 is two line ends, and `added` special
/// tokens follow in order. They are listed in tokenizer_config.json, or with `old_style` in added_tokens.json.
void write_byte_tokenizer(const std::filesystem::path& folder, const std::vector<std::string>& added, bool old_style = false);

}  // namespace vila::testing
