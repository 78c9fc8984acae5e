// SPDX-License-Identifier: Apache-2.0
// Prompts to positions.
#include "common/error.h"
#include "image/preprocess.h"
#include "session/session.h"

namespace vila {
namespace {

struct Slots {
  std::vector<PromptPart> chunks;
  std::vector<PromptSlot> slots;
};

Slots tokenize_slots(const Engine& engine, const Prompt& prompt) {
  Slots result;
  result.chunks = render_prompt(prompt.impl(), engine.prompt_spec());
  result.slots = tokenize_prompt(result.chunks, *engine.tokenizer(), engine.prompt_spec());
  return result;
}

}  // namespace

PreparedPrompt prepare_prompt(const Engine& engine, const Prompt& prompt) {
  const Slots input = tokenize_slots(engine, prompt);
  const int64_t tokens_per_image = engine.spec().tokens_per_image();
  PreparedPrompt prepared;
  prepared.template_id = prompt.impl().template_id.empty() ? engine.prompt_spec().template_id : prompt.impl().template_id;
  for (const PromptSlot& slot : input.slots) {
    if (slot.image < 0) {
      prepared.elements.push_back({slot.id, {}});
      continue;
    }
    const Image& image = prompt.impl().images[static_cast<size_t>(slot.image)];
    prepared.images.push_back({static_cast<int64_t>(prepared.elements.size()), image});
    for (int64_t i = 0; i < tokens_per_image; ++i) prepared.elements.push_back({static_cast<int32_t>(i), image.impl()->hash});
  }
  const auto total = static_cast<int64_t>(prepared.elements.size());
  if (total > engine.context()) {
    fail(ErrorCode::capacity, "prompt: ", total, " positions (", static_cast<int64_t>(prepared.images.size()) * tokens_per_image,
         " of them image tokens), the context holds ", engine.context());
  }
  if (total == 0) fail(ErrorCode::invalid_argument, "prompt: empty");
  return prepared;
}

TokenizedPrompt tokenize(const Engine& engine, const Prompt& prompt) {
  const Slots input = tokenize_slots(engine, prompt);
  const auto tokens_per_image = static_cast<int32_t>(engine.spec().tokens_per_image());
  TokenizedPrompt result;
  result.text = prompt_text(input.chunks);
  for (const PromptSlot& slot : input.slots) {
    result.input_ids.push_back(slot.id);
    if (slot.image >= 0) {
      result.image_spans.push_back(result.sequence_length);
      result.image_spans.push_back(tokens_per_image);
    }
    result.sequence_length += slot.image >= 0 ? tokens_per_image : 1;
  }
  return result;
}

}  // namespace vila
