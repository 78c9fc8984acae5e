// SPDX-License-Identifier: Apache-2.0
// One conversation's state, and generation over it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "common/hash.h"
#include "common/live_count.h"
#include "plan/stop_source.h"
#include "prompt/prompt.h"
#include "session/engine.h"
#include "session/scheduler.h"
#include "vila/vila.h"

namespace vila {

/// What stands at one position of a sequence; equal elements at equal positions behind equal prefixes have equal keys and values.
struct Element {
  int32_t id = -1;                  ///< text: the token id; image: the token's number within the image
  Hash128 image;                    ///< VisionEncoder::key of the image's view; zero for text
  bool operator==(const Element&) const = default;
};

/// A prompt ready to run.
struct PreparedPrompt {
  std::vector<Element> elements;    ///< one per position
  /// Images in reading order, each with its positions.
  struct Slot {
    size_t start = 0, count = 0;
    ImageView view;
    size_t end() const { return start + count; }
  };
  std::vector<Slot> images;
  /// Positions that are image tokens.
  size_t image_positions() const;
  std::string template_id;          ///< the one in force
};

/// Renders, tokenises and expands a prompt. Throws what a malformed prompt deserves.
PreparedPrompt prepare_prompt(const Engine& engine, const Prompt& prompt);
/// The same as text, ids and spans.
TokenizedPrompt tokenize(const Engine& engine, const Prompt& prompt);

struct Session::Impl {
 public:
  explicit Impl(std::shared_ptr<Engine> engine);

  Completion generate(const Prompt& prompt, const GenerationOptions& options, TokenListener* listener);
  void prefill(const Prompt& prompt);
  void decode(int32_t id);
  std::vector<float> logits() const;
  void cancel() noexcept;
  int32_t position() const noexcept;
  void reset();

 private:
  /// Marks the session as inside a call; throws busy when it is in one already.
  class Running;
  /// Brings the cache to exactly `prompt`, keeping the first `keep` positions, and leaves the last one's logits or, when the decoder
  /// `samples`, chooses the next token from them. Returns the seconds spent on images.
  double compute(Scheduler::Slot& slot, const PreparedPrompt& prompt, size_t keep, bool samples);
  /// Runs one token at the next position, with the same choice.
  void step(Scheduler::Slot& slot, int32_t id, bool samples);
  void forget() noexcept;

  std::shared_ptr<Engine> engine_;
  std::unique_ptr<plan::SequenceCache> cache_;
  std::vector<Element> sequence_;   ///< invariant: what the cache's first sequence_.size() rows hold
  mutable std::vector<float> logits_;   ///< of the last position computed; empty before the first
  mutable bool logits_behind_ = false;  ///< the decoder has them, these are older
  int32_t next_ = -1;               ///< the token that the last step chose, where the decoder samples
  std::vector<float> embeds_;       ///< scratch: rows of one step
  mutable plan::StopSource stop_;   ///< cleared when a call begins, raised only while one runs
  mutable std::mutex mutex_;        ///< guards running_ and, together with it, clearing and raising stop_
  mutable bool running_ = false;
  LiveCount<LiveType::session> live_;
};

}  // namespace vila
