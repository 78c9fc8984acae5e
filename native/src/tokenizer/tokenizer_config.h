// SPDX-License-Identifier: Apache-2.0
// The small files beside a vocabulary: tokenizer_config.json, special_tokens_map.json, added_tokens.json.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/json.h"

namespace vila {

/// Ids lie below this; a file that names a larger one is damaged.
inline constexpr int64_t kMaxTokenIds = 2'000'000;
/// Longer added tokens are refused: they would make the search slow.
inline constexpr size_t kMaxAddedTokenBytes = 4096;

/// A token that is looked for in the text before the model splits it.
struct AddedToken {
  int32_t id = -1;
  std::string content;
  bool special = false;      ///< left out where special tokens are skipped
  bool single_word = false;  ///< only where no word character touches it
  bool lstrip = false;       ///< takes the white space before it along
  bool rstrip = false;       ///< takes the white space after it along
  bool normalized = false;   ///< looked for in the normalised text
};

/// Reads {"content":...,"special":...,...} (absent flags are false). `name` is for messages. Throws bad_file.
AddedToken read_added_token(const Json& value, int64_t id, const std::string& name);

/// What the small files say.
struct TokenizerConfig {
  std::vector<AddedToken> added;                ///< added_tokens_decoder or, without one, added_tokens.json; ascending ids
  std::map<std::string, std::string> special;   ///< "bos_token" and so on; a token that the file sets to null is ""
  std::vector<std::string> additional_special;  ///< additional_special_tokens and extra_special_tokens
  std::optional<bool> add_bos, add_eos, legacy, add_prefix_space;
  std::string name;  ///< of the file, for messages

  /// special[key], or `fallback` where the files do not have it; "" means none.
  std::string token(const std::string& key, const std::string& fallback) const;
  /// Every special token's text, with `defaults` for those that the files do not have.
  std::set<std::string> all_special(const std::map<std::string, std::string>& defaults) const;
};

/// Reads the files of a folder; each may be absent. As in Hugging Face transformers, special_tokens_map.json and
/// added_tokens.json count only where tokenizer_config.json has no added_tokens_decoder. Throws bad_file, io.
TokenizerConfig read_tokenizer_config(const std::string& folder);

}  // namespace vila
