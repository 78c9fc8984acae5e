// SPDX-License-Identifier: Apache-2.0
// The public Prompt.
#include <iterator>
#include <utility>

#include "common/error.h"
#include "common/utf8.h"
#include "prompt/prompt.h"

namespace vila {
namespace {

const char* whose(Role role) { return role == Role::user ? "the user's" : "the assistant's"; }

/// Throws unless a turn of `role` may come next.
void check_turn(const Prompt::Impl& prompt, const char* function, Role role) {
  if (role != Role::user && role != Role::assistant) {
    fail(ErrorCode::invalid_argument, function, ": role is ", static_cast<int>(role), ", expected 0 (user) or 1 (assistant)");
  }
  const Role expected = prompt.turns.size() % 2 == 0 ? Role::user : Role::assistant;
  if (role != expected) {
    fail(ErrorCode::invalid_argument, function, ": turn ", prompt.turns.size(), " is ", whose(role), ", expected ", whose(expected),
         " (turns alternate, the user's first)");
  }
}

PromptTurn& current_turn(Prompt::Impl& prompt, const char* function) {
  if (prompt.turns.empty()) fail(ErrorCode::invalid_argument, function, ": no turn has begun, expected begin_turn() first");
  return prompt.turns.back();
}

/// The current turn, which must be the user's.
PromptTurn& current_user_turn(Prompt::Impl& prompt, const char* function) {
  PromptTurn& turn = current_turn(prompt, function);
  if (turn.role != Role::user) {
    fail(ErrorCode::invalid_argument, function, ": the current turn is the assistant's, expected the user's");
  }
  return turn;
}

/// Text with `<image>` marks as parts.
std::vector<PromptPart> split_marks(std::string_view text) {
  std::vector<PromptPart> parts;
  for (;;) {
    const size_t at = text.find(kImageMark);
    if (at != 0 && !text.empty()) parts.push_back({std::string(text.substr(0, at)), PromptPart::kText});
    if (at == std::string_view::npos) return parts;
    parts.push_back({{}, PromptPart::kUnplaced});
    text.remove_prefix(at + kImageMark.size());
  }
}

/// Appends text with marks to a turn, which may not be one of the prompt yet.
void append_marked(Prompt::Impl& prompt, PromptTurn& turn, const char* function, const std::string& text) {
  require_utf8(text, function);
  std::vector<PromptPart> parts = split_marks(text);
  int32_t marks = 0;
  for (const PromptPart& part : parts) marks += part.image == PromptPart::kUnplaced ? 1 : 0;
  if (marks > 0 && turn.role != Role::user) {
    fail(ErrorCode::invalid_argument, function, ": an assistant's turn has ", marks, " <image> marks, expected none");
  }
  turn.parts.insert(turn.parts.end(), std::make_move_iterator(parts.begin()), std::make_move_iterator(parts.end()));
  prompt.unplaced_marks += marks;
  prompt.has_marks = prompt.has_marks || marks > 0;
}

}  // namespace

Prompt::Prompt() : impl_(std::make_unique<Impl>()) {}
Prompt::Prompt(const Prompt& other) : impl_(std::make_unique<Impl>(*other.impl_)) {}
Prompt& Prompt::operator=(const Prompt& other) {
  if (this != &other) impl_ = std::make_unique<Impl>(*other.impl_);
  return *this;
}
Prompt::~Prompt() = default;

Prompt& Prompt::begin_turn(Role role) {
  check_turn(*impl_, "begin_turn", role);
  impl_->turns.push_back({role, {}});
  return *this;
}

Prompt& Prompt::add_text(const std::string& text) {
  PromptTurn& turn = current_turn(*impl_, "add_text");
  require_utf8(text, "add_text");
  turn.parts.push_back({text, PromptPart::kText});
  return *this;
}

Prompt& Prompt::add_image(const Image& image) {
  PromptTurn& turn = current_user_turn(*impl_, "add_image");
  impl_->images.push_back(image);
  turn.parts.push_back({{}, static_cast<int32_t>(impl_->images.size()) - 1});
  return *this;
}

Prompt& Prompt::add_video(const std::vector<Image>& frames) {
  PromptTurn& turn = current_user_turn(*impl_, "add_video");
  if (frames.empty()) fail(ErrorCode::invalid_argument, "add_video: no frames, expected at least one");
  for (const Image& frame : frames) {
    impl_->images.push_back(frame);
    turn.parts.push_back({{}, static_cast<int32_t>(impl_->images.size()) - 1, true});
  }
  return *this;
}

Prompt& Prompt::add_marked_text(const std::string& text) {
  PromptTurn& turn = current_turn(*impl_, "add_marked_text");
  append_marked(*impl_, turn, "add_marked_text", text);
  return *this;
}

Prompt& Prompt::add_marked_turn(Role role, const std::string& text) {
  check_turn(*impl_, "add_marked_turn", role);
  PromptTurn turn{role, {}};
  append_marked(*impl_, turn, "add_marked_turn", text);
  impl_->turns.push_back(std::move(turn));
  return *this;
}

Prompt& Prompt::place_images(const std::vector<Image>& images) {
  const bool put_in_front = !impl_->has_marks && !images.empty();
  if (put_in_front) {
    current_turn(*impl_, "place_images");
  } else if (images.size() != static_cast<size_t>(impl_->unplaced_marks)) {
    fail(ErrorCode::invalid_argument, "place_images: ", images.size(), " images for ", impl_->unplaced_marks,
         " <image> marks, expected as many images as marks");
  }

  int32_t next = static_cast<int32_t>(impl_->images.size());
  impl_->images.insert(impl_->images.end(), images.begin(), images.end());
  if (put_in_front) {
    std::vector<PromptPart>& parts = impl_->turns.front().parts;
    std::vector<PromptPart> front;
    for (size_t i = 0; i < images.size(); ++i) {
      front.push_back({{}, next++});
      front.push_back({"\n", PromptPart::kText, false, true});
    }
    parts.insert(parts.begin(), front.begin(), front.end());
    impl_->has_marks = true;
    return *this;
  }
  for (PromptTurn& turn : impl_->turns) {
    for (PromptPart& part : turn.parts) {
      if (part.image == PromptPart::kUnplaced) part.image = next++;
    }
  }
  impl_->unplaced_marks = 0;
  return *this;
}

Prompt& Prompt::set_system(const std::string& text) {
  require_utf8(text, "set_system");
  impl_->system = text;
  return *this;
}

Prompt& Prompt::set_template(const std::string& id) {
  impl_->template_id = id;
  return *this;
}

int32_t Prompt::turn_count() const noexcept { return static_cast<int32_t>(impl_->turns.size()); }
int32_t Prompt::image_count() const noexcept { return static_cast<int32_t>(impl_->images.size()); }

}  // namespace vila
