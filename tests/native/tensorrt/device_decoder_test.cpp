// SPDX-License-Identifier: Apache-2.0
// The decoder on the emulated device, over engines that compute nothing but write down what they are given.
#include "plan/tensorrt/device_decoder.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "common/error.h"
#include "common/rounding.h"
#include "graph/names.h"
#include "plan/environment.h"
#include "session/sampler.h"
#include "support/npy.h"

using namespace vila;                  // NOLINT
using namespace vila::plan;            // NOLINT
using namespace vila::plan::tensorrt;  // NOLINT
using vila::testing::error_of;
using vila::testing::Variable;
namespace names = vila::graph::names;

namespace {

constexpr int64_t kLayers = 2, kHeads = 2, kHeadDim = 8, kHidden = 3, kVocab = 50, kChunk = 4;
constexpr float kFaulty = 77;  ///< a position behind which a logit is not a number

/// What engines have done, in order.
struct Journal {
  int runs = 0, enqueued = 0, loaded = 0, alive = 0;
  std::vector<int64_t> batches;  ///< sequences of each run
  std::vector<int64_t> capacities;  ///< in the order of loading
  bool refuse_batches = false;
};

/// Writes the first number of each row of embeddings into all of the row's keys, and half of it into its values; logit i is a wave in i,
/// whose place is the last of these numbers plus the sum of all rows' first keys, so that every row that is there counts.
class FakeEngine final : public Engine {
 public:
  FakeEngine(Journal& journal, DType compute, int64_t capacity) : journal_(journal), compute_(compute), capacity_(capacity) {
    ++journal.alive;
  }
  ~FakeEngine() override { --journal_.alive; }
  const std::vector<EngineTensor>& tensors() const override { return tensors_; }
  void bind(const std::string& name, void* memory) override {
    CHECK(reinterpret_cast<uintptr_t>(memory) % 256 == 0);
    memory_[name] = memory;
  }
  void shape(const std::string& name, const std::vector<int64_t>& shape) override { shapes_[name] = shape; }
  void enqueue(cudaStream_t stream) override {
    ++journal_.enqueued;
    for (int64_t layer = 0; layer < kLayers; ++layer) {  // in place
      CHECK(memory_.at(names::past_key(layer)) == memory_.at(names::present_key(layer)));
      CHECK(memory_.at(names::past_value(layer)) == memory_.at(names::present_value(layer)));
      CHECK(memory_.at(names::past_key(layer)) != memory_.at(names::past_value(layer)));
      CHECK(shapes_.at(names::past_key(layer)) == std::vector<int64_t>{batch(), kHeads, capacity_, kHeadDim});
    }
    if (journal_.refuse_batches && batch() > 1) fail(ErrorCode::backend, "no batches");
    emulator::enqueue(stream, [this, memory = memory_, batch = batch(), count = shapes_.at(names::kInputsEmbeds).at(1)] {
      ++journal_.runs;
      journal_.batches.push_back(batch);
      for (int64_t sequence = 0; sequence < batch; ++sequence) compute(memory, sequence, count);
      return cudaSuccess;
    });
  }
  std::unique_ptr<Engine> for_range(int32_t range, cudaStream_t) override {
    CHECK(range > 0);
    return std::make_unique<FakeEngine>(journal_, compute_, capacity_);
  }

 private:
  int64_t batch() const { return shapes_.at(names::kInputsEmbeds).at(0); }
  float load(const void* from, int64_t at) const {
    float value = 0;
    to_f32(compute_, static_cast<const uint8_t*>(from) + static_cast<size_t>(at) * size_of(compute_), &value, 1);
    return value;
  }
  void store(void* to, int64_t at, float value) const {
    if (compute_ == DType::f16) {
      static_cast<uint16_t*>(to)[at] = to_f16(value);
    } else {
      static_cast<float*>(to)[at] = value;
    }
  }
  void compute(const std::map<std::string, void*>& memory, int64_t sequence, int64_t count) const {
    const int64_t past = static_cast<const int64_t*>(memory.at(names::kPastLengths))[sequence];
    CHECK(past + count <= capacity_);
    const int64_t first_head = sequence * kHeads;
    float sum = 0, last = 0;
    for (int64_t i = 0; i < count; ++i) {
      last = load(memory.at(names::kInputsEmbeds), (sequence * count + i) * kHidden);
      for (int64_t layer = 0; layer < kLayers; ++layer) {
        for (int64_t head = 0; head < kHeads; ++head) {
          for (int64_t d = 0; d < kHeadDim; ++d) {
            const int64_t at = ((first_head + head) * capacity_ + past + i) * kHeadDim + d;
            store(memory.at(names::past_key(layer)), at, last);
            store(memory.at(names::past_value(layer)), at, last / 2);
          }
        }
      }
    }
    for (int64_t layer = 0; layer < kLayers; ++layer) {
      for (int64_t head = 0; head < kHeads; ++head) {
        for (int64_t row = 0; row < capacity_; ++row) {  // rows beyond the sequence are finite
          const int64_t at = ((first_head + head) * capacity_ + row) * kHeadDim;
          const float key = load(memory.at(names::past_key(layer)), at);
          const float value = load(memory.at(names::past_value(layer)), at + kHeadDim - 1);
          CHECK(std::isfinite(key));
          CHECK(value == key / 2);
          if (row < past + count) sum += key;
        }
      }
    }
    auto* logits = static_cast<float*>(memory.at(names::kLogits)) + sequence * kVocab;
    for (int64_t i = 0; i < kVocab; ++i) logits[i] = 3 * std::sin(static_cast<float>(i) + last + sum / 4);
    if (last == kFaulty) logits[7] = NAN;
  }

  Journal& journal_;
  const DType compute_;
  const int64_t capacity_;
  std::vector<EngineTensor> tensors_;
  std::map<std::string, void*> memory_;
  std::map<std::string, std::vector<int64_t>> shapes_;
};

/// What FakeEngine computes for positions with these numbers.
std::vector<float> expected_logits(const std::vector<float>& numbers) {
  float sum = 0;
  for (int64_t head = 0; head < kLayers * kHeads; ++head) {
    for (const float number : numbers) sum += number;
  }
  std::vector<float> logits;
  for (int64_t i = 0; i < kVocab; ++i) logits.push_back(3 * std::sin(static_cast<float>(i) + numbers.back() + sum / 4));
  return logits;
}

/// Rows by id: {id / 8, -1, -1}.
std::shared_ptr<const ResidentTable> table(DType compute) {
  std::vector<float> rows;
  for (int64_t id = 0; id < kVocab; ++id) rows.insert(rows.end(), {static_cast<float>(id) / 8, -1, -1});
  return std::make_shared<ResidentTable>(HostTable{rows.data(), DType::f32, kVocab, kHidden}, compute);
}

/// Positions with these numbers: ids where the table has them, else rows as those of images.
struct Positions {
  explicit Positions(const std::vector<float>& numbers) {
    for (const float number : numbers) {
      const float id = number * 8;
      if (id >= 0 && id < kVocab && id == std::floor(id)) {
        sources.push_back(static_cast<int32_t>(id));
        continue;
      }
      sources.push_back(row_source(static_cast<int32_t>(rows.size() / kHidden)));
      rows.insert(rows.end(), {number, -1, -1});
    }
  }
  std::vector<int32_t> sources;
  std::vector<float> rows;
};

DecoderSizes sizes(DType compute) { return {kLayers, kHeads, kHeadDim, kHidden, kVocab, compute, {8, 16, 32}, {1, 4, 16}, kChunk}; }

DeviceDecoder make(Journal& journal, DType compute = DType::f16, bool decode = true) {
  return {sizes(compute), table(compute), [&journal, compute, decode](int64_t capacity) {
            ++journal.loaded;
            journal.capacities.push_back(capacity);
            BucketEngines engines;
            engines.prefill = std::make_unique<FakeEngine>(journal, compute, capacity);
            if (decode) engines.decode = std::make_unique<FakeEngine>(journal, compute, capacity);
            return engines;
          }};
}

/// A sequence of positions that are known by a number each.
class Sequence {
 public:
  explicit Sequence(DeviceDecoder& decoder, int64_t limit = 32) : decoder_(decoder), cache_(decoder.new_cache(limit)) {}

  /// Adds positions; returns the logits, or the token in front of them.
  std::vector<float> step(const std::vector<float>& numbers, int32_t* token = nullptr, StopSource* stop = nullptr) {
    const Positions positions(numbers);
    std::vector<float> logits(kVocab);
    const auto past = static_cast<int64_t>(numbers_.size());
    cache_->reserve(past + static_cast<int64_t>(numbers.size()), past);
    decoder_.run({{cache_.get(), past, positions.sources.data(), positions.rows.data(), token == nullptr ? logits.data() : nullptr,
                   token}},
                 static_cast<int64_t>(numbers.size()), stop);
    numbers_.insert(numbers_.end(), numbers.begin(), numbers.end());
    return logits;
  }
  /// The step of one more position, with room for it; the caller runs it.
  SequenceStep next(float number) {
    const auto past = static_cast<int64_t>(numbers_.size());
    cache_->reserve(past + 1, past);
    next_ = Positions({number});
    logits_.assign(kVocab, -1);
    numbers_.push_back(number);
    return {cache_.get(), past, next_.sources.data(), next_.rows.data(), logits_.data()};
  }
  /// The logits that the step of next() gave are those of all positions.
  void check_logits() const { CHECK(logits_ == expected_logits(numbers_)); }
  void cut(size_t positions) { numbers_.resize(positions); }
  const std::vector<float>& numbers() const { return numbers_; }
  SequenceCache& cache() { return *cache_; }

 private:
  DeviceDecoder& decoder_;
  std::unique_ptr<SequenceCache> cache_;
  std::vector<float> numbers_, logits_;
  Positions next_{{}};
};

/// One more position of each, in one run.
void check_together(DeviceDecoder& decoder, const std::vector<Sequence*>& sequences, float number) {
  std::vector<SequenceStep> steps;
  for (Sequence* sequence : sequences) steps.push_back(sequence->next(number += 0.25F));
  decoder.run(steps, 1, nullptr);
  for (const Sequence* sequence : sequences) sequence->check_logits();
}

/// The logits are those of all positions so far and these.
void check_step(Sequence& sequence, const std::vector<float>& numbers) {
  const std::vector<float> logits = sequence.step(numbers);
  CHECK(logits == expected_logits(sequence.numbers()));
}

}  // namespace

TEST_CASE("a prompt in chunks and single positions over growing caches: every row is kept, in fp16 and fp32, with and without decode") {
  for (const DType compute : {DType::f16, DType::f32}) {
    for (const bool decode : {true, false}) {
      CAPTURE(std::string(name_of(compute)));
      CAPTURE(decode);
      Journal journal;
      DeviceDecoder decoder = make(journal, compute, decode);
      Sequence sequence(decoder);
      check_step(sequence, {1, 0.5, 2});
      check_step(sequence, {0.25, 3, -1, 0.125});
      for (int i = 0; i < 25; ++i) check_step(sequence, {static_cast<float>(i % 5)});
      CHECK(sequence.cache().capacity() == 32);
      CHECK(journal.capacities == std::vector<int64_t>{8, 16, 32});
      CHECK(journal.runs == 27);
    }
  }
}

TEST_CASE("a decode step is captured after one warm run, once for each cache and capacity, and replayed with new numbers") {
  Journal journal;
  DeviceDecoder decoder = make(journal);
  Sequence first(decoder, 16), second(decoder, 16);
  for (Sequence* sequence : {&first, &second}) {
    for (int i = 0; i < 7; ++i) check_step(*sequence, {static_cast<float>(i)});
  }
  CHECK(journal.runs == 14);
  CHECK(journal.enqueued == 3);  // warm, and a capture for each of the two
  for (int round = 0; round < 3; ++round) {
    for (Sequence* sequence : {&first, &second}) check_step(*sequence, {0.5});
  }
  CHECK(journal.runs == 20);
  CHECK(journal.enqueued == 6);  // one more position in the old place, then the larger capacity: warm, and two captures
  // A cut sequence goes on where it was cut.
  const int32_t id = 32;  // 4
  std::vector<float> logits(kVocab);
  decoder.run({{&first.cache(), 2, &id, nullptr, logits.data(), nullptr}}, 1, nullptr);
  CHECK(logits == expected_logits({0, 1, 4}));
}

TEST_CASE("with VILA_CUDA_GRAPH=0 every decode step is enqueued by itself, and computes the same") {
  const Variable off("VILA_CUDA_GRAPH", "0");
  Journal journal;
  DeviceDecoder decoder = make(journal);
  Sequence sequence(decoder, 16);
  for (int i = 0; i < 12; ++i) check_step(sequence, {static_cast<float>(i)});
  CHECK(journal.runs == 12);
  CHECK(journal.enqueued == 12);
}

TEST_CASE("tokens are chosen on the device as the sampler chooses them, and logits stay to be read") {
  std::vector<GenerationOptions> all(4);
  all[1].temperature = 0.8F, all[1].seed = 7;
  all[2].temperature = 1.3F, all[2].top_k = 9, all[2].top_p = 0.8F, all[2].seed = 8;
  all[3].repetition_penalty = 1.2F, all[3].presence_penalty = 0.5F, all[3].frequency_penalty = 0.25F;
  for (GenerationOptions options : all) {
    options.seed = std::max<int64_t>(options.seed, 0);
    Journal journal;
    DeviceDecoder decoder = make(journal, DType::f32);
    REQUIRE(decoder.samples());
    Sequence sequence(decoder);
    Sampler sampler(options, kVocab);
    const std::vector<int32_t> prompt{3, 4, 44};
    for (const int32_t id : prompt) sampler.see_prompt(id);
    int32_t token = -1;
    CHECK(error_of([&] { sequence.step({1}, &token); }) == "10:language plan: a token is wanted before begin_sampling()");
    decoder.begin_sampling(sequence.cache(), options, static_cast<uint64_t>(options.seed), prompt);
    sequence.step({3, 4, 44}, &token);
    for (int i = 0; i < 20; ++i) {
      std::vector<float> logits(kVocab);
      decoder.read_logits(sequence.cache(), logits.data());
      CHECK(logits == expected_logits(sequence.numbers()));
      CHECK(token == sampler.sample(logits.data()));
      sequence.step({static_cast<float>(token) / 10}, &token);
    }
  }
}

TEST_CASE("a step that samples sends up a position and an id, and reads back what was chosen, in one copy each way") {
  Journal journal;
  DeviceDecoder decoder = make(journal);
  Sequence a(decoder), b(decoder);
  std::vector<Sequence*> both{&a, &b};
  int32_t tokens[2] = {-1, -1};
  for (Sequence* sequence : both) {
    sequence->cache().reserve(32, 0);
    decoder.begin_sampling(sequence->cache(), {}, 1, {});
    sequence->step({1, 0.5}, &tokens[0]);
  }
  for (int i = 0; i < 4; ++i) {  // warm, captured, replayed
    const emulator::Copies before = emulator::copies();
    a.step({0.25}, &tokens[0]);
    const emulator::Copies after = emulator::copies();
    CHECK(after.up - before.up == 1);
    CHECK(after.bytes_up - before.bytes_up == sizeof(int64_t) + sizeof(int32_t));
    CHECK(after.down - before.down == 1);
    CHECK(after.bytes_down - before.bytes_down == sizeof(cuda::SampledToken));
    b.step({0.25}, &tokens[1]);
  }
  for (int i = 0; i < 4; ++i) {  // together: what the sampler is to do goes up, too
    std::vector<SequenceStep> steps{a.next(0.5), b.next(2)};
    for (size_t s = 0; s < steps.size(); ++s) steps[s].logits = nullptr, steps[s].token = &tokens[s];
    const emulator::Copies before = emulator::copies();
    decoder.run(steps, 1, nullptr);
    const emulator::Copies after = emulator::copies();
    if (i > 0) CHECK(after.up - before.up == 2);  // the first makes the group
    CHECK(after.down - before.down == 1);
    CHECK(after.bytes_down - before.bytes_down == 2 * sizeof(cuda::SampledToken));
  }
}

TEST_CASE("plans that were not used longest are given up for others when memory lacks, and loaded again") {
  Journal journal;
  bool full = false;
  DeviceDecoder decoder(sizes(DType::f16), table(DType::f16), [&](int64_t capacity) {
    if (full && journal.alive > 0) fail(ErrorCode::capacity, "device memory: out of memory");
    ++journal.loaded;
    BucketEngines engines;
    engines.prefill = std::make_unique<FakeEngine>(journal, DType::f16, capacity);
    engines.decode = std::make_unique<FakeEngine>(journal, DType::f16, capacity);
    return engines;
  });
  Sequence small(decoder), large(decoder);
  large.cache().reserve(30, 0);
  small.step({1});
  check_step(small, {2});
  full = true;
  check_step(large, {5});
  CHECK(journal.alive == 2);
  check_step(small, {3});  // its captured step is that of engines that are gone
  check_step(small, {4});
  CHECK(journal.loaded == 3);
  CHECK(journal.alive == 2);
}

TEST_CASE("a cache that finds no memory stays what it was; limits and wrong steps are errors; a raised stop is obeyed") {
  Journal journal;
  DeviceDecoder decoder = make(journal);
  Sequence sequence(decoder, 20);
  sequence.step({1, 2, 3});
  emulator::set_memory(emulator::bytes_in_use() + 64);
  CHECK(error_of([&] { sequence.cache().reserve(9, 3); }) == "6:device memory: out of memory (cudaErrorMemoryAllocation)");
  emulator::set_memory(SIZE_MAX);
  CHECK(sequence.cache().capacity() == 8);
  check_step(sequence, {4});
  CHECK(error_of([&] { sequence.cache().reserve(21, 3); }) == "6:KV cache: 21 positions asked for, at most 20");
  sequence.cache().reserve(20, 4);
  check_step(sequence, {5});

  int32_t ids[kChunk + 1] = {};
  float logits[kVocab];
  const auto run = [&](int64_t past, int64_t count) {
    return error_of([&] { decoder.run({{&sequence.cache(), past, ids, nullptr, logits, nullptr}}, count, nullptr); });
  };
  CHECK(run(32, 1) == "10:language plan: 32 + 1 positions, the cache holds 32");
  CHECK(run(-1, 1) == "10:language plan: -1 + 1 positions, the cache holds 32");
  CHECK(run(0, kChunk + 1) == "10:language plan: 1 sequences, 5 positions each, expected at least 1 and at most 4");
  ids[2] = kVocab;
  CHECK(run(3, 3) == "1:token id 50: the model has ids 0 to 49");
  ids[2] = row_source(0);
  CHECK(run(3, 3) == "1:token id -1: the model has ids 0 to 49");
  check_step(sequence, {5.5});  // nothing has changed
  StopSource stop;
  stop.raise();
  CHECK(error_of([&] { sequence.step({6}, nullptr, &stop); }) == "8:language plan: cancelled");
  check_step(sequence, {6});
  CHECK(error_of([&] { make(journal, DType::f16).new_cache(8)->reserve(9, 0); }) == "6:KV cache: 9 positions asked for, at most 8");
  DecoderSizes odd = sizes(DType::f16);
  odd.head_dim = 4;
  CHECK(error_of([&] { DeviceDecoder(odd, table(DType::f16), {}).new_cache(8); }) ==
        "5:KV cache: rows of 8 bytes, expected a multiple of 16");
  DecoderSizes large = sizes(DType::f16);
  large.vocab = kVocab + 1;
  CHECK(error_of([&] { DeviceDecoder(large, table(DType::f16), {}); }) == "10:decoder: sizes that no model has");
}

TEST_CASE("sequences of one run share a step, whoever comes, sits out, leaves or goes back, in fp16 and fp32") {
  for (const DType compute : {DType::f16, DType::f32}) {
    Journal journal;
    DeviceDecoder decoder = make(journal, compute);
    CHECK(decoder.joins());
    Sequence a(decoder, 8), b(decoder, 8), c(decoder, 8), d(decoder, 8), e(decoder, 8);
    check_step(a, {1, 2});
    check_step(b, {3});
    for (Sequence* sequence : {&c, &d, &e}) check_step(*sequence, {0.5});
    journal.batches.clear();
    check_together(decoder, {&a, &b}, 1);       // warm
    check_together(decoder, {&b, &a}, 2);       // captured
    const int enqueued = journal.enqueued;
    check_together(decoder, {&a, &b}, 3);
    CHECK(journal.enqueued == enqueued);
    check_together(decoder, {&c, &a, &b}, 1);   // a larger group
    check_together(decoder, {&c, &b}, 4);       // a sits out
    check_together(decoder, {&a, &d, &c}, 2);
    check_together(decoder, {&a, &e}, 3);       // there is no slot left: b or c goes
    CHECK(journal.batches == std::vector<int64_t>{2, 2, 2, 4, 4, 4, 4});
    check_step(b, {0.5, 0.25});                 // a prompt, alone, with all its rows
    b.cut(3);
    check_together(decoder, {&b, &c}, 1);
    check_step(e, {0.75});                      // one step alone does not scatter the group
    CHECK(journal.batches.back() == 4);
    { const Sequence gone = std::move(c); }
    check_together(decoder, {&b, &d}, 1);
    CHECK(journal.loaded == 1);
  }
}

TEST_CASE("a group shrinks when it was too large for some steps, and ends when one goes on alone") {
  Journal journal;
  DeviceDecoder decoder = make(journal);
  Sequence a(decoder), b(decoder), c(decoder);
  for (Sequence* sequence : {&a, &b, &c}) sequence->cache().reserve(32, 0);
  check_together(decoder, {&a, &b, &c}, 1);
  for (int i = 0; i < 18; ++i) {
    check_together(decoder, {&a, &c}, static_cast<float>(i % 3));
    CHECK(journal.batches.back() == (i < 16 ? 4 : 2));
  }
  for (int i = 0; i < 12; ++i) check_step(c, {1});
  CHECK(journal.batches.back() == 2);
  check_step(b, {2});  // never in the smaller one
  CHECK(journal.batches.back() == 1);
  for (int i = 0; i < 8; ++i) check_step(a, {static_cast<float>(i % 2)});
  CHECK(journal.batches.back() == 1);
  check_together(decoder, {&a, &b}, 1);
  check_together(decoder, {&b, &a}, 1);
}

TEST_CASE("sequences of several capacities share a step at the greatest; one that would cost the others too much goes alone") {
  Journal journal;
  DeviceDecoder decoder = make(journal);
  Sequence small(decoder), middle(decoder), growing(decoder);
  std::vector<std::unique_ptr<Sequence>> many;
  middle.cache().reserve(16, 0);
  check_step(small, {1});
  check_step(growing, {1, 2, 3});
  check_together(decoder, {&small, &middle}, 1);
  CHECK(journal.capacities == std::vector<int64_t>{8, 16});
  for (int i = 0; i < 8; ++i) check_together(decoder, {&growing, &middle}, static_cast<float>(i % 4));  // a cache grows in between
  Sequence large(decoder);
  large.cache().reserve(32, 0);
  for (int i = 0; i < 8; ++i) many.push_back(std::make_unique<Sequence>(decoder, 8));
  std::vector<Sequence*> all{&large};
  for (const auto& sequence : many) all.push_back(sequence.get());
  journal.batches.clear();
  check_together(decoder, all, 1);
  CHECK(journal.batches == std::vector<int64_t>{8, 1});
  CHECK(decoder.new_cache(8)->capacity() == 0);
}

TEST_CASE("each of several sequences gets its own tokens, as the sampler chooses them, in a group, alone and back") {
  Journal journal;
  DeviceDecoder decoder = make(journal, DType::f32);
  constexpr size_t kCount = 5;
  std::vector<GenerationOptions> options(kCount);
  options[1].temperature = 0.8F, options[1].seed = 7;
  options[2].temperature = 1.3F, options[2].top_k = 9, options[2].top_p = 0.8F, options[2].seed = 8;
  options[3].repetition_penalty = 1.2F, options[3].presence_penalty = 0.5F, options[3].frequency_penalty = 0.25F;
  options[4].temperature = 0.9F, options[4].repetition_penalty = 1.3F, options[4].min_p = 0.1F, options[4].seed = 9;
  std::vector<std::unique_ptr<Sequence>> sequences;
  std::vector<Sampler> samplers;
  std::vector<int32_t> tokens(kCount, -1);
  const std::vector<int32_t> prompt{3, 4, 44};
  for (size_t i = 0; i < kCount; ++i) {
    options[i].seed = std::max<int64_t>(options[i].seed, 0);
    samplers.emplace_back(options[i], kVocab);
    for (const int32_t id : prompt) samplers[i].see_prompt(id);
    sequences.push_back(std::make_unique<Sequence>(decoder));
    decoder.begin_sampling(sequences[i]->cache(), options[i], static_cast<uint64_t>(options[i].seed), prompt);
    sequences[i]->step({1, static_cast<float>(i)}, &tokens[i]);
  }
  const auto check_tokens = [&](const std::vector<size_t>& who) {
    for (const size_t i : who) CHECK(tokens[i] == samplers[i].sample(expected_logits(sequences[i]->numbers()).data()));
  };
  check_tokens({0, 1, 2, 3, 4});
  for (int round = 0; round < 24; ++round) {
    std::vector<size_t> who;
    for (size_t i = 0; i < kCount; ++i) {
      if (round < 4 || (round + static_cast<int>(i)) % 4 != 0) who.push_back(i);  // somebody sits out
    }
    if (round == 9) who = {3};
    std::vector<SequenceStep> steps;
    for (const size_t i : who) {
      steps.push_back(sequences[i]->next(static_cast<float>(tokens[i]) / 10));
      if (i != 0 || round % 2 == 0) steps.back().logits = nullptr;
      steps.back().token = &tokens[i];
    }
    decoder.run(steps, 1, nullptr);
    check_tokens(who);
    if (round == 20) {  // of one that sat out meanwhile, too
      for (size_t i = 0; i < kCount; ++i) {
        std::vector<float> logits(kVocab);
        decoder.read_logits(sequences[i]->cache(), logits.data());
        CHECK(logits == expected_logits(sequences[i]->numbers()));
      }
    }
  }
  CHECK(std::find(journal.batches.begin(), journal.batches.end(), 8) != journal.batches.end());
}

TEST_CASE("what is wrong with one of several sequences is its own, and nobody's token is chosen twice") {
  Journal journal;
  DeviceDecoder decoder = make(journal, DType::f32);
  GenerationOptions options;
  options.temperature = 1, options.seed = 3;
  Sampler sampler(options, kVocab);
  Sequence good(decoder), bad(decoder);
  int32_t token = -1, none = -1;
  for (Sequence* sequence : {&good, &bad}) {
    decoder.begin_sampling(sequence->cache(), options, 3, {});
    sequence->step({1}, &token);
  }
  CHECK(token == sampler.sample(expected_logits({1}).data()));
  const char* const expected[] = {"no error", "10:logit of id 7 is not a number",
                                  "10:language plan: 99 + 1 positions, the cache holds 8", "no error"};
  for (int i = 0; i < 4; ++i) {
    std::exception_ptr errors[2];
    std::vector<SequenceStep> steps{good.next(0.5), bad.next(i == 1 ? kFaulty : 1)};
    for (size_t s = 0; s < 2; ++s) steps[s].logits = nullptr, steps[s].error = &errors[s];
    steps[0].token = &token;
    steps[1].token = &none;
    if (i == 2) steps[1].past = 99;
    decoder.run(steps, 1, nullptr);
    CHECK(errors[0] == nullptr);
    CHECK(token == sampler.sample(expected_logits(good.numbers()).data()));
    const std::string error = error_of([&] {
      if (errors[1]) std::rethrow_exception(errors[1]);
    });
    CHECK(error == expected[i]);
    if (error != "no error") bad.cut(bad.numbers().size() - 1);
  }
}

TEST_CASE("where memory lacks for a group, or its plan does not run, everyone steps alone; a larger cache takes the group's") {
  Journal journal;
  DeviceDecoder decoder = make(journal);
  Sequence a(decoder), b(decoder);
  for (Sequence* sequence : {&a, &b}) check_step(*sequence, {1});
  emulator::set_memory(emulator::bytes_in_use() + 64);
  for (int i = 0; i < 3; ++i) check_together(decoder, {&a, &b}, 1);
  CHECK(journal.batches == std::vector<int64_t>{1, 1, 1, 1, 1, 1, 1, 1});
  emulator::set_memory(SIZE_MAX);

  Journal refusing;
  refusing.refuse_batches = true;
  DeviceDecoder other = make(refusing);
  Sequence c(other), d(other);
  for (int i = 0; i < 3; ++i) check_together(other, {&c, &d}, 1);
  CHECK(refusing.batches == std::vector<int64_t>{1, 1, 1, 1, 1, 1});

  Journal full;
  DeviceDecoder third = make(full);
  Sequence e(third), f(third);
  for (int i = 0; i < 8; ++i) check_together(third, {&e, &f}, 1);
  const size_t with_group = emulator::bytes_in_use();
  emulator::set_memory(with_group);
  e.cache().reserve(16, 8);
  emulator::set_memory(SIZE_MAX);
  CHECK(emulator::bytes_in_use() < with_group + 4096);
  for (int i = 0; i < 4; ++i) check_together(third, {&e}, 1);
  CHECK(full.batches.back() == 1);
}

TEST_CASE("the embedding table lies on the device in the narrower of its own type and that of the plans, with the same rows") {
  constexpr int64_t kRows = 2500, kWidth = 5;  // more than are rounded at once
  const auto hold = [&](DType type, DType compute, const std::vector<uint8_t>& bytes) {
    const size_t before = emulator::bytes_in_use();
    const auto resident = std::make_shared<ResidentTable>(HostTable{bytes.data(), type, kRows, kWidth}, compute);
    CHECK(resident->bytes() == emulator::bytes_in_use() - before);
    CHECK(resident->width() == kWidth);
    return resident;
  };
  for (const DType type : {DType::f32, DType::f16, DType::bf16}) {
    for (const DType compute : {DType::f32, DType::f16, DType::bf16}) {
      CAPTURE(std::string(name_of(type)));
      CAPTURE(std::string(name_of(compute)));
      std::vector<uint8_t> bytes(static_cast<size_t>(kRows * kWidth) * size_of(type));
      for (size_t i = 0; i < static_cast<size_t>(kRows * kWidth); ++i) {
        const float value = std::sin(static_cast<float>(i)) * 3;
        const uint16_t half = type == DType::f16 ? to_f16(value) : to_bf16(value);
        std::memcpy(bytes.data() + i * size_of(type), type == DType::f32 ? static_cast<const void*>(&value) : &half, size_of(type));
      }
      const auto resident = hold(type, compute, bytes);
      const DType kept = resident->view().type;
      CHECK(kept == (type == DType::f32 ? compute : type));
      CHECK(resident->bytes() == static_cast<size_t>(kRows * kWidth) * size_of(kept));
      std::vector<float> found(kRows * kWidth), wanted(kRows * kWidth);
      to_f32(kept, resident->view().data, found.data(), found.size());
      to_f32(type, bytes.data(), wanted.data(), wanted.size());
      for (size_t i = 0; i < found.size(); ++i) {
        const float rounded = kept == DType::f16    ? f16_to_f32(to_f16(wanted[i]))
                              : kept == DType::bf16 ? bf16_to_f32(to_bf16(wanted[i]))
                                                    : wanted[i];
        REQUIRE(found[i] == rounded);
      }
    }
  }
}

TEST_CASE("a decode step reads its row from the table by the id: a captured one, too, and rows of images in between") {
  Journal journal;
  DeviceDecoder decoder = make(journal, DType::f32);
  Sequence alone(decoder), a(decoder), b(decoder);
  const std::vector<float> ids{1, 0.125, 6}, rows{0.1F, -2, 100};  // 100 is beyond the table
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < ids.size(); ++i) {
      check_step(alone, {ids[i]});
      check_step(alone, {rows[i]});
      check_together(decoder, {&a, &b}, ids[i]);
      check_together(decoder, {&a, &b}, rows[i]);
    }
  }
  CHECK(journal.enqueued < journal.runs);
  check_step(alone, {rows[0], ids[0], rows[1]});  // image rows at both ends of a chunk, an id between them
}
