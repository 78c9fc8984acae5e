// SPDX-License-Identifier: Apache-2.0
// Chat templates of tokenizers. What they write is what transformers' apply_chat_template writes for one user turn.
#include "checkpoint/chat_template.h"

#include <doctest/doctest.h>

#include <fstream>

#include "support/npy.h"
#include "vila/vila.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

const std::string kTurns =
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

std::optional<std::string> system_of(const std::string& jinja) { return read_chat_ml(jinja, "t").text; }

void write(const std::filesystem::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

std::string found(const TempDir& folder) {
  const auto own = find_chat_template(folder.path().string());
  return own ? own->where.substr(own->where.find_last_of('/') + 1) + "|" + own->jinja : "none";
}

}  // namespace

TEST_CASE("ChatML: the system text that stands in the template") {
  CHECK(system_of(kTurns) == std::nullopt);
  CHECK(system_of("{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}" + kTurns) == "Be kind.");
  CHECK(system_of("{{- \"<|im_start|>system\\nDon't say \\\"no\\\".<|im_end|>\\n\" -}}" + kTurns) == "Don't say \"no\".");
  CHECK(system_of("<|im_start|>system\nBe\nkind.<|im_end|>\n" + kTurns) == "Be\nkind.");
  CHECK(system_of("{# '<|im_start|>system\\nno<|im_end|>\\n' #}" + kTurns) == std::nullopt);
  // A system turn of the conversation alone.
  CHECK(system_of("{% if messages[0]['role'] == 'system' %}{{ '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}"
                  "{% endif %}" +
                  kTurns) == std::nullopt);
  // A default in a variable.
  CHECK(system_of("{% set s = 'Be brief.' %}{% if messages[0]['role'] == 'system' %}{% set s = messages[0]['content'] %}{% endif %}"
                  "{{ '<|im_start|>system\\n' + s + '<|im_end|>\\n' }}" +
                  kTurns) == "Be brief.");
  // Qwen2.5's: a branch for tools first, whose system turn is put together from parts.
  CHECK(system_of(
            "{%- if tools %}{{- '<|im_start|>system\\n' }}{%- if messages[0]['role'] == 'system' %}{{- messages[0]['content'] }}"
            "{%- else %}{{- 'You are Qwen.' }}{%- endif %}{{- '\\n\\n# Tools<|im_end|>\\n' }}{%- else %}"
            "{%- if messages[0]['role'] == 'system' %}{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}"
            "{%- else %}{{- '<|im_start|>system\\nYou are Qwen, made elsewhere.<|im_end|>\\n' }}{%- endif %}{%- endif %}" +
            kTurns) == "You are Qwen, made elsewhere.");
}

TEST_CASE("ChatML: other templates are refused") {
  const auto error = [](const std::string& jinja) { return error_of([&] { read_chat_ml(jinja, "t"); }); };
  CHECK(error("") == "5:t: the template has no \"<|im_start|>\", supported is ChatML");
  CHECK(error("{% for m in messages %}{{ '[INST] ' + m['content'] + ' [/INST]' }}{% endfor %}") ==
        "5:t: the template has no \"<|im_start|>\", supported is ChatML");
  CHECK(error("{{ '<|im_start|>user\\n' }}") == "5:t: the template has no \"<|im_end|>\", supported is ChatML");
  CHECK(error("{{ '<|im_start|>user\\n' + m + '<|im_end|>\\n' }}") ==
        "5:t: the template has no \"<|im_start|>assistant\\n\", supported is ChatML");
  CHECK(error("{{ 'USER: ' }}" + kTurns) == "5:t: the template has \"USER:\", supported is ChatML");
  CHECK(error("{{ '<|im_start|>system\\nA.<|im_end|>' }}" + kTurns) ==
        "5:t: the template has a \"<|im_end|>\" without a line end behind it, supported is ChatML");
}

TEST_CASE("ChatML: any bytes are read to an end") {
  for (const std::string text : {"{", "{{", "{{'", "{{'\\", "{%", "{#", "{{ '<|im_start|>system\\n", "}}{{", "{{\"", "'"}) {
    CHECK(error_of([&] { read_chat_ml(text, "t"); }).starts_with("5:t: the template has no "));
  }
}

TEST_CASE("the chat template of a folder") {
  const TempDir folder;
  CHECK(found(folder) == "none");
  const auto config = folder.path() / "tokenizer_config.json";
  write(config, "{}");
  CHECK(found(folder) == "none");
  write(config, R"({"chat_template":null})");
  CHECK(found(folder) == "none");
  write(config, R"({"chat_template":"A"})");
  CHECK(found(folder) == "tokenizer_config.json: chat_template|A");
  write(config, R"({"chat_template":[{"name":"tool_use","template":"B"},{"name":"default","template":"C"}]})");
  CHECK(found(folder) == "tokenizer_config.json: chat_template: default|C");
  write(config, R"({"chat_template":[{"name":"tool_use","template":"B"}]})");
  CHECK(error_of([&] { found(folder); }) == "5:" + config.string() + ": chat_template is a list without \"default\"");
  write(config, R"({"chat_template":1})");
  CHECK(error_of([&] { found(folder); }) == "4:" + config.string() + ": chat_template is neither a text nor a list of templates");
  write(folder.path() / "chat_template.jinja", "D");
  CHECK(found(folder) == "chat_template.jinja|D");
}
