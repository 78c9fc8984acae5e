// SPDX-License-Identifier: Apache-2.0
#include "session/session.h"

#include <algorithm>
#include <chrono>

#include "common/error.h"
#include "session/sampler.h"

namespace vila {
namespace {

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Ids that end an answer, and stop strings for the template's stop tokens that the vocabulary lacks.
struct Stops {
  std::vector<int32_t> ids;
  std::vector<std::string> strings;
};

Stops collect_stops(const Engine& engine, const std::string& template_id, const GenerationOptions& options) {
  Stops stops{options.stop_ids, options.stop};
  if (options.ignore_eos) return stops;
  const std::vector<int32_t>& eos = engine.spec().language.eos_ids;
  stops.ids.insert(stops.ids.end(), eos.begin(), eos.end());
  for (const std::string& token : template_stop_tokens(template_id)) {
    const int32_t id = engine.tokenizer()->token_to_id(token);
    if (id >= 0) {
      stops.ids.push_back(id);
    } else {
      stops.strings.push_back(token);
    }
  }
  return stops;
}

/// Turns generated ids into text for the listener and the completion.
class Writer {
 public:
  Writer(const Engine& engine, std::vector<std::string> stops, TokenListener* listener, Completion& completion)
      : vocab_(engine.tokenizer()->vocab_size()),
        decoder_(engine.tokenizer(), true),
        matcher_(std::move(stops)),
        listener_(listener),
        completion_(completion) {}

  /// Returns whether to go on.
  bool push(int32_t id) {
    // A padded embedding table has ids that no token stands behind: they carry no text.
    return emit(id, matcher_.push(id < vocab_ ? decoder_.push(id) : std::string()));
  }
  void finish() {
    const std::string rest = stopped() ? std::string() : matcher_.push(decoder_.finish());
    const std::string last = rest + matcher_.finish();
    if (!last.empty()) emit(-1, last);
  }
  bool stopped() const { return matcher_.stopped(); }

 private:
  bool emit(int32_t id, const std::string& text) {
    completion_.text += text;
    return listener_ == nullptr || listener_->on_token(id, text);
  }

  const int32_t vocab_;
  StreamDecoder decoder_;
  StopMatcher matcher_;
  TokenListener* listener_;
  Completion& completion_;
};

}  // namespace

class Session::Impl::Running {
 public:
  explicit Running(const Impl& session) : session_(session) {
    const std::lock_guard lock(session_.mutex_);
    if (session_.running_) fail(ErrorCode::busy, "session: inside another call; use one session per thread");
    session_.running_ = true;
    session_.stop_.clear();  // under the lock: a cancel() from here on counts for this call
    session_.held_->mutex.lock();  // Who copies from it is soon done.
  }
  ~Running() {
    session_.held_->mutex.unlock();
    const std::lock_guard lock(session_.mutex_);
    session_.running_ = false;
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  const Impl& session_;
};

Session::Impl::Impl(std::shared_ptr<Engine> engine)
    : engine_(std::move(engine)),
      held_(std::make_shared<CachedSequence>(engine_->decoder().new_cache(engine_->context()))) {
  engine_->prefixes().begin(held_);
}

Session::Impl::~Impl() { engine_->prefixes().end(std::move(held_)); }

void Session::Impl::reserve(int64_t positions, size_t used) {
  const auto rows = static_cast<int64_t>(std::min(used, sequence().size()));
  try {
    cache().reserve(positions, rows);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::capacity || positions > engine_->context() || !engine_->prefixes().clear()) throw;
    cache().reserve(positions, rows);
  }
}

size_t Session::Impl::extend(const std::vector<Element>& wanted, size_t keep) {
  try {
    const size_t now = engine_->prefixes().extend(wanted, keep, *held_);
    if (now > keep) logits_.clear();  // They were of what the rows replace.
    return now;
  } catch (...) {
    logits_.clear();
    throw;
  }
}

double Session::Impl::compute(Scheduler::Slot& slot, const PreparedPrompt& prompt, size_t keep, bool samples) {
  const int64_t vocab = engine_->spec().language.vocab;
  const auto hidden = static_cast<size_t>(engine_->spec().language.hidden);
  const size_t total = prompt.elements.size();

  const Stopwatch image_watch;
  std::vector<ImageTokens> images;  // null where the whole image lies in the kept prefix
  for (const PreparedPrompt::Slot& image : prompt.images) {
    images.push_back(image.end() <= keep ? nullptr : engine_->vision().encode(image.view, &stop_));
  }
  const double image_seconds = image_watch.seconds();

  // From here on the cache changes; the sequence always says what it holds.
  reserve(static_cast<int64_t>(total), keep);
  sequence().resize(keep);
  std::vector<float> logits(static_cast<size_t>(vocab));
  logits_.clear();
  size_t next_image = 0;
  while (sequence().size() < total) {
    const size_t start = sequence().size();
    const size_t count = std::min(static_cast<size_t>(slot.chunk()), total - start);
    sources_.clear();
    rows_.clear();
    for (size_t at = start; at < start + count; ++at) {
      while (next_image < images.size() && prompt.images[next_image].end() <= at) ++next_image;
      if (next_image < images.size() && prompt.images[next_image].start <= at) {
        const float* row = images[next_image]->data() + (at - prompt.images[next_image].start) * hidden;
        sources_.push_back(plan::row_source(static_cast<int32_t>(rows_.size() / hidden)));
        rows_.insert(rows_.end(), row, row + hidden);
      } else {
        plan::require_id(prompt.elements[at].id, vocab);
        sources_.push_back(prompt.elements[at].id);
      }
    }
    slot.prefill({&cache(), static_cast<int64_t>(start), sources_.data(), rows_.data(), samples ? nullptr : logits.data(),
                  samples && start + count == total ? &next_ : nullptr},
                 static_cast<int64_t>(count));
    sequence().insert(sequence().end(), prompt.elements.begin() + static_cast<std::ptrdiff_t>(start),
                     prompt.elements.begin() + static_cast<std::ptrdiff_t>(start + count));
  }
  logits_ = std::move(logits);
  logits_behind_ = samples;
  return image_seconds;
}

void Session::Impl::step(Scheduler::Slot& slot, int32_t id, bool samples) {
  plan::require_id(id, engine_->spec().language.vocab);
  try {
    slot.decode({&cache(), static_cast<int64_t>(sequence().size()), &id, nullptr, samples ? nullptr : logits_.data(),
                 samples ? &next_ : nullptr});
    logits_behind_ = samples;
  } catch (...) {
    logits_.clear();  // They may be half-written.
    throw;
  }
  sequence().push_back({id, {}});
}

Completion Session::Impl::generate(const Prompt& prompt, const GenerationOptions& options, TokenListener* listener) {
  const Running running(*this);
  if (listener != nullptr && !listener->on_begin()) stop_.raise();  // running_ is set: a cancel() meanwhile has counted
  check_options(options);
  const PreparedPrompt prepared = prepare_prompt(*engine_, prompt);
  const auto total = static_cast<int64_t>(prepared.elements.size());
  const int64_t room = engine_->context() - total;
  const auto vocab = static_cast<int32_t>(engine_->spec().language.vocab);

  Completion completion;
  completion.prompt_tokens = static_cast<int32_t>(total);
  completion.image_tokens = static_cast<int32_t>(prepared.image_positions());
  Sampler sampler(options, vocab);
  completion.seed = sampler.seed();
  std::vector<int32_t> prompt_ids;
  for (const Element& element : prepared.elements) {
    if (element.image == Hash128{}) prompt_ids.push_back(element.id);
  }
  for (const int32_t id : prompt_ids) sampler.see_prompt(id);
  // Log probabilities take the logits to the host, where the sampler chooses then.
  const bool samples = engine_->decoder().samples() && options.top_logprobs < 0;
  const Stops stops = collect_stops(*engine_, prepared.template_id, options);
  Writer writer(*engine_, stops.strings, listener, completion);

  // The last position is always computed: its logits are needed.
  size_t keep = options.reuse_prefix ? std::min(common_prefix(sequence(), prepared.elements), prepared.elements.size() - 1) : 0;
  Stopwatch prefill_watch;
  bool begun = false;
  try {
    Scheduler::Slot slot(engine_->scheduler(), stop_);
    begun = true;
    prefill_watch = Stopwatch();  // Waiting for a place is not computing.
    reserve(total + std::min<int64_t>(room, options.max_new_tokens), sequence().size());
    if (options.reuse_prefix) keep = extend(prepared.elements, keep);
    if (samples) engine_->decoder().begin_sampling(cache(), options, static_cast<uint64_t>(completion.seed), prompt_ids);
    completion.image_seconds = compute(slot, prepared, keep, samples);
    completion.cached_tokens = static_cast<int32_t>(keep);
    completion.prefill_seconds = prefill_watch.seconds() - completion.image_seconds;

    const Stopwatch decode_watch;
    while (true) {
      const int32_t id = samples ? next_ : sampler.sample(logits_.data());
      if (std::find(stops.ids.begin(), stops.ids.end(), id) != stops.ids.end()) {
        completion.finish_reason = FinishReason::stop_id;
        break;
      }
      completion.ids.push_back(id);
      if (options.top_logprobs >= 0) {
        completion.logprobs.push_back(logprob_of(logits_.data(), vocab, id));
        const auto best = vila::top_logprobs(logits_.data(), vocab, options.top_logprobs);
        completion.top_logprobs.insert(completion.top_logprobs.end(), best.begin(), best.end());
      }
      const bool go_on = writer.push(id);
      const auto count = static_cast<int64_t>(completion.ids.size());
      if (writer.stopped()) {
        completion.finish_reason = FinishReason::stop_string;
        break;
      }
      if (!go_on || stop_.raised()) {
        completion.finish_reason = FinishReason::cancelled;
        break;
      }
      if (count >= options.max_new_tokens || count > room) {
        completion.finish_reason = FinishReason::length;
        break;
      }
      step(slot, id, samples);
    }
    completion.decode_seconds = decode_watch.seconds();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::cancelled || !stop_.raised()) {
      forget();  // A part of a prompt is no state to go on from.
      throw;
    }
    completion.finish_reason = FinishReason::cancelled;
    const double spent = begun ? prefill_watch.seconds() - completion.image_seconds : 0;
    (completion.ids.empty() ? completion.prefill_seconds : completion.decode_seconds) = spent - completion.prefill_seconds;
  }
  writer.finish();
  completion.completion_tokens = static_cast<int32_t>(completion.ids.size());
  return completion;
}

void Session::Impl::prefill(const Prompt& prompt) {
  const Running running(*this);
  const PreparedPrompt prepared = prepare_prompt(*engine_, prompt);
  try {
    Scheduler::Slot slot(engine_->scheduler(), stop_);
    compute(slot, prepared, 0, false);
  } catch (...) {
    forget();  // A part of a prompt is no state to go on from.
    throw;
  }
}

void Session::Impl::decode(int32_t id) {
  const Running running(*this);
  if (logits_.empty()) fail(ErrorCode::invalid_argument, "session: decode() before the first prefill()");
  const auto position = static_cast<int64_t>(sequence().size());
  if (position >= engine_->context()) fail(ErrorCode::capacity, "session: all ", engine_->context(), " positions of the context are used");
  Scheduler::Slot slot(engine_->scheduler(), stop_);
  reserve(position + 1, sequence().size());
  step(slot, id, false);
}

std::vector<float> Session::Impl::logits() const {
  const Running running(*this);
  if (logits_.empty()) fail(ErrorCode::invalid_argument, "session: logits() before the first prefill()");
  if (logits_behind_) engine_->decoder().read_logits(*held_->cache, logits_.data());
  logits_behind_ = false;
  return logits_;
}

void Session::Impl::cancel() noexcept {
  const std::lock_guard lock(mutex_);
  if (running_) stop_.raise();
}

int32_t Session::Impl::position() const noexcept { return static_cast<int32_t>(held_->elements.size()); }

void Session::Impl::reset() {
  const Running running(*this);
  forget();
}

void Session::Impl::forget() noexcept {
  sequence().clear();
  logits_.clear();
}

}  // namespace vila
