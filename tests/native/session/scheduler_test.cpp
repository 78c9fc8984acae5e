// SPDX-License-Identifier: Apache-2.0
// Who computes when, over a plan that computes nothing but says what it was asked, and waits where a test wants it to.
#include "session/scheduler.h"

#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "common/error.h"
#include "session/language_runner.h"
#include "support/npy.h"

using namespace vila;  // NOLINT
using vila::testing::error_of;

namespace {

LanguageSpec tiny_spec() {
  LanguageSpec spec;
  spec.hidden = 2, spec.vocab = 3, spec.layers = 1, spec.kv_heads = 1, spec.head_dim = 8;
  return spec;
}

/// A step's sequences are known by the first number of their embeddings; the logits repeat it.
class FakePlan final : public plan::Plan {
 public:
  struct Turn {
    std::vector<float> who;
    int64_t count = 0;
    bool operator==(const Turn&) const = default;
  };

  void run(const std::vector<plan::Binding>& inputs, const std::vector<plan::Binding>& outputs, plan::StopSource* stop) override {
    CHECK(++inside_ == 1);
    Turn turn;
    const plan::Binding& embeds = inputs.at(0);
    turn.count = embeds.shape.at(1);
    for (int64_t row = 0; row < embeds.shape[0]; ++row) {
      turn.who.push_back(static_cast<const float*>(embeds.data)[row * turn.count * embeds.shape[2]]);
      static_cast<float*>(outputs.at(0).data)[row * outputs[0].shape.at(1)] = turn.who.back();
    }
    {
      const std::lock_guard lock(mutex_);
      turns_.push_back(turn);
    }
    const struct Leave {
      std::atomic<int>& inside;
      ~Leave() { --inside; }
    } leave{inside_};
    if (during) during(turn, stop);
  }

  std::vector<Turn> turns() const {
    const std::lock_guard lock(mutex_);
    return turns_;
  }

  /// Called within each run; set before the first.
  std::function<void(const Turn&, plan::StopSource*)> during;

 private:
  std::atomic<int> inside_{0};
  mutable std::mutex mutex_;
  std::vector<Turn> turns_;
};

/// A request: its cache, its stop, and the thread in which its work runs.
class Request {
 public:
  Request(Scheduler& scheduler, float name, DType cache = DType::f16)
      : name_(name), cache_(tiny_spec(), cache, 512), scheduler_(scheduler) {
    cache_.reserve(512, 0);
  }
  ~Request() {
    if (thread_.joinable()) thread_.join();
  }

  /// Runs `work` in the request's thread; what it throws is error() after join().
  template <typename Body>
  void start(Body work) {
    thread_ = std::thread([this, work] { error_ = error_of([&] { work(); }); });
  }
  /// The same with a slot.
  template <typename Body>
  void with_slot(Body work) {
    start([this, work] {
      Scheduler::Slot slot(scheduler_, stop);
      work(slot);
    });
  }
  void join() { thread_.join(); }
  const std::string& error() const { return error_; }

  void token(Scheduler::Slot& slot) { slot.decode(step()); }
  void chunk(Scheduler::Slot& slot, int64_t count) { slot.prefill(step(), count); }
  float answer() const { return logits_[0]; }

  plan::StopSource stop;

 private:
  SequenceStep step() {
    logits_[0] = -1;
    rows_.assign(2, name_);
    sources_.assign(512, plan::row_source(0));
    return {&cache_, 7, sources_.data(), rows_.data(), logits_, nullptr};
  }

  float name_;
  KvCache cache_;
  Scheduler& scheduler_;
  std::vector<int32_t> sources_;
  std::vector<float> rows_;
  float logits_[3] = {};
  std::string error_;
  std::thread thread_;
};

void wait_for(const std::function<bool()>& condition) {
  while (!condition()) std::this_thread::yield();
}

/// Opens once.
class Gate {
 public:
  void open() { opened_.set_value(); }
  void pass() const { future_.wait(); }

 private:
  std::promise<void> opened_;
  std::shared_future<void> future_ = opened_.get_future().share();
};

using Turn = FakePlan::Turn;

}  // namespace

TEST_CASE("tokens that are wanted at the same time are one step, in the order in which they were asked for") {
  const LanguageSpec spec = tiny_spec();
  FakePlan plan;
  Gate gate;
  plan.during = [&](const Turn& turn, plan::StopSource*) {
    if (turn.who.front() == 1) gate.pass();
  };
  LanguageRunner runner(spec, plan, DType::f16, nullptr);
  Scheduler scheduler(runner, 8);
  std::vector<std::unique_ptr<Request>> requests;
  for (size_t i = 1; i <= 4; ++i) {
    requests.push_back(std::make_unique<Request>(scheduler, static_cast<float>(i)));
    Request& request = *requests.back();
    request.with_slot([&request](Scheduler::Slot& slot) { request.token(slot); });
    if (i == 1) wait_for([&] { return plan.turns().size() == 1; });
    if (i > 1) wait_for([&] { return scheduler.waiting() == i - 1; });
  }
  gate.open();
  for (auto& request : requests) request->join();
  CHECK(plan.turns() == std::vector<Turn>{{{1}, 1}, {{2, 3, 4}, 1}});
  for (size_t i = 0; i < 4; ++i) {
    CHECK(requests[i]->error() == "no error");
    CHECK(requests[i]->answer() == static_cast<float>(i + 1));
  }
}

TEST_CASE("without joined steps each token is a turn of its own, and nobody is passed over") {
  const LanguageSpec spec = tiny_spec();
  FakePlan plan;
  LanguageRunner runner(spec, plan, DType::f32, nullptr);
  Scheduler scheduler(runner, 8);
  plan.during = [&](const Turn& turn, plan::StopSource*) {
    // The others are back before the turn ends, until they have had all of theirs.
    if (turn.who.front() < 3 && plan.turns().size() < 8) wait_for([&] { return scheduler.waiting() >= 1; });
  };
  Request a(scheduler, 1, DType::f32), b(scheduler, 2, DType::f32);
  for (Request* request : {&a, &b}) {
    request->with_slot([request](Scheduler::Slot& slot) {
      for (int i = 0; i < 5; ++i) request->token(slot);
    });
  }
  a.join();
  b.join();
  const std::vector<Turn> turns = plan.turns();
  REQUIRE(turns.size() == 10);
  for (size_t i = 1; i < 8; ++i) CHECK(turns[i].who != turns[i - 1].who);
}

TEST_CASE("what one request's step does to a joined step is its own affair") {
  const LanguageSpec spec = tiny_spec();
  FakePlan plan;
  Gate gate;
  plan.during = [&](const Turn& turn, plan::StopSource*) {
    if (turn.who == std::vector<float>{1}) gate.pass();
    for (const float who : turn.who) {
      if (who == 3) fail(ErrorCode::backend, "three cannot be computed");
    }
  };
  LanguageRunner runner(spec, plan, DType::f16, nullptr);
  Scheduler scheduler(runner, 8);
  Request first(scheduler, 1), two(scheduler, 2), three(scheduler, 3), four(scheduler, 4);
  size_t started = 0;
  for (Request* request : {&first, &two, &three, &four}) {
    request->with_slot([request](Scheduler::Slot& slot) { request->token(slot); });
    if (++started == 1) wait_for([&] { return plan.turns().size() == 1; });
    if (started > 1) wait_for([&] { return scheduler.waiting() == started - 1; });
  }
  gate.open();
  for (Request* request : {&first, &two, &three, &four}) request->join();
  CHECK(plan.turns() == std::vector<Turn>{{{1}, 1}, {{2, 3, 4}, 1}, {{2}, 1}, {{3}, 1}, {{4}, 1}});
  CHECK(three.error() == "9:three cannot be computed");
  for (const Request* request : {&first, &two, &four}) CHECK(request->error() == "no error");
  CHECK(two.answer() == 2);
  CHECK(four.answer() == 4);
}

TEST_CASE("a request that does not come back is not waited for; when it does, it takes part again") {
  const LanguageSpec spec = tiny_spec();
  FakePlan plan;
  LanguageRunner runner(spec, plan, DType::f16, nullptr);
  Scheduler scheduler(runner, 8);
  Gate reader;
  std::atomic<int> slow{0};
  std::atomic<bool> fast_done{false};
  Request a(scheduler, 1), b(scheduler, 2);
  b.with_slot([&](Scheduler::Slot& slot) {
    for (int i = 0; i < 3; ++i) b.token(slot);
    slow = 3;
    reader.pass();
    b.token(slot);
    slow = 4;
  });
  wait_for([&] { return slow == 3; });
  a.with_slot([&](Scheduler::Slot& slot) {
    for (int i = 0; i < 200; ++i) a.token(slot);
    fast_done = true;
  });
  a.join();
  CHECK(fast_done);
  CHECK(slow == 3);
  reader.open();
  b.join();
  CHECK(slow == 4);
  CHECK(b.error() == "no error");
}

TEST_CASE("a prompt's chunks and the others' tokens take turns; prompts among each other too") {
  const LanguageSpec spec = tiny_spec();
  FakePlan plan;
  LanguageRunner runner(spec, plan, DType::f16, nullptr);
  Scheduler scheduler(runner, 8);
  std::atomic<int> expected{0};  // how many others are to wait before a turn ends
  plan.during = [&](const Turn& turn, plan::StopSource*) {
    if (plan.turns().size() < 9) wait_for([&] { return scheduler.waiting() >= static_cast<size_t>(expected.load()); });
    (void)turn;
  };
  Request a(scheduler, 1), b(scheduler, 2), c(scheduler, 3);
  Gate begin;
  std::atomic<int64_t> alone{0}, shared{0};
  a.with_slot([&](Scheduler::Slot& slot) {
    alone = slot.chunk();
    a.token(slot);
    begin.pass();
    for (int i = 0; i < 6; ++i) a.token(slot);
  });
  wait_for([&] { return plan.turns().size() == 1; });
  expected = 2;
  for (Request* request : {&b, &c}) {
    request->with_slot([&, request](Scheduler::Slot& slot) {
      shared = slot.chunk();
      for (int i = 0; i < 4; ++i) request->chunk(slot, 64);
    });
  }
  begin.open();
  for (Request* request : {&a, &b, &c}) request->join();
  CHECK(alone == 256);
  CHECK(shared == 64);
  const std::vector<Turn> turns = plan.turns();
  REQUIRE(turns.size() == 15);
  std::vector<float> chunks;
  for (size_t i = 1; i < 9; ++i) {
    if (turns[i].count == 64) chunks.push_back(turns[i].who.front());
    // With all three waiting whenever a turn ends, a token follows each chunk, and a chunk each token.
    if (i > 2) CHECK((turns[i].count == 1) != (turns[i - 1].count == 1));
  }
  for (size_t i = 1; i < chunks.size(); ++i) CHECK(chunks[i] != chunks[i - 1]);
}

TEST_CASE("a request that waits for its turn can be cancelled at once; one in a joined step leaves at its end, alone") {
  const LanguageSpec spec = tiny_spec();
  FakePlan plan;
  Gate first, second;
  plan.during = [&](const Turn& turn, plan::StopSource* stop) {
    CHECK((stop == nullptr) == (turn.who.size() > 1));
    if (turn.who.size() == 1) first.pass();
    if (turn.who.size() == 2) second.pass();
  };
  LanguageRunner runner(spec, plan, DType::f16, nullptr);
  Scheduler scheduler(runner, 8);
  Request a(scheduler, 1), b(scheduler, 2), c(scheduler, 3), d(scheduler, 4);
  a.with_slot([&](Scheduler::Slot& slot) { a.token(slot); });
  wait_for([&] { return plan.turns().size() == 1; });
  for (Request* request : {&b, &c, &d}) {
    request->with_slot([request](Scheduler::Slot& slot) { request->token(slot); });
  }
  wait_for([&] { return scheduler.waiting() == 3; });
  b.stop.raise();
  b.join();  // while a's step is still running
  CHECK(b.error() == "8:request: cancelled while waiting for its turn");
  first.open();
  wait_for([&] { return plan.turns().size() == 2; });
  c.stop.raise();
  second.open();
  for (Request* request : {&a, &c, &d}) request->join();
  CHECK(a.error() == "no error");
  CHECK(c.error() == "8:request: cancelled");
  CHECK(d.error() == "no error");
  CHECK(d.answer() == 4);
}

TEST_CASE("places are given in the order of arrival, can be left while waiting, and are not needed twice by a thread") {
  const LanguageSpec spec = tiny_spec();
  FakePlan plan;
  LanguageRunner runner(spec, plan, DType::f16, nullptr);
  Scheduler scheduler(runner, 1);
  Gate gate;
  Request a(scheduler, 1), b(scheduler, 2), c(scheduler, 3), d(scheduler, 4);
  a.with_slot([&](Scheduler::Slot& slot) {
    a.token(slot);
    gate.pass();
    plan::StopSource stop;
    Scheduler::Slot inner(scheduler, stop);  // a listener that asks something itself
    a.token(inner);
  });
  wait_for([&] { return plan.turns().size() == 1; });
  size_t count = 0;
  for (Request* request : {&b, &c, &d}) {
    request->with_slot([request](Scheduler::Slot& slot) { request->token(slot); });
    ++count;
    wait_for([&] { return scheduler.waiting() == count; });
  }
  c.stop.raise();
  c.join();
  CHECK(c.error() == "8:request: cancelled while waiting for its turn");
  gate.open();
  for (Request* request : {&a, &b, &d}) request->join();
  CHECK(plan.turns() == std::vector<Turn>{{{1}, 1}, {{1}, 1}, {{2}, 1}, {{4}, 1}});
}

TEST_CASE("many requests in many threads: every step is computed once, with its own numbers") {
  const LanguageSpec spec = tiny_spec();
  FakePlan plan;
  LanguageRunner runner(spec, plan, DType::f16, nullptr);
  Scheduler scheduler(runner, 3);
  std::vector<std::unique_ptr<Request>> requests;
  std::atomic<int> wrong{0};
  for (int i = 0; i < 8; ++i) {
    requests.push_back(std::make_unique<Request>(scheduler, static_cast<float>(i)));
    Request& request = *requests.back();
    request.with_slot([&request, &wrong, i](Scheduler::Slot& slot) {
      for (int step = 0; step < 200; ++step) {
        if (step % 50 < 3) {
          request.chunk(slot, 5);
        } else {
          request.token(slot);
        }
        if (request.answer() != static_cast<float>(i)) ++wrong;
      }
    });
  }
  for (auto& request : requests) request->join();
  CHECK(wrong == 0);
  size_t steps = 0;
  for (const Turn& turn : plan.turns()) {
    CHECK(turn.who.size() <= 3);
    steps += turn.who.size();
  }
  CHECK(steps == 8 * 200);
  for (auto& request : requests) CHECK(request->error() == "no error");
}
