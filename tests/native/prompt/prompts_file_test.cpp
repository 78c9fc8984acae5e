// SPDX-License-Identifier: Apache-2.0
#include "prompt/prompts_file.h"

#include <doctest/doctest.h>

#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

std::string refusal(const std::string& text) {
  return error_of([&] { parse_prompts(text, "p.json"); });
}
std::string prompt_refusal(const std::string& fields) { return refusal(R"({"prompts":[{)" + fields + "}]}"); }

}  // namespace

TEST_CASE("the given prompts are read") {
  const std::vector<PromptCase> prompts = read_prompts(data("cases/vila15-llama3-siglip/prompts.json"));
  REQUIRE(prompts.size() == 7);
  CHECK(prompts[4].name == "few_shot_turns");
  CHECK(prompts[4].prompt_template == "llama_3");
  CHECK(prompts[4].turns == std::vector<std::string>{"<image>\nWhat color is it?", "It is dark blue.", "<image>\nWhat color is it?",
                                                     "Green, 12 of 345.", "<image>\nWhat color is it?"});
  CHECK(prompts[4].images == std::vector<std::string>{"gray.png", "tiny.png", "photo.png"});
  CHECK(prompts[0].images.empty());
}

TEST_CASE("template and images may be absent, unknown keys are ignored") {
  const std::vector<PromptCase> prompts = parse_prompts(R"({"x":1,"prompts":[{"name":"größe 1","turns":["a"],"y":[]}]})", "p.json");
  REQUIRE(prompts.size() == 1);
  CHECK(prompts[0].name == "größe 1");
  CHECK(prompts[0].prompt_template.empty());
  CHECK(prompts[0].images.empty());
  CHECK(parse_prompts(R"({"prompts":[]})", "p.json").empty());
}

TEST_CASE("bad prompts files, each with its message") {
  CHECK(error_of([] { read_prompts("/nonexistent/prompts.json"); }).starts_with("2:"));
  CHECK(refusal("{") == "4:p.json: not valid JSON at byte 2");
  CHECK(refusal("[]") == "4:p.json: is [], expected an object");
  CHECK(refusal("{}") == "4:p.json: prompts is missing, expected a list of objects");
  CHECK(refusal(R"({"prompts":{}})") == "4:p.json: prompts is of type object, expected a list of objects");
  CHECK(refusal(R"({"prompts":["a"]})") == "4:p.json: prompts[0]: is \"a\", expected an object");
  CHECK(refusal(R"({"prompts":[{"name":"a","turns":["q"]},{"turns":["q"]}]})") ==
        "4:p.json: prompts[1]: name is missing, expected a string");
  CHECK(prompt_refusal(R"("name":"a")") ==
        "4:p.json: prompts[0]: turns has 0 entries, expected an odd number (user, assistant, ..., user)");
  CHECK(prompt_refusal(R"("name":"a","turns":["q","a"])") ==
        "4:p.json: prompts[0]: turns has 2 entries, expected an odd number (user, assistant, ..., user)");
  CHECK(prompt_refusal(R"("name":"a","turns":"q")") == "4:p.json: prompts[0]: turns is of type string, expected a list");
  CHECK(prompt_refusal(R"("name":"a","turns":["q",7,"r"])") == "4:p.json: prompts[0]: turns[1] is of type number, expected a string");
  CHECK(prompt_refusal(R"("name":"a","turns":["q"],"template":3)") == "4:p.json: prompts[0]: template is 3, expected a string");
  CHECK(prompt_refusal(R"("name":"a","turns":["q"],"images":[null])") ==
        "4:p.json: prompts[0]: images[0] is of type null, expected a string");
}

TEST_CASE("names that are no plain file names, or come twice") {
  const auto name_refusal = [](const std::string& name) { return prompt_refusal("\"name\":\"" + name + R"(","turns":["q"])"); };
  const std::string rule = ", expected a plain file name of 1 to 200 bytes";
  CHECK(name_refusal("") == "4:p.json: prompts[0]: name is empty" + rule);
  CHECK(name_refusal("a/b") == "4:p.json: prompts[0]: name is \"a/b\", which holds a slash" + rule);
  CHECK(name_refusal("a\\\\b") == "4:p.json: prompts[0]: name is \"a\\b\", which holds a slash" + rule);
  CHECK(name_refusal("..") == "4:p.json: prompts[0]: name is \"..\"" + rule);
  CHECK(name_refusal(".") == "4:p.json: prompts[0]: name is \".\"" + rule);
  CHECK(name_refusal("a..b") == "4:p.json: prompts[0]: name is \"a..b\"" + rule);
  CHECK(name_refusal("a\\u0000b") == "4:p.json: prompts[0]: name holds a control character" + rule);
  CHECK(name_refusal("a\\nb") == "4:p.json: prompts[0]: name holds a control character" + rule);
  CHECK(name_refusal(std::string(201, 'a')) == "4:p.json: prompts[0]: name has 201 bytes" + rule);
  CHECK(name_refusal(std::string(200, 'a')) == "no error");
  CHECK(prompt_refusal(R"("name":"a","turns":["q"],"images":["b.png","../c.png"])") ==
        "4:p.json: prompts[0]: images[1] is \"../c.png\", which holds a slash" + rule);
  CHECK(prompt_refusal(R"("name":"a","turns":["q"],"images":["b.png","b.png"])") == "no error");
  CHECK(refusal(R"({"prompts":[{"name":"a","turns":["q"]},{"name":"a","turns":["r"]}]})") ==
        "4:p.json: prompts[1]: name is \"a\", which an earlier prompt has already");
}
