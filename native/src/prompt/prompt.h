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

/// What marks an image in a marked turn, in prompt texts and in prompts.json.
inline constexpr std::string_view kImageMark = "<image>";

/// A piece of a turn: text, the image with this index in Prompt::Impl::images, or a mark that has no image yet.
struct PromptPart {
  static constexpr int32_t kText = -1, kUnplaced = -2;

  std::string text;
  int32_t image = kText;            ///< >= 0: an image; then, and for kUnplaced, text is empty
  bool frame = false;               ///< the image is a frame of a video
  bool behind_image = false;        ///< a line end that nobody wrote: only for models that have none of their own there
};

struct PromptTurn {
  Role role = Role::user;
  std::vector<PromptPart> parts;
};

struct Prompt::Impl {
  std::vector<PromptTurn> turns;
  std::vector<Image> images;
  int32_t unplaced_marks = 0;       ///< `<image>` marks that place_images() has still to fill
  bool has_marks = false;           ///< some turn has or had a mark, or place_images() has put some
  std::optional<std::string> system;
  std::string template_id;          ///< empty: the model's own
};


/// The ids of the table, in its order.
std::vector<std::string> template_ids();
/// Stop strings and stop tokens a template adds to the model's own stop ids ("<|im_end|>", "<|eot_id|>"). Unknown id: throws
/// invalid_argument listing the known ones.
std::vector<std::string> template_stop_tokens(const std::string& template_id);

/// The prompt in its template: text and images in reading order, neighbouring texts joined, up to where the answer starts. A line end
/// follows each frame of a video, unless the model has one after every image anyway. With
/// spec.strip_turns the white space at the ends of each turn is left out.
/// Checks the prompt: at least one turn, the last is the user's, no unplaced marks, known template.
std::vector<PromptPart> render_prompt(const Prompt::Impl& prompt, const PromptSpec& spec);
/// Chunks as one text, `<image>` for each image. Text that holds `<image>` cannot be told from an image in it: never split it.
std::string prompt_text(const std::vector<PromptPart>& chunks);

/// One element of the model's input: a text id, or an image.
struct PromptSlot {
  int32_t id = 0;                   ///< token id; for an image the placeholder id
  int32_t image = -1;               ///< index of the image, or -1
  bool behind_image = false;        ///< of the line end that the model puts behind an image: in the sequence, not in its text
};
/// Ids and image slots by the spec's tokenization rule:
/// - chunks (tokenizer_image_token of the VILA 1.0 and 1.5 code): the texts between images, empty ones included, are tokenised
///   alone with special tokens. If the first one's ids begin with BOS, one BOS is kept and the first id of every text is dropped.
///   Images stand between them.
/// - inline_token (llava-hf, NVILA): one pass over the whole text in which the token of spec.image_token_id stands for each
///   image. Where the text itself holds that token, it is spelled out in smaller tokens, so that it stays text. With
///   newline_after_image the id may lie beyond the tokenizer's vocabulary (NVILA adds the token at load).
/// With spec.newline_after_image the ids of "\n" follow each image. Throws bad_file where tokenizer and image token id disagree.
std::vector<PromptSlot> tokenize_prompt(const std::vector<PromptPart>& chunks, const TokenizerBase& tokenizer,
                                        const PromptSpec& spec);

/// Where images lie after each placeholder is replaced by image tokens.
struct ExpandedSpans {
  int32_t sequence_length = 0;      ///< positions in all
  std::vector<int32_t> image_spans; ///< start, length of each image in reading order, flattened pairs
};
/// `image_tokens` has the token count of each image, by the index in the slots. Throws capacity when the sequence does not fit an
/// int32.
ExpandedSpans expand_spans(const std::vector<PromptSlot>& slots, const std::vector<int32_t>& image_tokens);

}  // namespace vila
