// SPDX-License-Identifier: Apache-2.0
// The given prompts: text, ids and spans exact.
#include <doctest/doctest.h>

#include "common/json.h"
#include "prompt/prompt.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

Prompt build(const PromptCase& given) {
  Prompt prompt;
  prompt.set_template(given.prompt_template);
  for (size_t i = 0; i < given.turns.size(); ++i) prompt.add_marked_turn(i % 2 == 0 ? Role::user : Role::assistant, given.turns[i]);
  const std::vector<uint8_t> rgb(3);
  return prompt.place_images(std::vector<Image>(given.images.size(), Image::from_rgb(rgb.data(), rgb.size(), 1, 1)));
}

struct Case {
  const char* folder;
  TokenizerSpec::Kind tokenizer;
  const char* tokenizer_folder;
  int32_t tokens_per_image;
  size_t prompts;
};
constexpr Case kCases[] = {{"vila10-clip-linear", TokenizerSpec::Kind::sentencepiece, "model", 36, 6},
                           {"vila15-llama3-siglip", TokenizerSpec::Kind::bpe_json, "model/llm", 16, 7}};

}  // namespace

TEST_CASE("prompt_text of every given prompt") {
  for (const Case& c : kCases) {
    CAPTURE(c.folder);
    const std::string path = data(std::string("cases/") + c.folder + "/prompts.json");
    const Json expected = read_json(path).at("prompts");
    const std::vector<PromptCase> prompts = read_prompts(path);
    REQUIRE(prompts.size() == c.prompts);
    for (size_t i = 0; i < prompts.size(); ++i) {
      CAPTURE(prompts[i].name);
      CHECK(prompt_text(render_prompt(build(prompts[i]).impl(), PromptSpec{})) == expected[i].at("prompt_text").get<std::string>());
    }
  }
}

TEST_CASE("input_ids, sequence_length and image_spans of every given prompt") {
  for (const Case& c : kCases) {
    CAPTURE(c.folder);
    const std::string folder = data(std::string("cases/") + c.folder);
    const Json file = read_json(folder + "/prompts.json");
    const auto tokenizer = open_tokenizer({c.tokenizer, folder + "/" + c.tokenizer_folder});
    PromptSpec spec;
    spec.image_token_id = file.at("image_placeholder_id").get<int64_t>();
    const std::vector<PromptCase> prompts = read_prompts(folder + "/prompts.json");
    for (size_t i = 0; i < prompts.size(); ++i) {
      CAPTURE(prompts[i].name);
      const Json& expected = file.at("prompts").at(i);
      const std::vector<PromptSlot> slots = tokenize_prompt(render_prompt(build(prompts[i]).impl(), spec), *tokenizer, spec);
      std::vector<int32_t> ids;
      int32_t images = 0;
      for (const PromptSlot& slot : slots) {
        ids.push_back(slot.id);
        CHECK((slot.id == spec.image_token_id) == (slot.image >= 0));
        if (slot.image >= 0) CHECK(slot.image == images++);
      }
      CHECK(ids == expected.at("input_ids").get<std::vector<int32_t>>());
      const ExpandedSpans spans = expand_spans(slots, std::vector<int32_t>(static_cast<size_t>(images), c.tokens_per_image));
      CHECK(spans.sequence_length == expected.at("sequence_length").get<int32_t>());
      std::vector<int32_t> flat;
      for (const Json& span : expected.at("image_spans")) {
        REQUIRE(span.size() == 2);
        flat.push_back(span[0].get<int32_t>());
        flat.push_back(span[1].get<int32_t>());
      }
      CHECK(spans.image_spans == flat);
    }
  }
}

TEST_CASE("inline: with a real tokenizer, the ids are those of one pass over the text") {
  // Tokens of these vocabularies that nothing else uses stand in for an image token.
  const std::pair<Case, int32_t> stand_ins[] = {{kCases[0], 0}, {kCases[1], 1010}};
  for (const auto& [c, image_token] : stand_ins) {
    CAPTURE(c.folder);
    const std::string folder = data(std::string("cases/") + c.folder);
    const auto tokenizer = open_tokenizer({c.tokenizer, folder + "/" + c.tokenizer_folder});
    PromptSpec spec;
    spec.tokenization = PromptSpec::Tokenization::inline_token;
    spec.image_token_id = image_token;
    const std::string mark = tokenizer->id_to_token(image_token);
    for (const PromptCase& given : read_prompts(folder + "/prompts.json")) {
      CAPTURE(given.name);
      const std::vector<PromptPart> chunks = render_prompt(build(given).impl(), spec);
      std::string text;
      for (const PromptPart& chunk : chunks) text += chunk.image < 0 ? chunk.text : mark;
      std::vector<int32_t> ids;
      size_t images = 0;
      for (const PromptSlot& slot : tokenize_prompt(chunks, *tokenizer, spec)) {
        ids.push_back(slot.id);
        CHECK((slot.id == image_token) == (slot.image >= 0));
        images += slot.image >= 0 ? 1 : 0;
      }
      CHECK(ids == tokenizer->encode(text, true));
      CHECK(images == given.images.size());
    }

    // The image token written by a user stays text, to the letter where the tokenizer puts no space of its own in front.
    std::vector<int32_t> ids;
    const std::string written = "a" + mark + "b";
    for (const PromptSlot& slot : tokenize_prompt({{written, PromptPart::kText}, {{}, 0}}, *tokenizer, spec)) {
      CHECK((slot.id == image_token) == (slot.image == 0));
      if (slot.image < 0) ids.push_back(slot.id);
    }
    std::string spelled = tokenizer->decode(ids, true);
    std::erase(spelled, ' ');
    CHECK(spelled == written);
  }
}
