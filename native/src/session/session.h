// SPDX-License-Identifier: Apache-2.0
// One conversation's state, and generation over it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "common/live_count.h"
#include "plan/stop_source.h"
#include "prompt/prompt.h"
#include "session/element.h"
#include "session/engine.h"
#include "session/scheduler.h"
#include "vila/vila.h"

namespace vila {

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
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

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
  /// Makes room in the cache, keeping its first `used` rows; where memory lacks, the prefix cache is given up for it.
  void reserve(int64_t positions, size_t used);
  /// Copies what another sequence has of `wanted` beyond the `keep` positions that this one has; returns how many it has then.
  size_t extend(const std::vector<Element>& wanted, size_t keep);
  /// Brings the cache to exactly `prompt`, keeping the first `keep` positions, and leaves the last one's logits or, when the decoder
  /// `samples`, chooses the next token from them. Returns the seconds spent on images.
  double compute(Scheduler::Slot& slot, const PreparedPrompt& prompt, size_t keep, bool samples);
  /// Runs one token at the next position, with the same choice.
  void step(Scheduler::Slot& slot, int32_t id, bool samples);
  void forget() noexcept;

  plan::SequenceCache& cache() { return *held_->cache; }
  std::vector<Element>& sequence() { return held_->elements; }

  std::shared_ptr<Engine> engine_;
  std::shared_ptr<CachedSequence> held_;  ///< locked while a call runs
  mutable std::vector<float> logits_;   ///< of the last position computed; empty before the first
  mutable bool logits_behind_ = false;  ///< the decoder has them, these are older
  int32_t next_ = -1;               ///< the token that the last step chose, where the decoder samples
  std::vector<int32_t> sources_;    ///< scratch: of the positions of one step
  std::vector<float> rows_;         ///< scratch: of the image tokens among them
  mutable plan::StopSource stop_;   ///< cleared when a call begins, raised only while one runs
  mutable std::mutex mutex_;        ///< guards running_ and, together with it, clearing and raising stop_
  mutable bool running_ = false;
  LiveCount<LiveType::session> live_;
};

}  // namespace vila
