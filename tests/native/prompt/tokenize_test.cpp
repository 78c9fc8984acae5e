// SPDX-License-Identifier: Apache-2.0
// The two tokenization rules, by hand.
#include <doctest/doctest.h>

#include "prompt/fake_tokenizer.h"
#include "prompt/prompt.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

PromptPart text(const std::string& value) { return {value, PromptPart::kText}; }
PromptPart image(int32_t index) { return {{}, index}; }

/// Slots as "id" or "[id:image]", one space between.
std::string shown(const std::vector<PromptSlot>& slots) {
  std::string result;
  for (const PromptSlot& slot : slots) {
    if (!result.empty()) result += ' ';
    result += slot.image < 0 ? join(slot.id) : join('[', slot.id, ':', slot.image, ']');
  }
  return result;
}

PromptSpec chunks() { return {}; }

PromptSpec inline_token(int64_t id, bool newline) {
  PromptSpec spec;
  spec.tokenization = PromptSpec::Tokenization::inline_token;
  spec.image_token_id = id;
  spec.newline_after_image = newline;
  return spec;
}

}  // namespace

TEST_CASE("chunks: one BOS is kept, also around adjacent images and at both ends") {
  const FakeTokenizer tokenizer({"<s>"}, 256);
  CHECK(shown(tokenize_prompt({text("AB")}, tokenizer, chunks())) == "256 65 66");
  CHECK(shown(tokenize_prompt({text("A"), image(0), text("B")}, tokenizer, chunks())) == "256 65 [-200:0] 66");
  CHECK(shown(tokenize_prompt({image(1), image(0)}, tokenizer, chunks())) == "256 [-200:1] [-200:0]");
  CHECK(shown(tokenize_prompt({text("A"), image(0), image(1), text("B"), image(2)}, tokenizer, chunks())) ==
        "256 65 [-200:0] [-200:1] 66 [-200:2]");
  CHECK(shown(tokenize_prompt({}, tokenizer, chunks())) == "256");
  // BOS written in the text comes on top of the tokenizer's.
  CHECK(shown(tokenize_prompt({text("<s>A"), image(0), text("<s>B")}, tokenizer, chunks())) == "256 256 65 [-200:0] 256 66");
}

namespace {

/// Adds nothing by itself, but has a BOS that can be written in the text.
class NoBosAdded final : public TokenizerBase {
 public:
  std::vector<int32_t> encode(std::string_view value, bool) const override { return inner_.encode(value, false); }
  std::string decode(const std::vector<int32_t>& ids, bool skip) const override { return inner_.decode(ids, skip); }
  int32_t vocab_size() const override { return inner_.vocab_size(); }
  int32_t bos_id() const override { return 256; }
  int32_t eos_id() const override { return -1; }
  int32_t token_to_id(std::string_view token) const override { return inner_.token_to_id(token); }
  std::string id_to_token(int32_t id) const override { return inner_.id_to_token(id); }
  bool is_special(int32_t id) const override { return inner_.is_special(id); }

 private:
  FakeTokenizer inner_{{"<s>"}};
};

}  // namespace

TEST_CASE("chunks: the rule is literal where the tokenizer adds no BOS") {
  // A BOS in the first text only: the first real id of every later text is lost, as in the code the models were trained with.
  CHECK(shown(tokenize_prompt({text("<s>AB"), image(0), text("CD"), image(1)}, NoBosAdded(), chunks())) == "256 65 66 [-200:0] 68 [-200:1]");
  CHECK(shown(tokenize_prompt({text("AB"), image(0), text("CD")}, NoBosAdded(), chunks())) == "65 66 [-200:0] 67 68");
  CHECK(shown(tokenize_prompt({image(0)}, FakeTokenizer({}), chunks())) == "[-200:0]");
}

TEST_CASE("chunks: text that looks like a mark stays text") {
  CHECK(shown(tokenize_prompt({text("<image>")}, FakeTokenizer({}), chunks())) == "60 105 109 97 103 101 62");
}

TEST_CASE("chunks: a line end follows each image where the model wants it") {
  PromptSpec spec;
  spec.newline_after_image = true;
  CHECK(shown(tokenize_prompt({image(0), image(1), text("A")}, FakeTokenizer({"<s>"}, 256), spec)) == "256 [-200:0] 10 [-200:1] 10 65");
}

TEST_CASE("inline: one pass, the image token at each image") {
  const FakeTokenizer tokenizer({"<s>", "<image>", "AB"}, 256);
  CHECK(shown(tokenize_prompt({text("A"), image(1), image(0), text("B")}, tokenizer, inline_token(257, false))) ==
        "256 65 [257:1] [257:0] 66");
  CHECK(shown(tokenize_prompt({text("AB"), image(0)}, tokenizer, inline_token(257, true))) == "256 258 [257:0] 10");
  CHECK(shown(tokenize_prompt({image(0)}, FakeTokenizer({"<image>"}), inline_token(256, false))) == "[256:0]");
}

TEST_CASE("inline: the image token written as text is spelled out") {
  const FakeTokenizer tokenizer({"<image>"});
  const std::string spelled = "60 105 109 97 103 101 62";
  CHECK(shown(tokenize_prompt({text("<image>"), image(0), text("<image>A")}, tokenizer, inline_token(256, true))) ==
        spelled + " [256:0] 10 " + spelled + " 65");
  CHECK(shown(tokenize_prompt({text("<image"), image(0), text(">")}, tokenizer, inline_token(256, false))) ==
        "60 105 109 97 103 101 [256:0] 62");
  CHECK(error_of([] { tokenize_prompt({text("A")}, FakeTokenizer({}), inline_token(65, false)); }) ==
        "5:prompt: text holds the image token \"A\", which has no smaller tokens");
}

TEST_CASE("inline: NVILA's image token may lie beyond the tokenizer's vocabulary; the texts between images stay apart") {
  const FakeTokenizer tokenizer({"\n\n"});
  CHECK(shown(tokenize_prompt({text("A\n"), image(1), text("\n<image>"), image(0)}, tokenizer, inline_token(300, true))) ==
        "65 10 [300:1] 10 10 60 105 109 97 103 101 62 [300:0] 10");
}

TEST_CASE("inline: a tokenizer and an image token id that disagree are named") {
  const FakeTokenizer tokenizer({"<im", "<image>"});
  CHECK(error_of([&] { tokenize_prompt({image(0)}, tokenizer, inline_token(257, false)); }) ==
        "4:image token \"<image>\" stands 1 times in the prompt, the tokenizer finds it 0 times");
  CHECK(error_of([&] { tokenize_prompt({image(0)}, tokenizer, inline_token(258, false)); }) ==
        "4:image token id is 258, expected an id of the tokenizer, 0 to 257");
  CHECK(error_of([&] { tokenize_prompt({image(0)}, tokenizer, inline_token(-200, false)); }) ==
        "4:image token id is -200, expected an id of the tokenizer, 0 to 257");
  CHECK(error_of([&] { tokenize_prompt({image(0)}, FakeTokenizer({""}), inline_token(256, false)); }) ==
        "4:image token id is 256, which the tokenizer gives no text");
}

TEST_CASE("spans of the expanded sequence") {
  const std::vector<PromptSlot> slots = {{1, -1}, {-200, 1}, {-200, 0}, {5, -1}, {-200, 2}};
  const ExpandedSpans spans = expand_spans(slots, {16, 9, 4});
  CHECK(spans.sequence_length == 31);
  CHECK(spans.image_spans == std::vector<int32_t>{1, 9, 10, 16, 27, 4});
  CHECK(expand_spans({}, {}).sequence_length == 0);
  CHECK(error_of([&] { expand_spans(slots, {1 << 30, 1 << 30, 4}); }) == "6:prompt: more than 2147483647 positions");
  CHECK(error_of([&] { expand_spans(slots, {16, 9}); }) == "10:prompt: image 2 of 2 images");
}
