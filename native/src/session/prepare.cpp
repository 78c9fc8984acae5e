// SPDX-License-Identifier: Apache-2.0
// Prompts to positions.
#include "common/error.h"
#include "image/preprocess.h"
#include "image/tiling.h"
#include "session/session.h"

namespace vila {
namespace {

using Tiling = PreprocessSpec::Tiling;

constexpr const char* kAfterTile = "\n";  // NVILA's "dynamic" writes "<image>\n" for each tile

/// A prompt as chunks, with what its placeholders stand for.
struct Views {
  std::vector<PromptPart> chunks;
  std::vector<ImageView> images;
  std::string template_id;
};

/// The only image of a prompt for a model with dynamic tiles comes once for each of its tiles, with a newline.
Prompt::Impl with_tiles(const Prompt::Impl& prompt, const PreprocessSpec& spec) {
  const Image& image = prompt.images.front();
  Prompt::Impl tiled = prompt;
  tiled.images.assign(static_cast<size_t>(plan_tiles(image.width(), image.height(), spec).tile_count()), image);
  for (PromptTurn& turn : tiled.turns) {
    std::vector<PromptPart> parts;
    for (PromptPart& part : turn.parts) {
      if (part.image < 0) {
        parts.push_back(std::move(part));
        continue;
      }
      for (size_t i = 0; i < tiled.images.size(); ++i) {
        parts.push_back({"", static_cast<int32_t>(i)});
        parts.push_back({kAfterTile, -1});
      }
    }
    turn.parts = std::move(parts);
  }
  return tiled;
}

Views look_at(const Engine& engine, const Prompt& prompt) {
  const PreprocessSpec& preprocess = engine.spec().preprocess;
  const bool alone = prompt.impl().images.size() == 1;
  Views result;
  result.template_id = prompt.impl().template_id.empty() ? engine.prompt_spec().template_id : prompt.impl().template_id;
  const bool tiles = alone && preprocess.tiling == Tiling::dynamic;
  const Prompt::Impl shown = tiles ? with_tiles(prompt.impl(), preprocess) : prompt.impl();
  result.chunks = render_prompt(shown, engine.prompt_spec());
  for (const Image& image : shown.images) {
    const auto number = static_cast<int32_t>(result.images.size());
    result.images.push_back({image, alone && preprocess.tiling == Tiling::dynamic_s2, tiles ? number : -1});
  }
  return result;
}

}  // namespace

size_t PreparedPrompt::image_positions() const {
  size_t sum = 0;
  for (const Slot& slot : images) sum += slot.count;
  return sum;
}

PreparedPrompt prepare_prompt(const Engine& engine, const Prompt& prompt) {
  const Views views = look_at(engine, prompt);
  for (const Image& image : prompt.impl().images) engine.vision().check(image);
  PreparedPrompt prepared;
  prepared.template_id = views.template_id;
  for (const PromptSlot& slot : tokenize_prompt(views.chunks, *engine.tokenizer(), engine.prompt_spec())) {
    if (slot.image < 0) {
      prepared.elements.push_back({slot.id, {}});
      continue;
    }
    const ImageView& view = views.images[static_cast<size_t>(slot.image)];
    const auto count = static_cast<size_t>(engine.vision().token_count(view));
    prepared.images.push_back({prepared.elements.size(), count, view});
    const Hash128 key = VisionEncoder::key(view);
    for (size_t i = 0; i < count; ++i) prepared.elements.push_back({static_cast<int32_t>(i), key});
  }
  const auto total = static_cast<int64_t>(prepared.elements.size());
  if (total > engine.context()) {
    fail(ErrorCode::capacity, "prompt: ", total, " positions (", prepared.image_positions(), " of them image tokens), the context holds ",
         engine.context());
  }
  if (total == 0) fail(ErrorCode::invalid_argument, "prompt: empty");
  return prepared;
}

TokenizedPrompt tokenize(const Engine& engine, const Prompt& prompt) {
  const Views views = look_at(engine, prompt);
  const std::vector<PromptSlot> slots = tokenize_prompt(views.chunks, *engine.tokenizer(), engine.prompt_spec());
  TokenizedPrompt result;
  result.text = prompt_text(views.chunks);
  for (const PromptSlot& slot : slots) {
    if (!slot.behind_image) result.input_ids.push_back(slot.id);
  }
  std::vector<int32_t> image_tokens;
  for (const ImageView& view : views.images) image_tokens.push_back(static_cast<int32_t>(engine.vision().token_count(view)));
  ExpandedSpans spans = expand_spans(slots, image_tokens);
  result.sequence_length = spans.sequence_length;
  result.image_spans = std::move(spans.image_spans);
  return result;
}

}  // namespace vila
