// SPDX-License-Identifier: Apache-2.0
// Sources: llava/conversation.py of github.com/NVlabs/VILA at tag v1.0, at fcd119c (VILA1.5, 2024-07-04) and at 54c9706 (2024-08-19);
// tinychat/utils/prompt_templates.py of github.com/mit-han-lab/llm-awq; chat_templates/qwen2.jinja of NVlabs/VILA at 36f6adc
// (NVILA); the LLaVA page of the Hugging Face transformers documentation ("Usage tips", LLaVA 1.5, several turns).
#include "prompt/templates.h"

#include "common/error.h"
#include "prompt/prompt.h"

namespace vila {
namespace {

constexpr const char* kVicunaSystem =
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite "
    "answers to the user's questions.";
constexpr const char* kVisionSystem =
    "You are a helpful language and vision assistant. You are able to understand the visual content that the user provides, and "
    "assist the user with a variety of tasks using natural language.";
constexpr const char* kLlama2System =
    "You are a helpful, respectful and honest assistant. Always answer as helpfully as possible, while being safe.  Your answers "
    "should not include any harmful, unethical, racist, sexist, toxic, dangerous, or illegal content. Please ensure that your "
    "responses are socially unbiased and positive in nature.\n\nIf a question does not make any sense, or is not factually "
    "coherent, explain why instead of answering something not correct. If you don't know the answer to a question, please don't "
    "share false information.";
constexpr const char* kMptSystem =
    "A conversation between a user and an LLM-based AI assistant. The assistant gives helpful and honest answers.";

constexpr std::string_view kLlama3System = "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n";
constexpr std::string_view kLlama3User = "<|start_header_id|>user<|end_header_id|>\n\n";
constexpr std::string_view kLlama3Assistant = "<|start_header_id|>assistant<|end_header_id|>\n\n";

const std::vector<PromptTemplate>& table() {
  static const std::vector<PromptTemplate> rows = {
      // VILA 1.0, VILA1.5-3b, -7b, -13b.
      {.id = "vicuna_v1",
       .system_prefix = "",
       .system = kVicunaSystem,
       .system_suffix = " ",
       .first_user_prefix = "USER: ",
       .user_prefix = "USER: ",
       .user_suffix = " ",
       .assistant_prefix = "ASSISTANT:",
       .answer_prefix = " ",
       .answer_suffix = "</s>",
       .stops = {"</s>"}},
      // The system text is empty, the space after it stays.
      {.id = "vicuna_v1_nosys",
       .system_prefix = "",
       .system = "",
       .system_suffix = " ",
       .first_user_prefix = "USER: ",
       .user_prefix = "USER: ",
       .user_suffix = " ",
       .assistant_prefix = "ASSISTANT:",
       .answer_prefix = " ",
       .answer_suffix = "</s>",
       .stops = {"</s>"}},
      // llava-hf: no system part.
      {.id = "llava15",
       .system_prefix = "",
       .system = nullptr,
       .system_suffix = " ",
       .first_user_prefix = "USER: ",
       .user_prefix = "USER: ",
       .user_suffix = " ",
       .assistant_prefix = "ASSISTANT:",
       .answer_prefix = " ",
       .answer_suffix = "</s>",
       .stops = {"</s>"}},
      // Llama-3-VILA1.5-8B of May 2024: the assistant's header reads "system".
      {.id = "llama_3",
       .system_prefix = kLlama3System,
       .system = kVisionSystem,
       .system_suffix = "<|end_of_text|>",
       .first_user_prefix = kLlama3User,
       .user_prefix = kLlama3User,
       .user_suffix = "<|end_of_text|>",
       .assistant_prefix = "<|start_header_id|>system<|end_header_id|>\n\n",
       .answer_prefix = "",
       .answer_suffix = "<|end_of_text|>",
       .stops = {"<|end_of_text|>"}},
      // Llama-3-VILA1.5-8B-Fix, LongVILA.
      {.id = "llama_3_fix",
       .system_prefix = kLlama3System,
       .system = kVisionSystem,
       .system_suffix = "<|eot_id|>",
       .first_user_prefix = kLlama3User,
       .user_prefix = kLlama3User,
       .user_suffix = "<|eot_id|>",
       .assistant_prefix = kLlama3Assistant,
       .answer_prefix = "",
       .answer_suffix = "<|eot_id|>",
       .stops = {"<|eot_id|>", "<|end_of_text|>"}},
      // TinyChat's mixture of the two.
      {.id = "llama_3_tinychat",
       .system_prefix = kLlama3System,
       .system = kVisionSystem,
       .system_suffix = "<|end_of_text|>",
       .first_user_prefix = kLlama3User,
       .user_prefix = kLlama3User,
       .user_suffix = "<|end_of_text|>",
       .assistant_prefix = kLlama3Assistant,
       .answer_prefix = "",
       .answer_suffix = "<|end_of_text|>",
       .stops = {"<|end_of_text|>", "<|eot_id|>"}},
      // VILA1.5-40b: no line end after <|im_end|>.
      {.id = "hermes-2",
       .system_prefix = "<|im_start|>system\n",
       .system = "Answer the questions.",
       .system_suffix = "<|im_end|>",
       .first_user_prefix = "<|im_start|>user\n",
       .user_prefix = "<|im_start|>user\n",
       .user_suffix = "<|im_end|>",
       .assistant_prefix = "<|im_start|>assistant\n",
       .answer_prefix = "",
       .answer_suffix = "<|im_end|>",
       .stops = {"<|im_end|>"}},
      {.id = "mpt",
       .system_prefix = "<|im_start|>system\n",
       .system = kMptSystem,
       .system_suffix = "<|im_end|>",
       .first_user_prefix = "<|im_start|>user\n",
       .user_prefix = "<|im_start|>user\n",
       .user_suffix = "<|im_end|>",
       .assistant_prefix = "<|im_start|>assistant\n",
       .answer_prefix = "",
       .answer_suffix = "<|im_end|>",
       .stops = {"<|im_end|>"}},
      // The system text lies inside the first instruction; <s> stands before later ones only (the tokenizer adds the first).
      {.id = "llama_2",
       .system_prefix = "[INST] <<SYS>>\n",
       .system = kLlama2System,
       .system_suffix = "\n<</SYS>>\n\n",
       .first_user_prefix = "",
       .user_prefix = "<s>[INST] ",
       .user_suffix = " [/INST]",
       .assistant_prefix = "",
       .answer_prefix = " ",
       .answer_suffix = " </s>",
       .stops = {"</s>"}},
      // Captions as in the first training stage: no roles, a line each.
      {.id = "plain",
       .system_prefix = "",
       .system = nullptr,
       .system_suffix = "",
       .first_user_prefix = "",
       .user_prefix = "",
       .user_suffix = "\n",
       .assistant_prefix = "",
       .answer_prefix = "",
       .answer_suffix = "\n",
       .stops = {"\n"}},
      // NVILA.
      {.id = "qwen2",
       .system_prefix = "<|im_start|>system\n",
       .system = "You are a helpful assistant",
       .system_suffix = "<|im_end|>\n",
       .first_user_prefix = "<|im_start|>user\n",
       .user_prefix = "<|im_start|>user\n",
       .user_suffix = "<|im_end|>\n",
       .assistant_prefix = "<|im_start|>assistant\n",
       .answer_prefix = "",
       .answer_suffix = "<|im_end|>\n",
       .stops = {"<|im_end|>"}},
  };
  return rows;
}

}  // namespace

std::span<const PromptTemplate> prompt_templates() { return table(); }

const PromptTemplate& find_template(std::string_view id) {
  std::string known;
  for (const PromptTemplate& row : table()) {
    if (row.id == id) return row;
    known += (known.empty() ? "" : ", ") + std::string(row.id);
  }
  fail(ErrorCode::invalid_argument, "prompt template is \"", id, "\", expected one of ", known);
}

std::vector<std::string> template_ids() {
  std::vector<std::string> ids;
  for (const PromptTemplate& row : table()) ids.emplace_back(row.id);
  return ids;
}

std::vector<std::string> template_stop_tokens(const std::string& template_id) {
  const PromptTemplate& row = find_template(template_id);
  return {row.stops.begin(), row.stops.end()};
}

}  // namespace vila
