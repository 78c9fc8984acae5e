// SPDX-License-Identifier: Apache-2.0
// The tokenizer's own chat template, in Jinja: what of it the prompt templates need.
#pragma once

#include <optional>
#include <string>

namespace vila {

/// What a ChatML template writes in front of a conversation that has no system turn.
struct ChatMlSystem {
  std::optional<std::string> text;  ///< of the system turn; none: no system turn at all
};

/// Reads a chat template without running it, by its texts: literal ones between and in Jinja's tags. Throws unsupported, in the
/// name of `where`, for a template that does not write each turn as "<|im_start|>ROLE\n...<|im_end|>\n".
ChatMlSystem read_chat_ml(const std::string& jinja, const std::string& where);

/// The chat template that lies in a tokenizer's folder, with its name for messages.
struct ChatTemplate {
  std::string jinja, where;
};

/// The folder's chat template by transformers' rule: chat_template.jinja; else `chat_template` of tokenizer_config.json, a text or
/// a list of {"name", "template"} whose "default" counts. None where there is none; throws bad_file for another form, unsupported
/// for a list without "default".
std::optional<ChatTemplate> find_chat_template(const std::string& folder);

}  // namespace vila
