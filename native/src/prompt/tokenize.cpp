// SPDX-License-Identifier: Apache-2.0
// Chunks to ids and image slots.
#include <algorithm>
#include <limits>

#include "common/error.h"
#include "prompt/prompt.h"

namespace vila {
namespace {

using Ids = std::vector<int32_t>;

/// Collects slots; an image is followed by the ids of a line end where the spec says so.
class Slots {
 public:
  Slots(const TokenizerBase& tokenizer, const PromptSpec& spec)
      : placeholder_(static_cast<int32_t>(spec.image_token_id)),
        after_image_(spec.newline_after_image ? tokenizer.encode("\n", false) : Ids{}) {}

  void text(int32_t id) { slots_.push_back({id, -1}); }
  void text(const Ids& ids) { std::for_each(ids.begin(), ids.end(), [this](int32_t id) { text(id); }); }
  void image(int32_t index) {
    slots_.push_back({placeholder_, index});
    for (const int32_t id : after_image_) slots_.push_back({id, -1, true});
  }
  std::vector<PromptSlot> take() { return std::move(slots_); }

 private:
  int32_t placeholder_;
  Ids after_image_;
  std::vector<PromptSlot> slots_;
};

std::vector<PromptSlot> tokenize_chunks(const std::vector<PromptPart>& chunks, const TokenizerBase& tokenizer,
                                        const PromptSpec& spec) {
  // The texts before, between and after the images: there is one before each image, also where nothing was written.
  std::vector<std::string> texts(1);
  std::vector<int32_t> images;
  for (const PromptPart& chunk : chunks) {
    if (chunk.image == PromptPart::kText) {
      texts.back() += chunk.text;
    } else {
      images.push_back(chunk.image);
      texts.emplace_back();
    }
  }

  Slots slots(tokenizer, spec);
  ptrdiff_t dropped = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const Ids ids = tokenizer.encode(texts[i], true);
    if (i == 0 && !ids.empty() && ids[0] == tokenizer.bos_id()) {
      dropped = 1;
      slots.text(ids[0]);
    }
    slots.text(Ids(ids.begin() + std::min<ptrdiff_t>(dropped, std::ssize(ids)), ids.end()));
    if (i < images.size()) slots.image(images[i]);
  }
  return slots.take();
}

/// A token's text as smaller tokens: its first character, then the rest.
Ids spell(const std::string& token, const TokenizerBase& tokenizer, int32_t id) {
  size_t first = 1;
  while (first < token.size() && (static_cast<uint8_t>(token[first]) & 0xC0U) == 0x80U) ++first;
  Ids ids = tokenizer.encode(std::string_view(token).substr(0, first), false);
  const Ids rest = tokenizer.encode(std::string_view(token).substr(first), false);
  ids.insert(ids.end(), rest.begin(), rest.end());
  if (std::find(ids.begin(), ids.end(), id) != ids.end()) {
    fail(ErrorCode::unsupported, "prompt: text holds the image token \"", token, "\", which has no smaller tokens");
  }
  return ids;
}

/// Where the tokenizer was saved without the image token, which NVILA then adds at load: an added token cuts the text before anything
/// else looks at it, so the texts between images are tokenised alone.
std::vector<PromptSlot> tokenize_between(const std::vector<PromptPart>& chunks, const TokenizerBase& tokenizer,
                                         const PromptSpec& spec) {
  Slots slots(tokenizer, spec);
  for (size_t i = 0; i < chunks.size(); ++i) {
    if (chunks[i].image == PromptPart::kText) {
      slots.text(tokenizer.encode(chunks[i].text, i == 0));
    } else {
      slots.image(chunks[i].image);
    }
  }
  return slots.take();
}

std::vector<PromptSlot> tokenize_inline(const std::vector<PromptPart>& chunks, const TokenizerBase& tokenizer,
                                        const PromptSpec& spec) {
  if (spec.image_token_id < 0 || spec.image_token_id >= tokenizer.vocab_size()) {
    fail(ErrorCode::bad_file, "image token id is ", spec.image_token_id, ", expected an id of the tokenizer, 0 to ",
         tokenizer.vocab_size() - 1);
  }
  const int32_t id = static_cast<int32_t>(spec.image_token_id);
  const std::string mark = tokenizer.id_to_token(id);
  if (mark.empty()) fail(ErrorCode::bad_file, "image token id is ", id, ", which the tokenizer gives no text");
  std::string text;
  std::vector<std::pair<size_t, int32_t>> images;  // Where each stands in the text, and its index.
  for (const PromptPart& chunk : chunks) {
    if (chunk.image >= 0) images.emplace_back(text.size(), chunk.image);
    text += chunk.image == PromptPart::kText ? chunk.text : mark;
  }
  // The text may hold the mark too: in the ids, the k-th image token is the k-th mark of the text.
  std::vector<int32_t> marks;  // Per mark the image's index, or kText.
  size_t placed = 0;
  for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + mark.size())) {
    const bool image = placed < images.size() && images[placed].first == at;
    marks.push_back(image ? images[placed++].second : PromptPart::kText);
  }
  const Ids ids = tokenizer.encode(text, true);
  if (placed != images.size() || static_cast<size_t>(std::count(ids.begin(), ids.end(), id)) != marks.size()) {
    fail(ErrorCode::bad_file, "image token \"", mark, "\" stands ", marks.size(), " times in the prompt, the tokenizer finds it ",
         std::count(ids.begin(), ids.end(), id), " times");
  }

  Slots slots(tokenizer, spec);
  size_t next = 0;
  for (const int32_t token : ids) {
    if (token != id) {
      slots.text(token);
    } else if (marks[next++] != PromptPart::kText) {
      slots.image(marks[next - 1]);
    } else {
      slots.text(spell(mark, tokenizer, id));
    }
  }
  return slots.take();
}

}  // namespace

std::vector<PromptSlot> tokenize_prompt(const std::vector<PromptPart>& chunks, const TokenizerBase& tokenizer,
                                        const PromptSpec& spec) {
  switch (spec.tokenization) {
    case PromptSpec::Tokenization::inline_token:
      // Only NVILA puts line ends behind images.
      return spec.newline_after_image && spec.image_token_id >= tokenizer.vocab_size() ? tokenize_between(chunks, tokenizer, spec)
                                                                                       : tokenize_inline(chunks, tokenizer, spec);
    case PromptSpec::Tokenization::chunks: break;
  }
  return tokenize_chunks(chunks, tokenizer, spec);
}

ExpandedSpans expand_spans(const std::vector<PromptSlot>& slots, const std::vector<int32_t>& image_tokens) {
  ExpandedSpans spans;
  int64_t length = 0;
  for (const PromptSlot& slot : slots) {
    int32_t count = 1;
    if (slot.image >= 0) {
      if (static_cast<size_t>(slot.image) >= image_tokens.size()) {
        fail(ErrorCode::internal, "prompt: image ", slot.image, " of ", image_tokens.size(), " images");
      }
      count = image_tokens[static_cast<size_t>(slot.image)];
      spans.image_spans.push_back(static_cast<int32_t>(length));
      spans.image_spans.push_back(count);
    }
    length += count;
    if (length > std::numeric_limits<int32_t>::max()) {
      fail(ErrorCode::capacity, "prompt: more than ", std::numeric_limits<int32_t>::max(), " positions");
    }
  }
  spans.sequence_length = static_cast<int32_t>(length);
  return spans;
}

}  // namespace vila
