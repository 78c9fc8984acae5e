// SPDX-License-Identifier: Apache-2.0
// A conversation in its template.
#include "common/error.h"
#include "prompt/prompt.h"
#include "prompt/templates.h"
#include "tokenizer/unicode.h"

namespace vila {
namespace {

/// Parts in reading order in which no two texts stand side by side and no text is empty.
class Chunks {
 public:
  /// What `after_frame` says follows each frame of a video.
  explicit Chunks(std::string_view after_frame) : after_frame_(after_frame) {}
  Chunks& text(std::string_view text) {
    if (text.empty()) return *this;
    if (parts_.empty() || parts_.back().image != PromptPart::kText) parts_.emplace_back();
    parts_.back().text += text;
    return *this;
  }
  Chunks& parts(const std::vector<PromptPart>& parts) {
    for (const PromptPart& part : parts) {
      if (part.image == PromptPart::kText) {
        text(part.text);
      } else {
        parts_.push_back(part);
        if (part.frame) text(after_frame_);
      }
    }
    return *this;
  }
  std::vector<PromptPart> take() { return std::move(parts_); }

 private:
  std::string_view after_frame_;
  std::vector<PromptPart> parts_;
};

/// Takes white space off a turn's ends: of the texts before its first and behind its last character or image.
void strip(std::vector<PromptPart>& parts) {
  const auto is_text = [](const PromptPart& part) { return part.image == PromptPart::kText; };
  for (auto part = parts.begin(); part != parts.end() && is_text(*part); ++part) {
    part->text = strip_left(part->text);
    if (!part->text.empty()) break;
  }
  for (auto part = parts.rbegin(); part != parts.rend() && is_text(*part); ++part) {
    part->text = strip_right(part->text);
    if (!part->text.empty()) break;
  }
}

/// A turn's parts as this model takes them.
std::vector<PromptPart> parts_of(const PromptTurn& turn, const PromptSpec& spec) {
  std::vector<PromptPart> parts = turn.parts;
  if (spec.newline_after_image) std::erase_if(parts, [](const PromptPart& part) { return part.behind_image; });
  if (spec.strip_turns) strip(parts);
  return parts;
}

}  // namespace

std::vector<PromptPart> render_prompt(const Prompt::Impl& prompt, const PromptSpec& spec) {
  const PromptTemplate& row = find_template(prompt.template_id.empty() ? spec.template_id : prompt.template_id);
  if (prompt.turns.empty()) fail(ErrorCode::invalid_argument, "prompt: has no turn, expected at least one of the user");
  if (prompt.turns.back().role != Role::user) {
    fail(ErrorCode::invalid_argument, "prompt: the last turn is the assistant's, expected the user's");
  }
  if (prompt.unplaced_marks != 0) {
    fail(ErrorCode::invalid_argument, "prompt: ", prompt.unplaced_marks, " <image> marks have no image, expected place_images()");
  }

  Chunks chunks(spec.newline_after_image ? "" : "\n");
  const std::optional<std::string> own = row.id == spec.template_id ? spec.system : std::nullopt;
  if (const std::optional<std::string>& system = prompt.system.has_value() ? prompt.system : own) {
    chunks.text(row.system_prefix).text(*system).text(row.system_suffix);
  } else if (row.system != nullptr && !(row.id == spec.template_id && spec.without_system)) {
    chunks.text(row.system_prefix).text(row.system).text(row.system_suffix);
  }
  bool first = true;
  for (const PromptTurn& turn : prompt.turns) {
    if (turn.role == Role::user) {
      chunks.text(first ? row.first_user_prefix : row.user_prefix).parts(parts_of(turn, spec));
      chunks.text(row.user_suffix).text(row.assistant_prefix);
      first = false;
    } else {
      chunks.text(row.answer_prefix).parts(parts_of(turn, spec)).text(row.answer_suffix);
    }
  }
  return chunks.take();
}

std::string prompt_text(const std::vector<PromptPart>& chunks) {
  std::string text;
  for (const PromptPart& chunk : chunks) text += chunk.image == PromptPart::kText ? std::string_view(chunk.text) : kImageMark;
  return text;
}

}  // namespace vila
