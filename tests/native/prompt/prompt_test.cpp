// SPDX-License-Identifier: Apache-2.0
// The public Prompt: the order of turns, marks and images.
#include "prompt/prompt.h"

#include <doctest/doctest.h>

#include "common/error.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

Image pixel(uint8_t value) {
  const uint8_t rgb[3] = {value, value, value};
  return Image::from_rgb(rgb, 3, 1, 1);
}

PromptSpec plain() {
  PromptSpec spec;
  spec.template_id = "plain";
  return spec;
}

/// The prompt with each image as "{red of its first pixel}".
std::string text_with_images(const Prompt& prompt, const PromptSpec& spec) {
  std::string text;
  for (const PromptPart& part : render_prompt(prompt.impl(), spec)) {
    if (part.image < 0) {
      text += part.text;
    } else {
      text += join('{', int{prompt.impl().images.at(static_cast<size_t>(part.image)).rgb()[0]}, '}');
    }
  }
  return text;
}

}  // namespace

TEST_CASE("turns alternate, the user's first") {
  const std::string rule = " (turns alternate, the user's first)";
  Prompt prompt;
  CHECK(error_of([&] { prompt.begin_turn(Role::assistant); }) == "1:begin_turn: turn 0 is the assistant's, expected the user's" + rule);
  CHECK(error_of([&] { prompt.add_marked_turn(Role::assistant, "x"); }) ==
        "1:add_marked_turn: turn 0 is the assistant's, expected the user's" + rule);
  CHECK(error_of([&] { prompt.begin_turn(static_cast<Role>(2)); }) == "1:begin_turn: role is 2, expected 0 (user) or 1 (assistant)");
  CHECK(prompt.turn_count() == 0);
  prompt.begin_turn(Role::user);
  CHECK(error_of([&] { prompt.begin_turn(Role::user); }) == "1:begin_turn: turn 1 is the user's, expected the assistant's" + rule);
  CHECK(error_of([&] { prompt.add_marked_turn(Role::user, "x"); }) ==
        "1:add_marked_turn: turn 1 is the user's, expected the assistant's" + rule);
  CHECK(prompt.turn_count() == 1);
  prompt.begin_turn(Role::assistant).begin_turn(Role::user);
  CHECK(prompt.turn_count() == 3);
}

TEST_CASE("text and images need a turn; images the user's") {
  Prompt prompt;
  CHECK(error_of([&] { prompt.add_text("x"); }) == "1:add_text: no turn has begun, expected begin_turn() first");
  CHECK(error_of([&] { prompt.add_image(pixel(1)); }) == "1:add_image: no turn has begun, expected begin_turn() first");
  CHECK(error_of([&] { prompt.place_images({pixel(1)}); }) == "1:place_images: no turn has begun, expected begin_turn() first");
  prompt.begin_turn(Role::user).begin_turn(Role::assistant);
  CHECK(error_of([&] { prompt.add_image(pixel(1)); }) == "1:add_image: the current turn is the assistant's, expected the user's");
  CHECK(prompt.image_count() == 0);
}

TEST_CASE("text must be UTF-8, and a call that throws changes nothing") {
  Prompt prompt;
  prompt.begin_turn(Role::user);
  CHECK(error_of([&] { prompt.add_text("caf\xE9"); }) == "1:add_text: invalid UTF-8 at byte 3");
  CHECK(error_of([&] { prompt.set_system("\xC0\x80"); }) == "1:set_system: invalid UTF-8 at byte 0");
  prompt.begin_turn(Role::assistant);
  CHECK(error_of([&] { prompt.add_marked_turn(Role::user, "<image>\xED\xA0\x80"); }) == "1:add_marked_turn: invalid UTF-8 at byte 7");
  CHECK(prompt.turn_count() == 2);
  CHECK(prompt.impl().turns[0].parts.empty());
  CHECK(!prompt.impl().system.has_value());
  CHECK(prompt.impl().unplaced_marks == 0);
}

TEST_CASE("text and images keep their order, neighbouring texts become one") {
  Prompt prompt;
  prompt.begin_turn(Role::user).add_text("a").add_text("").add_text("b").add_image(pixel(7)).add_image(pixel(8)).add_text("c");
  CHECK(text_with_images(prompt, plain()) == "ab{7}{8}c\n");
  const std::vector<PromptPart> chunks = render_prompt(prompt.impl(), plain());
  REQUIRE(chunks.size() == 4);
  CHECK(chunks[0].text == "ab");
  CHECK(chunks[1].image == 0);
  CHECK(chunks[2].image == 1);
  CHECK(chunks[3].text == "c\n");
  CHECK(prompt_text(chunks) == "ab<image><image>c\n");
  CHECK(prompt.image_count() == 2);
}

TEST_CASE("marks take the images in their order, over turns") {
  Prompt prompt;
  prompt.add_marked_turn(Role::user, "<image>a<image><image>").add_marked_turn(Role::assistant, "x").add_marked_turn(Role::user, "b<image>c");
  const std::string unplaced = "1:prompt: 4 <image> marks have no image, expected place_images()";
  CHECK(error_of([&] { render_prompt(prompt.impl(), plain()); }) == unplaced);
  CHECK(error_of([&] { prompt.place_images({pixel(1)}); }) ==
        "1:place_images: 1 images for 4 <image> marks, expected as many images as marks");
  CHECK(error_of([&] { prompt.place_images({}); }) == "1:place_images: 0 images for 4 <image> marks, expected as many images as marks");
  CHECK(prompt.image_count() == 0);
  CHECK(error_of([&] { render_prompt(prompt.impl(), plain()); }) == unplaced);
  prompt.place_images({pixel(1), pixel(2), pixel(3), pixel(4)});
  CHECK(text_with_images(prompt, plain()) == "{1}a{2}{3}\nx\nb{4}c\n");
  CHECK(prompt.image_count() == 4);
  CHECK(error_of([&] { prompt.place_images({pixel(1)}); }) ==
        "1:place_images: 1 images for 0 <image> marks, expected as many images as marks");
  // A later turn's marks are placed by themselves, and images placed and added go together.
  prompt.add_marked_turn(Role::assistant, "y").add_marked_turn(Role::user, "<image>").add_image(pixel(5)).place_images({pixel(6)});
  CHECK(text_with_images(prompt, plain()) == "{1}a{2}{3}\nx\nb{4}c\ny\n{6}{5}\n");
}

TEST_CASE("without any mark the images stand before the first user turn, each with a line end") {
  Prompt prompt;
  prompt.add_marked_turn(Role::user, "first").add_marked_turn(Role::assistant, "x").add_marked_turn(Role::user, "second");
  prompt.place_images({});
  CHECK(text_with_images(prompt, plain()) == "first\nx\nsecond\n");
  prompt.place_images({pixel(1), pixel(2)});
  CHECK(text_with_images(prompt, plain()) == "{1}\n{2}\nfirst\nx\nsecond\n");
  CHECK(error_of([&] { prompt.place_images({pixel(3)}); }) ==
        "1:place_images: 1 images for 0 <image> marks, expected as many images as marks");
}

TEST_CASE("a mark in add_text or in the system text is text") {
  Prompt prompt;
  prompt.begin_turn(Role::user).add_text("what is <image>?").place_images({pixel(1)}).set_system("no <image>");
  const std::vector<PromptPart> chunks = render_prompt(prompt.impl(), plain());
  REQUIRE(chunks.size() == 3);
  CHECK(chunks[0].text == "no <image>");
  CHECK(chunks[1].image == 0);
  CHECK(chunks[2].text == "\nwhat is <image>?\n");
}

TEST_CASE("an assistant's turn has no image") {
  Prompt prompt;
  prompt.add_marked_turn(Role::user, "a");
  CHECK(error_of([&] { prompt.add_marked_turn(Role::assistant, "<image> and <image>"); }) ==
        "1:add_marked_turn: an assistant's turn has 2 <image> marks, expected none");
  CHECK(prompt.turn_count() == 1);
}

TEST_CASE("a video is its frames where it stands, each with a line end unless the model has one after every image") {
  Prompt prompt;
  prompt.begin_turn(Role::user).add_text("A ").add_video({pixel(1), pixel(2)}).add_image(pixel(3)).add_video({pixel(4)});
  prompt.add_text("<video>?");
  CHECK(prompt.image_count() == 4);
  CHECK(text_with_images(prompt, plain()) == "A {1}\n{2}\n{3}{4}\n<video>?\n");
  PromptSpec nvila = plain();
  nvila.newline_after_image = true;
  CHECK(text_with_images(prompt, nvila) == "A {1}{2}{3}{4}<video>?\n");
}

TEST_CASE("marks and videos in one turn") {
  Prompt prompt;
  prompt.begin_turn(Role::user).add_video({pixel(1), pixel(2)}).add_marked_text("<image> or <image>?");
  prompt.place_images({pixel(3), pixel(4)});
  CHECK(text_with_images(prompt, plain()) == "{1}\n{2}\n{3} or {4}?\n");
  Prompt unmarked;
  unmarked.begin_turn(Role::user).add_video({pixel(1)}).add_marked_text("What?").place_images({pixel(3)});
  CHECK(text_with_images(unmarked, plain()) == "{3}\n{1}\nWhat?\n");
}

TEST_CASE("what add_video and add_marked_text refuse") {
  Prompt prompt;
  CHECK(error_of([&] { prompt.add_video({pixel(1)}); }) == "1:add_video: no turn has begun, expected begin_turn() first");
  CHECK(error_of([&] { prompt.add_marked_text("x"); }) == "1:add_marked_text: no turn has begun, expected begin_turn() first");
  prompt.begin_turn(Role::user);
  CHECK(error_of([&] { prompt.add_video({}); }) == "1:add_video: no frames, expected at least one");
  CHECK(error_of([&] { prompt.add_marked_text("\xFF"); }) == "1:add_marked_text: invalid UTF-8 at byte 0");
  prompt.begin_turn(Role::assistant);
  CHECK(error_of([&] { prompt.add_video({pixel(1)}); }) == "1:add_video: the current turn is the assistant's, expected the user's");
  CHECK(error_of([&] { prompt.add_marked_text("<image>"); }) ==
        "1:add_marked_text: an assistant's turn has 1 <image> marks, expected none");
  CHECK(prompt.image_count() == 0);
  CHECK(prompt.impl().unplaced_marks == 0);
}

TEST_CASE("a prompt needs a turn and ends with the user's") {
  Prompt prompt;
  CHECK(error_of([&] { render_prompt(prompt.impl(), plain()); }) == "1:prompt: has no turn, expected at least one of the user");
  prompt.begin_turn(Role::user).add_text("a").begin_turn(Role::assistant);
  CHECK(error_of([&] { render_prompt(prompt.impl(), plain()); }) == "1:prompt: the last turn is the assistant's, expected the user's");
}

TEST_CASE("a copy goes its own way") {
  Prompt prompt;
  prompt.begin_turn(Role::user).add_text("a");
  Prompt copy = prompt;
  copy.add_text("b").add_image(pixel(1));
  CHECK(text_with_images(prompt, plain()) == "a\n");
  CHECK(text_with_images(copy, plain()) == "ab{1}\n");
  prompt = copy;
  copy = *&copy;
  CHECK(text_with_images(prompt, plain()) == "ab{1}\n");
  CHECK(text_with_images(copy, plain()) == "ab{1}\n");
}
