// SPDX-License-Identifier: Apache-2.0
// prompts.json to prompts to ids and image slots. Besides crashes, looks for slots that lose an image or take text for one.
#include "common/error.h"
#include "fuzz/fuzz.h"
#include "native/prompt/fake_tokenizer.h"
#include "prompt/prompt.h"
#include "prompt/prompts_file.h"

using namespace vila;  // NOLINT

namespace {

void expect(bool ok, const char* what) {
  if (!ok) throw std::logic_error(what);
}

Prompt build(const PromptCase& given, const Image& image) {
  Prompt prompt;
  prompt.set_template(given.prompt_template);
  for (size_t i = 0; i < given.turns.size(); ++i) prompt.add_marked_turn(i % 2 == 0 ? Role::user : Role::assistant, given.turns[i]);
  return prompt.place_images(std::vector<Image>(given.images.size(), image));
}

/// Input that is no JSON object is the text of one turn, with as many images as it has marks.
std::vector<PromptCase> cases_of(const std::string& input) {
  if (input.starts_with('{')) return parse_prompts(input, "prompts.json");
  PromptCase text{"text", "vicuna_v1", {input}, {}};
  for (size_t at = input.find(kImageMark); at != std::string::npos; at = input.find(kImageMark, at + 1)) text.images.emplace_back("x");
  return {text};
}

void check_slots(const Prompt& prompt, const TokenizerBase& tokenizer, const PromptSpec& spec) {
  const std::vector<PromptPart> chunks = render_prompt(prompt.impl(), spec);
  const std::vector<PromptSlot> slots = tokenize_prompt(chunks, tokenizer, spec);
  int32_t images = 0;
  std::vector<int32_t> ids;
  for (const PromptSlot& slot : slots) {
    if (slot.image >= 0) {
      expect(slot.image == images++ && slot.id == spec.image_token_id, "an image is out of order");
    } else {
      expect(slot.id != spec.image_token_id, "text became an image");
      ids.push_back(slot.id);
    }
  }
  expect(images == prompt.image_count(), "an image is lost");

  std::string text = tokenizer.bos_id() >= 0 ? tokenizer.id_to_token(tokenizer.bos_id()) : "";
  for (const PromptPart& chunk : chunks) {
    text += chunk.image < 0 ? chunk.text : spec.newline_after_image ? "\n" : "";
  }
  expect(tokenizer.decode(ids, false) == text, "text is lost");

  const ExpandedSpans spans = expand_spans(slots, std::vector<int32_t>(static_cast<size_t>(images), 16));
  expect(spans.image_spans.size() == 2 * static_cast<size_t>(images), "a span is lost");
  expect(spans.sequence_length == static_cast<int32_t>(ids.size()) + 16 * images, "the length is wrong");
}

}  // namespace

int main() {
  const std::string data = std::string(std::getenv("VILA_TEST_DATA")) + "/cases/";
  const std::vector<std::string> seeds = {
      fuzz::read_seed(data + "vila15-llama3-siglip/prompts.json"),
      fuzz::read_seed(data + "vila10-clip-linear/prompts.json"),
      R"({"prompts":[{"name":"a","template":"qwen2","turns":["<image>x<image>"],"images":["a.png","b.png"]}]})",
      R"({"prompts":[{"name":"b","template":"llama_2","turns":["q","a","r"],"images":["c.png"]}]})",
      R"({"prompts":[{"name":"c","template":"plain","turns":["\u00e9<ima\ud83d\ude00ge>"]}]})",
      R"({"prompts":[{"name":"d","turns":["<image><image>"],"images":["d.png","d.png"]},{"name":"e","turns":["q"]}]})",
      "<image>\nWhat is in the image?",
      "<image><image<image>> caf\xC3\xA9 <s>a</s>\n<image>"};
  const std::vector<std::string> tokens = {"<image>",    "<image",       "\\u0000",     "\\ud800",     "\\\"",      "\"name\"",
                                           "\"turns\"",  "\"images\"",   "\"template\"", "\"llava15\"", "\"mpt\"",   "[\"q\"]",
                                           "[]",         "null",         "<s>",         "</s>",        "..",         "/"};
  const uint8_t rgb[3] = {};
  const Image image = Image::from_rgb(rgb, sizeof rgb, 1, 1);
  const testing::FakeTokenizer with_bos({"<s>", "</s>"}, 256), with_image({"<image>"});
  PromptSpec chunks, one_pass;
  chunks.template_id = one_pass.template_id = "vicuna_v1";
  one_pass.tokenization = PromptSpec::Tokenization::inline_token;
  one_pass.image_token_id = 256;
  one_pass.newline_after_image = true;
  return fuzz::run("prompts", seeds, tokens, [&](const std::string& input) {
    for (const PromptCase& given : cases_of(input)) {
      const Prompt prompt = build(given, image);
      check_slots(prompt, with_bos, chunks);
      check_slots(prompt, with_image, one_pass);
    }
  });
}
