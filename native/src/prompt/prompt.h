// SPDX-License-Identifier: Apache-2.0
// Messages to chunks, by template; chunks to ids and image slots.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/model_spec.h"
#include "tokenizer/tokenizer.h"
#include "vila/vila.h"

namespace vila {

/// A piece of a turn: text, or the image with this index in Prompt::Impl::images.
struct PromptPart {
  std::string text;
  int32_t image = -1;               ///< >= 0: an image, and text is empty
};

struct PromptTurn {
  Role role = Role::user;
  std::vector<PromptPart> parts;
};

struct Prompt::Impl {
  std::vector<PromptTurn> turns;
  std::vector<Image> images;
  int32_t unplaced_marks = 0;       ///< `<image>` marks that place_images() has still to fill
  std::optional<std::string> system;
  std::string template_id;          ///< empty: the model's own
};


/// The ids of the table, in its order.
std::vector<std::string> template_ids();
/// Stop strings and stop tokens a template adds to the model's own stop ids ("<|im_end|>", "<|eot_id|>"). Unknown id: throws
/// invalid_argument listing the known ones.
std::vector<std::string> template_stop_tokens(const std::string& template_id);

/// The prompt in its template: text and images in reading order, neighbouring texts joined, up to where the answer starts.
/// Checks the prompt: at least one turn, the last is the user's, no unplaced marks, known template.
std::vector<PromptPart> render_prompt(const Prompt::Impl& prompt, const PromptSpec& spec);
/// Chunks as one text, `<image>` for each image.
std::string prompt_text(const std::vector<PromptPart>& chunks);

/// One element of the model's input: a text id, or an image.
struct PromptSlot {
  int32_t id = 0;                   ///< token id; for an image the placeholder id
  int32_t image = -1;               ///< index of the image, or -1
};
/// Ids and image slots by the spec's tokenization rule (section 5.3 of the tokenizer facts: chunks alone or in one pass).
std::vector<PromptSlot> tokenize_prompt(const std::vector<PromptPart>& chunks, const TokenizerBase& tokenizer,
                                        const PromptSpec& spec);

}  // namespace vila
