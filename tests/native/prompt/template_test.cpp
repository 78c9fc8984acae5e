// SPDX-License-Identifier: Apache-2.0
// Every row of the template table, written out.
#include "prompt/templates.h"

#include <doctest/doctest.h>

#include "prompt/prompt.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

const std::string kS1 =
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers "
    "to the user's questions.";
const std::string kS3 =
    "You are a helpful language and vision assistant. You are able to understand the visual content that the user provides, and assist "
    "the user with a variety of tasks using natural language.";

std::string text_of(const Prompt& prompt, const std::string& own_template) {
  PromptSpec spec;
  spec.template_id = own_template;
  return prompt_text(render_prompt(prompt.impl(), spec));
}

Prompt one_turn() {
  Prompt prompt;
  prompt.begin_turn(Role::user).add_text("q1");
  return prompt;
}

Prompt three_turns() {
  Prompt prompt = one_turn();
  prompt.begin_turn(Role::assistant).add_text("a1").begin_turn(Role::user).add_text("q2");
  return prompt;
}

}  // namespace

TEST_CASE("each template: one turn, and a history") {
  struct Expected {
    std::string id, one, three;
    std::vector<std::string> stops;
  };
  const std::string system3 = "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n" + kS3;
  const std::string user3 = "<|start_header_id|>user<|end_header_id|>\n\n";
  const std::string own3 = "<|start_header_id|>system<|end_header_id|>\n\n";
  const std::string assistant3 = "<|start_header_id|>assistant<|end_header_id|>\n\n";
  const std::string llama2 =
      "[INST] <<SYS>>\nYou are a helpful, respectful and honest assistant. Always answer as helpfully as possible, while being safe.  Your "
      "answers should not include any harmful, unethical, racist, sexist, toxic, dangerous, or illegal content. Please ensure that your "
      "responses are socially unbiased and positive in nature.\n\nIf a question does not make any sense, or is not factually coherent, "
      "explain why instead of answering something not correct. If you don't know the answer to a question, please don't share false "
      "information.\n<</SYS>>\n\nq1 [/INST]";
  const std::string mpt =
      "<|im_start|>system\nA conversation between a user and an LLM-based AI assistant. The assistant gives helpful and honest "
      "answers.<|im_end|>";
  const std::string chat = "<|im_start|>user\nq1<|im_end|><|im_start|>assistant\n";
  const std::string more = "a1<|im_end|><|im_start|>user\nq2<|im_end|><|im_start|>assistant\n";
  const std::string qwen = "<|im_start|>system\nYou are a helpful assistant<|im_end|>\n<|im_start|>user\nq1<|im_end|>\n<|im_start|>assistant\n";
  const std::vector<Expected> table = {
      {"vicuna_v1", kS1 + " USER: q1 ASSISTANT:", kS1 + " USER: q1 ASSISTANT: a1</s>USER: q2 ASSISTANT:", {"</s>"}},
      {"vicuna_v1_nosys", " USER: q1 ASSISTANT:", " USER: q1 ASSISTANT: a1</s>USER: q2 ASSISTANT:", {"</s>"}},
      {"llava15", "USER: q1 ASSISTANT:", "USER: q1 ASSISTANT: a1</s>USER: q2 ASSISTANT:", {"</s>"}},
      {"llama_3",
       system3 + "<|end_of_text|>" + user3 + "q1<|end_of_text|>" + own3,
       system3 + "<|end_of_text|>" + user3 + "q1<|end_of_text|>" + own3 + "a1<|end_of_text|>" + user3 + "q2<|end_of_text|>" + own3,
       {"<|end_of_text|>"}},
      {"llama_3_fix",
       system3 + "<|eot_id|>" + user3 + "q1<|eot_id|>" + assistant3,
       system3 + "<|eot_id|>" + user3 + "q1<|eot_id|>" + assistant3 + "a1<|eot_id|>" + user3 + "q2<|eot_id|>" + assistant3,
       {"<|eot_id|>", "<|end_of_text|>"}},
      {"llama_3_tinychat",
       system3 + "<|end_of_text|>" + user3 + "q1<|end_of_text|>" + assistant3,
       system3 + "<|end_of_text|>" + user3 + "q1<|end_of_text|>" + assistant3 + "a1<|end_of_text|>" + user3 + "q2<|end_of_text|>" +
           assistant3,
       {"<|end_of_text|>", "<|eot_id|>"}},
      {"hermes-2",
       "<|im_start|>system\nAnswer the questions.<|im_end|>" + chat,
       "<|im_start|>system\nAnswer the questions.<|im_end|>" + chat + more,
       {"<|im_end|>"}},
      {"mpt", mpt + chat, mpt + chat + more, {"<|im_end|>"}},
      {"llama_2", llama2, llama2 + " a1 </s><s>[INST] q2 [/INST]", {"</s>"}},
      {"plain", "q1\n", "q1\na1\nq2\n", {"\n"}},
      {"qwen2", qwen, qwen + "a1<|im_end|>\n<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n", {"<|im_end|>"}}};

  std::vector<std::string> ids;
  for (const Expected& expected : table) {
    CAPTURE(expected.id);
    ids.push_back(expected.id);
    CHECK(text_of(one_turn(), expected.id) == expected.one);
    CHECK(text_of(three_turns(), expected.id) == expected.three);
    CHECK(template_stop_tokens(expected.id) == expected.stops);
  }
  CHECK(template_ids() == ids);
}

TEST_CASE("a prompt's own template and system text come before the model's") {
  Prompt prompt = one_turn();
  prompt.set_template("qwen2").set_system("Be brief.");
  CHECK(text_of(prompt, "vicuna_v1") == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nq1<|im_end|>\n<|im_start|>assistant\n");
  prompt.set_template("vicuna_v1").set_system("");
  CHECK(text_of(prompt, "qwen2") == " USER: q1 ASSISTANT:");
  prompt.set_template("").set_system("Be brief.");
  CHECK(text_of(prompt, "llava15") == "Be brief. USER: q1 ASSISTANT:");
  CHECK(text_of(prompt, "llama_2") == "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nq1 [/INST]");
}

TEST_CASE("an unknown template is named with the known ones") {
  const std::string known =
      ", expected one of vicuna_v1, vicuna_v1_nosys, llava15, llama_3, llama_3_fix, llama_3_tinychat, hermes-2, mpt, llama_2, plain, qwen2";
  Prompt prompt = one_turn();
  prompt.set_template("vicuna");
  CHECK(error_of([&] { text_of(prompt, "plain"); }) == "1:prompt template is \"vicuna\"" + known);
  CHECK(error_of([&] { template_stop_tokens("Plain"); }) == "1:prompt template is \"Plain\"" + known);
  CHECK(error_of([&] { text_of(one_turn(), ""); }) == "1:prompt template is \"\"" + known);
}

TEST_CASE("NVILA: no white space at a turn's ends, and no line ends that nobody wrote behind images") {
  const uint8_t pixel[3] = {1, 2, 3};
  const Image image = Image::from_rgb(pixel, 3, 1, 1);
  PromptSpec spec;
  spec.template_id = "plain";
  const auto text = [&](const std::string& turn, int images, bool marked) {
    Prompt prompt;
    marked ? prompt.add_marked_turn(Role::user, turn) : prompt.begin_turn(Role::user).add_text(turn);
    prompt.place_images(std::vector<Image>(static_cast<size_t>(images), image));
    return prompt_text(render_prompt(prompt.impl(), spec));
  };
  CHECK(text(" a ", 2, false) == "<image>\n<image>\n a \n");
  spec.newline_after_image = spec.strip_turns = true;
  CHECK(text(" a ", 2, false) == "<image><image> a\n");
  CHECK(text(" \n<image> \n", 1, true) == "<image>\n");
  CHECK(text(" a <image> b\u3000\u001c", 1, true) == "a <image> b\n");
  CHECK(text("\n <image>\n", 1, true) == "<image>\n");
  CHECK(text(" \t", 0, true) == "\n");
}
