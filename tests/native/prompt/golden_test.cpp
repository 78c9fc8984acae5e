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
  int32_t tokens_per_image;
  size_t prompts;
};
constexpr Case kCases[] = {{"vila10-clip-linear", 36, 6}, {"vila15-llama3-siglip", 16, 7}};

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
