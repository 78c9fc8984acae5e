// SPDX-License-Identifier: Apache-2.0
// The prompt templates, one table row each.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace vila {

/// How turns become text:
///   system_prefix system system_suffix
///   then per user turn      user_prefix text user_suffix          (first_user_prefix for the first)
///   then, where it answers, assistant_prefix
///   and, where the answer is known, answer_prefix answer answer_suffix.
/// The prompt ends with the last assistant_prefix.
struct PromptTemplate {
  std::string_view id;
  std::string_view system_prefix;
  const char* system;               ///< the default system text; null: no system part at all unless the prompt sets a text
  std::string_view system_suffix;
  std::string_view first_user_prefix, user_prefix, user_suffix;
  std::string_view assistant_prefix, answer_prefix, answer_suffix;
  std::vector<std::string_view> stops;  ///< what ends an answer: special tokens or plain strings
};

/// Every template.
std::span<const PromptTemplate> prompt_templates();
/// Throws invalid_argument listing the known ids.
const PromptTemplate& find_template(std::string_view id);

}  // namespace vila
