// SPDX-License-Identifier: Apache-2.0
// What every backend must do, through the public API alone. A backend's test calls run_contract() with its load options; nothing in
// here knows which backend runs.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <fstream>
#include <future>
#include <latch>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "support/agreement.h"
#include "support/npy.h"
#include "vila/vila.h"

namespace vila::testing {

using nlohmann::json;

/// A backend with a precision, and what that precision may cost (tests/data/README.md).
struct Subject {
  std::string backend, precision;
  double feature_tolerance = 1e-4, logit_tolerance = 2e-4;
  /// A step of several requests may round otherwise than that of one, as far as the precision does: tokens may differ where
  /// logits are nearly equal.
  bool rounds_by_batch = false;
  int32_t device = 0;
};

/// A folder of tests/data/cases, and its row in docs/models.md.
struct GoldenCase {
  std::string name, model, layout, particular;
};

inline const std::vector<GoldenCase>& golden_cases() {
  static const std::vector<GoldenCase> cases = {
      {"vila15-llama3-siglip", "Llama-3-VILA1.5-8B", "three folders", "SigLIP, `mlp_downsample` column by column, `llama_3`, bf16"},
      {"vila10-clip-linear", "any VILA 1.0", "one folder, the tower in its own", "CLIP, `linear`, `pad`"},
      {"vila15-s2-siglip", "VILA1.5-3b-s2", "three folders", "SigLIP at two scales, `vicuna_v1`, bf16"},
      {"vila15-internvit-yi", "VILA1.5-40b", "three folders", "InternViT, last layer, 7 query heads to a key head, `hermes-2`, bf16"},
      {"nvila-dynamic-s2", "NVILA-8B, -15B", "three folders", "Qwen2, `dynamic_s2`, bf16"},
      {"nvila-lite-dynamic", "NVILA-Lite-2B", "three folders", "Qwen2, tied head, `mlp_downsample_3x3_fix`, `dynamic`, bf16"},
      {"longvila-r1-2x2", "LongVILA-R1-7B", "three folders", "Qwen2, `mlp_downsample_2x2_fix`, bf16"},
      {"llava15-hf", "LLaVA-1.5", "llava-hf", "CLIP, shortest edge and centre crop, its own `tokenizer.json`, fp16"}};
  return cases;
}

/// Those that show what does not depend on the family.
inline std::span<const GoldenCase> two_cases() { return std::span(golden_cases()).first(2); }

inline json read_json_file(const std::filesystem::path& path) {
  std::ifstream in(path);
  return json::parse(in);
}

/// The decoded pixels that belong to a test image.
inline Image test_image(const std::string& file) {
  const Npy rgb = read_npy(data("images/" + file + ".rgb.npy"));
  return Image::from_rgb(rgb.bytes.data(), rgb.bytes.size(), static_cast<int32_t>(rgb.shape[1]), static_cast<int32_t>(rgb.shape[0]));
}

inline Prompt make_prompt(const json& description) {
  Prompt prompt;
  Role role = Role::user;
  for (const std::string turn : description["turns"]) {
    prompt.add_marked_turn(role, turn);
    role = role == Role::user ? Role::assistant : Role::user;
  }
  std::vector<Image> images;
  for (const std::string image : description["images"]) images.push_back(test_image(image));
  prompt.place_images(images);
  prompt.set_template(description["template"]);
  return prompt;
}

inline Prompt text_prompt(const std::string& text) {
  Prompt prompt;
  prompt.begin_turn(Role::user).add_text(text);
  return prompt;
}

/// So many words.
inline std::string words(size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += "word ";
  return text;
}

class Contract {
 public:
  Contract(Subject subject, std::filesystem::path cache) : subject_(std::move(subject)), cache_(std::move(cache)) {}

  LoadOptions options() const {
    LoadOptions options;
    options.backend = subject_.backend;
    options.precision = subject_.precision;
    options.device = subject_.device;
    options.cache_dir = cache_.string();
    options.prefix_cache_bytes = 0;  // New sessions are what others are compared with; prefix_cache() turns it on.
    return options;
  }
  Model load(const std::string& name) const { return Model::load((data("cases/" + name) / "model").string(), options(), nullptr); }

  void stages() const {
    for (const GoldenCase& golden : golden_cases()) {
      const std::string& name = golden.name;
      CAPTURE(name);
      double feature_difference = 0, token_difference = 0;
      const Model model = load(name);
      const auto folder = data("cases/" + name) / "images";
      for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        CAPTURE(entry.path().filename().string());
        if (!exists(entry.path() / "pixel_values.npy")) continue;  // only its tiles
        const Npy features = read_npy(entry.path() / "vision_features.npy"), projected = read_npy(entry.path() / "projected.npy");
        const EncodedImage encoded = model.encode_pixels(read_npy(entry.path() / "pixel_values.npy").floats);
        CHECK(encoded.feature_shape == features.shape);
        feature_difference = std::max(feature_difference, max_abs_difference(encoded.vision_features, features.floats));
        CHECK(feature_difference < subject_.feature_tolerance);
        CHECK(encoded.projected_shape == projected.shape);
        token_difference = std::max(token_difference, max_abs_difference(encoded.projected, projected.floats));
        CHECK(token_difference < subject_.feature_tolerance);
        if (std::filesystem::exists(entry.path() / "tile_pixel_values.npy")) {
          const EncodedImage tiles = model.encode_tiles(test_image(entry.path().filename().string()));
          const Npy pixels = read_npy(entry.path() / "tile_pixel_values.npy"), tokens = read_npy(entry.path() / "tile_projected.npy");
          CHECK(tiles.pixel_shape == pixels.shape);
          CHECK(max_abs_difference(tiles.pixel_values, pixels.floats) < 1e-5);
          token_difference = std::max(token_difference, max_abs_difference(tiles.projected, tokens.floats));
          CHECK(token_difference < subject_.feature_tolerance);
        }
        const EncodedImage whole = model.encode_image(test_image(entry.path().filename().string()));
        CHECK(max_abs_difference(whole.pixel_values, read_npy(entry.path() / "pixel_values.npy").floats) < 1e-5);
      }
      report(golden, feature_difference, token_difference, -1);
    }
  }

  void prompts() const {
    for (const GoldenCase& golden : golden_cases()) {
      const std::string& name = golden.name;
      CAPTURE(name);
      double difference = 0;
      const Model model = load(name);
      const json file = read_json_file(data("cases/" + name) / "prompts.json");
      for (const json& description : file["prompts"]) {
        const std::string prompt_name = description["name"];
        CAPTURE(prompt_name);
        const Prompt prompt = make_prompt(description);
        if (description["template"] == file.value("template", "")) {  // the engine must choose it by itself
          CHECK(model.tokenize(make_prompt(description).set_template("")).text == description["prompt_text"].get<std::string>());
        }
        const TokenizedPrompt tokenized = model.tokenize(prompt);
        CHECK(tokenized.text == description["prompt_text"].get<std::string>());
        CHECK(tokenized.input_ids == description["input_ids"].get<std::vector<int32_t>>());
        CHECK(tokenized.sequence_length == description["sequence_length"].get<int32_t>());
        std::vector<int32_t> spans;
        for (const json& span : description["image_spans"]) spans.insert(spans.end(), {span[0].get<int32_t>(), span[1].get<int32_t>()});
        CHECK(tokenized.image_spans == spans);
        difference = std::max(difference, compare_goldens(model, prompt, data("cases/" + name) / "golden" / prompt_name));
      }
      report(golden, -1, -1, difference);
    }
  }

  void prefix_reuse() const {
    for (const GoldenCase& golden : two_cases()) {
      const std::string& name = golden.name;
      CAPTURE(name);
      const Model model = load(name);
      const json file = read_json_file(data("cases/" + name) / "prompts.json");
      std::map<std::string, Completion> fresh;
      Session reused = model.new_session();
      GenerationOptions generation;
      generation.max_new_tokens = 12;
      generation.ignore_eos = true;
      for (const json& description : file["prompts"]) {
        fresh[description["name"]] = model.new_session().generate(make_prompt(description), generation, nullptr);
      }
      int32_t cached = 0;
      for (int round = 0; round < 2; ++round) {
        for (const json& description : file["prompts"]) {
          const Completion again = reused.generate(make_prompt(description), generation, nullptr);
          CHECK(again.ids == fresh[description["name"]].ids);
          CHECK(again.text == fresh[description["name"]].text);
          CHECK(again.cached_tokens < again.prompt_tokens);
          cached += again.cached_tokens;
        }
      }
      CHECK(cached > 0);
      // The second turn of a conversation computes only what is new.
      Prompt chat = text_prompt("What is this?");
      const Completion first = reused.generate(chat, generation, nullptr);
      const int32_t held = reused.position();
      chat.begin_turn(Role::assistant).add_text(first.text).begin_turn(Role::user).add_text("Why?");
      const Completion second = reused.generate(chat, generation, nullptr);
      CHECK(second.cached_tokens >= first.prompt_tokens);
      CHECK(second.cached_tokens <= held);
      CHECK(second.ids == model.new_session().generate(chat, generation, nullptr).ids);
      generation.reuse_prefix = false;
      CHECK(reused.generate(chat, generation, nullptr).cached_tokens == 0);
    }
  }

  /// Sessions copy what others have computed, open ones and ended ones, and nothing but the time changes.
  void prefix_cache() const {
    const std::string folder = (data("cases/" + golden_cases()[0].name) / "model").string();
    const Model fresh = load(golden_cases()[0].name);
    LoadOptions bounded = options();
    bounded.prefix_cache_bytes = 64LL << 20;
    const Model model = Model::load(folder, bounded, nullptr);
    GenerationOptions generation;
    generation.max_new_tokens = 12;
    generation.ignore_eos = true;
    const auto few_shot = [](const std::string& question) {
      Prompt prompt;
      prompt.begin_turn(Role::user).add_image(test_image("photo.png")).add_text("a photo, " + words(20));
      prompt.add_image(test_image("gray.png")).add_text("a gray one, " + words(20) + question);
      return prompt;
    };
    const std::vector<std::string> questions{"What is it?", "Why?", "How many?", "Where is it, then?"};
    std::vector<Completion> expected;
    for (const std::string& question : questions) expected.push_back(fresh.new_session().generate(few_shot(question), generation, nullptr));
    const auto check = [&](const Completion& completion, size_t which, bool copied) {
      CHECK(completion.ids == expected[which].ids);
      const auto shared = static_cast<int32_t>(expected[which].prompt_tokens - 20);
      CHECK((completion.cached_tokens >= shared) == copied);
      CHECK(completion.cached_tokens < completion.prompt_tokens);
    };
    check(model.new_session().generate(few_shot(questions[0]), generation, nullptr), 0, false);
    CHECK(model.prefix_cache_entries() == 1);
    CHECK(model.prefix_cache_hits() == 0);
    const int64_t bytes = model.prefix_cache_bytes();
    CHECK(bytes > 0);
    Session open = model.new_session();
    check(open.generate(few_shot(questions[1]), generation, nullptr), 1, true);  // of an ended session
    CHECK(model.prefix_cache_hits() == 1);
    CHECK(model.prefix_cache_positions() >= expected[1].prompt_tokens - 20);
    CHECK(open.position() == expected[1].prompt_tokens + 11);
    open.generate(text_prompt("Something else."), generation, nullptr);
    check(open.generate(few_shot(questions[2]), generation, nullptr), 2, true);  // in place of what it had itself
    generation.reuse_prefix = false;
    CHECK(model.new_session().generate(few_shot(questions[3]), generation, nullptr).cached_tokens == 0);
    generation.reuse_prefix = true;
    CHECK(model.prefix_cache_entries() == 1);  // The last has taken the place of what it has most in common with.

    // Several threads: some copy while others end.
    std::atomic<int> wrong{0};
    std::vector<std::thread> workers;
    for (size_t worker = 0; worker < 4; ++worker) {
      workers.emplace_back([&, worker] {
        for (size_t i = 0; i < questions.size(); ++i) {
          const size_t which = (i + worker) % questions.size();
          if (model.new_session().generate(few_shot(questions[which]), generation, nullptr).ids != expected[which].ids) ++wrong;
        }
      });
    }
    for (std::thread& worker : workers) worker.join();
    CHECK(wrong == 0);

    // Of an open session, while no call runs in it: nothing else is left behind here.
    bounded.prefix_cache_bytes = 1;
    const Model narrow = Model::load(folder, bounded, nullptr);
    check(narrow.new_session().generate(few_shot(questions[0]), generation, nullptr), 0, false);
    CHECK(narrow.prefix_cache_entries() == 0);
    CHECK(narrow.prefix_cache_bytes() == 0);
    struct Inside : TokenListener {
      const Model* model = nullptr;
      std::vector<Completion> completions;
      GenerationOptions generation;
      Prompt prompt;
      bool on_token(int32_t, const std::string&) override {
        if (completions.empty()) completions.push_back(model->new_session().generate(prompt, generation, nullptr));
        return true;
      }
    } inside;
    inside.model = &narrow;
    inside.generation = generation;
    inside.prompt = few_shot(questions[1]);
    Session source = narrow.new_session();
    check(source.generate(few_shot(questions[0]), generation, &inside), 0, false);
    check(inside.completions.at(0), 1, false);
    check(narrow.new_session().generate(few_shot(questions[1]), generation, nullptr), 1, true);
    check(source.generate(few_shot(questions[3]), generation, nullptr), 3, true);
    source.reset();
    check(narrow.new_session().generate(few_shot(questions[2]), generation, nullptr), 2, false);

    bounded.prefix_cache_bytes = -1;
    CHECK(error_of([&] { Model::load(folder, bounded, nullptr); }) == "1:prefix_cache_bytes: -1, expected 0 or more");
  }

  void threads() const {
    const Model model = load(golden_cases()[0].name);
    const json file = read_json_file(data("cases/" + golden_cases()[0].name) / "prompts.json");
    GenerationOptions generation;
    generation.max_new_tokens = 16;
    generation.ignore_eos = true;
    std::vector<std::vector<int32_t>> expected;
    for (const json& description : file["prompts"]) {
      expected.push_back(model.new_session().generate(make_prompt(description), generation, nullptr).ids);
    }
    std::atomic<int> wrong{0};
    std::vector<std::thread> workers;
    for (size_t worker = 0; worker < 4; ++worker) {
      workers.emplace_back([&, worker] {
        Session session = model.new_session();
        for (size_t i = 0; i < expected.size(); ++i) {
          const size_t which = (i + worker) % expected.size();
          if (session.generate(make_prompt(file["prompts"][which]), generation, nullptr).ids != expected[which]) ++wrong;
        }
      });
    }
    for (std::thread& worker : workers) worker.join();
    CHECK(wrong == 0);
  }

  /// Requests that are computed together, in joined steps, are answered as each alone: quantised ones to the last bit, since our
  /// own operators compute each row by itself. Of a subject that rounds by batch what is equal is the probabilities, as far as
  /// the tokens are.
  void together() const {
    const bool rounds = subject_.rounds_by_batch;
    const double tolerance = rounds ? 2 * subject_.logit_tolerance : subject_.precision == "fp32" ? 1e-4 : 0;
    for (const GoldenCase& golden : two_cases()) {
      const std::string& name = golden.name;
      CAPTURE(name);
      const Model model = load(name);
      const json file = read_json_file(data("cases/" + name) / "prompts.json");
      struct Job {
        Prompt prompt;
        GenerationOptions options;
        Completion alone, joined;
        bool cancelled = false;  // in the middle
      };
      std::vector<Job> jobs;
      for (const json& description : file["prompts"]) jobs.push_back({make_prompt(description), {}, {}, {}});
      for (const size_t length : {1, 70, 150, 260}) jobs.push_back({text_prompt(words(length)), {}, {}, {}});
      for (size_t i = 0; i < jobs.size(); ++i) {
        GenerationOptions& generation = jobs[i].options;
        generation.ignore_eos = true;
        generation.max_new_tokens = 12 + static_cast<int32_t>(i % 5) * 6;
        generation.temperature = i % 2 == 0 ? 0.0f : 0.8f;
        generation.top_p = 0.95f;
        generation.repetition_penalty = i % 3 == 0 ? 1.1f : 1.0f;
        generation.seed = static_cast<int64_t>(i);
        generation.top_logprobs = 1;
        jobs[i].alone = model.new_session().generate(jobs[i].prompt, generation, nullptr);
        jobs[i].cancelled = i % 4 == 2;
      }
      for (int round = 0; round < 3; ++round) {
        struct Together : TokenListener {
          std::latch* begun = nullptr;
          Session* cancel = nullptr;
          int tokens = 0;
          bool on_token(int32_t, const std::string&) override {
            if (++tokens == 1) begun->arrive_and_wait();  // nobody is done before all have begun
            if (cancel != nullptr && tokens == 6) cancel->cancel();
            return true;
          }
        };
        // As many as are computed at once; the others come in when these end.
        std::latch begun(8);
        std::vector<std::thread> workers;
        for (size_t i = 0; i < jobs.size(); ++i) {
          workers.emplace_back([&, i] {
            Session session = model.new_session();
            Together listener;
            std::latch mine(1);
            listener.begun = i < 8 ? &begun : &mine;
            if (jobs[i].cancelled) listener.cancel = &session;
            jobs[i].joined = session.generate(jobs[i].prompt, jobs[i].options, &listener);
          });
        }
        for (std::thread& worker : workers) worker.join();
        for (size_t i = 0; i < jobs.size(); ++i) {
          CAPTURE(i);
          const Completion &alone = jobs[i].alone, &joined = jobs[i].joined;
          const size_t count = jobs[i].cancelled ? 6 : alone.ids.size();
          CHECK(joined.finish_reason == (jobs[i].cancelled ? FinishReason::cancelled : FinishReason::length));
          REQUIRE(joined.ids.size() == count);
          const auto differ = std::mismatch(joined.ids.begin(), joined.ids.end(), alone.ids.begin()).first;
          const auto same = static_cast<size_t>(differ - joined.ids.begin());
          CHECK(same >= (rounds ? 1 : count));
          if (same == count) CHECK(alone.text.starts_with(joined.text));
          for (size_t token = 0; token < same; ++token) {
            CHECK(std::abs(joined.logprobs[token] - alone.logprobs[token]) <= tolerance);
          }
        }
      }
      // Step by step too: the same logits.
      const auto steps = [&](const Prompt& prompt) {
        Session session = model.new_session();
        session.prefill(prompt);
        std::vector<float> all = session.logits();
        for (int32_t id = 5; id < 25; ++id) {
          session.decode(id);
          const std::vector<float> logits = session.logits();
          all.insert(all.end(), logits.begin(), logits.end());
        }
        return all;
      };
      std::vector<std::vector<float>> alone(4), joined(4);
      for (size_t i = 0; i < alone.size(); ++i) alone[i] = steps(jobs[i].prompt);
      std::vector<std::thread> workers;
      for (size_t i = 0; i < alone.size(); ++i) workers.emplace_back([&, i] { joined[i] = steps(jobs[i].prompt); });
      for (std::thread& worker : workers) worker.join();
      for (size_t i = 0; i < alone.size(); ++i) CHECK(max_abs_difference(alone[i], joined[i]) <= tolerance);
    }
  }

  /// A listener that does not return holds up nobody else; more requests than places wait, in order, and can be cancelled.
  void slow_reader_and_places() const {
    LoadOptions two = options();
    const std::string folder = (data("cases/" + golden_cases()[0].name) / "model").string();
    two.max_requests = 0;
    CHECK(error_of([&] { Model::load(folder, two, nullptr); }) == "1:max_requests: 0, expected 1 to 1024");
    two.max_requests = 2;
    const Model model = Model::load(folder, two, nullptr);
    GenerationOptions generation;
    generation.ignore_eos = true;
    generation.max_new_tokens = 20;
    const Completion alone = model.new_session().generate(text_prompt("Go on."), generation, nullptr);
    struct Stalled : TokenListener {
      std::promise<void> stalled, go_on;
      int tokens = 0;
      bool on_token(int32_t, const std::string&) override {
        if (++tokens == 3) {
          stalled.set_value();
          go_on.get_future().wait();
        }
        return true;
      }
    } first, second;
    Completion slow;
    std::thread reader([&] { slow = model.new_session().generate(text_prompt("Go on."), generation, &first); });
    first.stalled.get_future().wait();
    for (int i = 0; i < 3; ++i) CHECK(model.new_session().generate(text_prompt("Go on."), generation, nullptr).ids == alone.ids);

    // Both places are taken by readers that stall: the third waits, until it is cancelled or there is a place.
    std::thread other([&] { model.new_session().generate(text_prompt("Go on."), generation, &second); });
    second.stalled.get_future().wait();
    Session third = model.new_session();
    Completion waited;
    std::atomic<bool> returned{false};
    std::thread waiting([&] {
      waited = third.generate(text_prompt("Go on."), generation, nullptr);
      returned = true;
    });
    while (!returned) {
      third.cancel();  // counts from the moment when the call has begun
      std::this_thread::yield();
    }
    waiting.join();
    CHECK(waited.finish_reason == FinishReason::cancelled);
    CHECK(waited.ids.empty());
    CHECK(waited.prefill_seconds == 0);  // waiting for a place is not computing
    struct Unwanted : TokenListener {
      Session* session = nullptr;
      int asked = 0, tokens = 0;
      bool on_begin() override {
        ++asked;
        if (session != nullptr) session->cancel();
        return session != nullptr;
      }
      bool on_token(int32_t, const std::string&) override { return ++tokens > 0; }
    };
    // Refused as the call begins, or cancelled just then: it does not wait for a place.
    for (Session* session : {static_cast<Session*>(nullptr), &third}) {
      Unwanted unwanted;
      unwanted.session = session;
      const Completion none = third.generate(text_prompt("Go on."), generation, &unwanted);
      CHECK(none.finish_reason == FinishReason::cancelled);
      CHECK(none.ids.empty());
      CHECK(none.prefill_seconds == 0);
      CHECK(unwanted.asked == 1);
      CHECK(unwanted.tokens == 0);
    }
    std::thread next([&] { waited = third.generate(text_prompt("Go on."), generation, nullptr); });
    second.go_on.set_value();
    other.join();
    next.join();
    CHECK(waited.ids == alone.ids);
    first.go_on.set_value();
    reader.join();
    CHECK(slow.ids == alone.ids);
  }

  void streaming_and_stops() const {
    for (const GoldenCase& golden : two_cases()) {
      const std::string& name = golden.name;
      CAPTURE(name);
      const Model model = load(name);
      struct Collect : TokenListener {
        std::vector<int32_t> ids;
        std::string text;
        int32_t stop_after = -1;
        bool on_token(int32_t id, const std::string& piece) override {
          if (id >= 0) ids.push_back(id);
          text += piece;
          return stop_after < 0 || static_cast<int32_t>(ids.size()) < stop_after;
        }
      } all;
      GenerationOptions generation;
      generation.max_new_tokens = 40;
      generation.ignore_eos = true;
      const Prompt prompt = text_prompt("Tell me a story.");
      const Completion whole = model.new_session().generate(prompt, generation, &all);
      CHECK(all.ids == whole.ids);
      CHECK(all.text == whole.text);
      CHECK(whole.text == model.tokenizer().decode(whole.ids, true));
      CHECK(whole.ids.size() == 40);
      CHECK(whole.completion_tokens == 40);
      CHECK(whole.finish_reason == FinishReason::length);

      Collect some;
      some.stop_after = 5;
      const Completion cancelled = model.new_session().generate(prompt, generation, &some);
      CHECK(cancelled.finish_reason == FinishReason::cancelled);
      CHECK(cancelled.ids == std::vector<int32_t>(whole.ids.begin(), whole.ids.begin() + 5));
      CHECK(some.text == cancelled.text);

      // Any run of whole characters inside the answer can be a stop string: the answer ends before it.
      const size_t at = whole.text.find_first_of("abcdefghijklmnopqrstuvwxyz", whole.text.size() / 3);
      REQUIRE(at != std::string::npos);
      generation.stop = {whole.text.substr(at, 1)};
      Collect stopped;
      const Completion before = model.new_session().generate(prompt, generation, &stopped);
      CHECK(before.finish_reason == FinishReason::stop_string);
      CHECK(before.text == whole.text.substr(0, whole.text.find(generation.stop[0])));
      CHECK(stopped.text == before.text);

      generation.stop.clear();
      generation.stop_ids = {whole.ids[7]};
      const Completion by_id = model.new_session().generate(prompt, generation, nullptr);
      CHECK(by_id.finish_reason == FinishReason::stop_id);
      const auto first = std::find(whole.ids.begin(), whole.ids.end(), whole.ids[7]);
      CHECK(by_id.ids == std::vector<int32_t>(whole.ids.begin(), first));

      generation.stop_ids.clear();
      generation.top_logprobs = 3;
      generation.max_new_tokens = 4;
      const Completion with_logprobs = model.new_session().generate(prompt, generation, nullptr);
      REQUIRE(with_logprobs.logprobs.size() == 4);
      REQUIRE(with_logprobs.top_logprobs.size() == 12);
      for (size_t i = 0; i < 4; ++i) {
        CHECK(with_logprobs.top_logprobs[3 * i].id == with_logprobs.ids[i]);  // greedy
        CHECK(with_logprobs.top_logprobs[3 * i].logprob == with_logprobs.logprobs[i]);
        CHECK(with_logprobs.top_logprobs[3 * i + 1].logprob <= with_logprobs.logprobs[i]);
      }

      generation.top_logprobs = -1;
      generation.temperature = 1.0f;
      generation.max_new_tokens = 20;
      generation.seed = 7;
      const Completion sampled = model.new_session().generate(prompt, generation, nullptr);
      CHECK(sampled.seed == 7);
      CHECK(model.new_session().generate(prompt, generation, nullptr).ids == sampled.ids);
      generation.seed = 8;
      CHECK(model.new_session().generate(prompt, generation, nullptr).ids != sampled.ids);
    }
  }

  void cancel() const {
    const Model model = load(golden_cases()[0].name);
    Session session = model.new_session();
    session.cancel();  // without a call under way: nothing
    GenerationOptions generation;
    generation.ignore_eos = true;
    generation.max_new_tokens = 4000;
    struct Started : TokenListener {
      std::atomic<bool> started{false};
      bool on_token(int32_t, const std::string&) override { return started = true; }
    } started;
    std::thread canceller([&] {
      while (!started.started) std::this_thread::yield();
      session.cancel();
    });
    const Completion completion = session.generate(text_prompt("Go on."), generation, &started);
    canceller.join();
    CHECK(completion.finish_reason == FinishReason::cancelled);
    CHECK(completion.ids.size() < 4000);
    generation.max_new_tokens = 8;
    const std::vector<int32_t> expected = model.new_session().generate(text_prompt("Go on."), generation, nullptr).ids;
    CHECK(session.generate(text_prompt("Go on."), generation, nullptr).ids == expected);

    // At any time: while an image is encoded (a new one each time), in the prompt's computation, between tokens.
    struct Begun : TokenListener {
      std::promise<void> promise;
      bool on_begin() override {
        promise.set_value();
        return true;
      }
      bool on_token(int32_t, const std::string&) override { return true; }
    };
    const Image photo = test_image("photo.png");
    std::vector<uint8_t> rgb(photo.rgb(), photo.rgb() + photo.rgb_size());
    int empty = 0;
    for (int round = 0; round < 12; ++round) {
      rgb[0] = static_cast<uint8_t>(rgb[0] + 1);
      Prompt prompt;
      prompt.begin_turn(Role::user).add_image(Image::from_rgb(rgb.data(), rgb.size(), photo.width(), photo.height()));
      prompt.add_text(words(300));
      Begun begun;
      std::thread later([&] {
        begun.promise.get_future().wait();
        std::this_thread::sleep_for(std::chrono::microseconds(round == 0 ? 0 : 20 << round));
        session.cancel();
      });
      const Completion stopped = session.generate(prompt, generation, &begun);
      later.join();
      if (stopped.ids.empty()) ++empty;
      CHECK((stopped.ids.size() == 8) == (stopped.finish_reason == FinishReason::length));
      CHECK(session.generate(text_prompt("Go on."), generation, nullptr).ids == expected);
    }
    CHECK(empty > 0);  // the first comes before anything is computed
  }

  void busy_and_capacity() const {
    LoadOptions small = options();
    small.context_length = 100;
    const Model model = Model::load((data("cases/" + golden_cases()[0].name) / "model").string(), small, nullptr);
    Session session = model.new_session();
    GenerationOptions generation;
    generation.ignore_eos = true;
    const std::string long_text(400, 'x');
    const std::string error = error_of([&] { session.generate(text_prompt(long_text), generation, nullptr); });
    const int32_t length = model.tokenize(text_prompt(long_text)).sequence_length;
    CHECK(error == "6:prompt: " + std::to_string(length) + " positions (0 of them image tokens), the context holds 100");
    const Completion full = session.generate(text_prompt("a"), generation, nullptr);  // up to the context's end
    CHECK(full.finish_reason == FinishReason::length);
    CHECK(full.prompt_tokens + full.completion_tokens == 101);  // the last one's keys and values are never needed
    CHECK(session.position() == 100);
    CHECK(error_of([&] { session.decode(1); }) == "6:session: all 100 positions of the context are used");

    struct Reenter : TokenListener {
      Session* session = nullptr;
      std::string error;
      bool on_token(int32_t, const std::string&) override {
        error = error_of([&] { session->reset(); });
        return false;
      }
    } reenter;
    reenter.session = &session;
    session.generate(text_prompt("a"), generation, &reenter);
    CHECK(reenter.error == "7:session: inside another call; use one session per thread");
    session.reset();
    CHECK(session.position() == 0);
    CHECK(error_of([&] { session.decode(1); }) == "1:session: decode() before the first prefill()");
    CHECK(error_of([&] { session.logits(); }) == "1:session: logits() before the first prefill()");
  }

  void image_cache() const {
    LoadOptions bounded = options();
    const std::string folder = (data("cases/" + golden_cases()[0].name) / "model").string();
    const Model model = Model::load(folder, bounded, nullptr);
    GenerationOptions generation;
    generation.max_new_tokens = 1;
    Prompt prompt;
    prompt.begin_turn(Role::user).add_image(test_image("photo.png")).add_text("What?");
    model.new_session().generate(prompt, generation, nullptr);
    CHECK(model.image_cache_entries() == 1);
    CHECK(model.image_cache_misses() == 1);
    model.new_session().generate(prompt, generation, nullptr);
    CHECK(model.image_cache_hits() == 1);
    Prompt other;
    other.begin_turn(Role::user).add_image(test_image("wide.png")).add_text("What?");
    std::vector<std::thread> workers;
    for (int i = 0; i < 4; ++i) workers.emplace_back([&] { model.new_session().generate(other, generation, nullptr); });
    for (std::thread& worker : workers) worker.join();
    CHECK(model.image_cache_misses() == 2);  // asked for at once, encoded once
    const ModelInfo info = model.info();
    const int64_t one = static_cast<int64_t>(info.tokens_per_image) * info.hidden_size * 4;
    CHECK(model.image_cache_bytes() == 2 * one);
    bounded.image_cache_bytes = 2 * one;
    const Model narrow = Model::load(folder, bounded, nullptr);
    for (const std::string file : {"photo.png", "wide.png", "gray.png", "photo.png"}) {
      Prompt each;
      each.begin_turn(Role::user).add_image(test_image(file));
      narrow.new_session().generate(each, generation, nullptr);
      CHECK(narrow.image_cache_bytes() <= 2 * one);
    }
    CHECK(narrow.image_cache_misses() == 4);  // the first photo was the least recently used when gray came
    CHECK(narrow.image_cache_entries() == 2);
  }

 private:
  void report(const GoldenCase& golden, double features, double tokens, double logits) const {
    record({golden.model, golden.layout, golden.particular, "goldens", "prompts of `tests/data`", subject_.precision, features, tokens, logits,
            subject_.feature_tolerance, subject_.logit_tolerance});
  }

  /// Logits and greedy tokens; returns the largest difference of the logits.
  double compare_goldens(const Model& model, const Prompt& prompt, const std::filesystem::path& golden) const {
    const json result = read_json_file(golden / "result.json");
    const std::vector<int32_t> greedy = result["greedy_fp32"];
    const std::vector<double> margins = result["margin_fp32"];
    const Npy rows = read_npy(golden / "logits_fp32.npy");
    const auto vocab = static_cast<size_t>(rows.shape[1]);
    Session session = model.new_session();
    session.prefill(prompt);
    double largest = 0;
    for (size_t row = 0; row < 4; ++row) {
      CAPTURE(row);
      if (row > 0) session.decode(greedy[row - 1]);
      const std::vector<float> want(rows.floats.begin() + static_cast<std::ptrdiff_t>(row * vocab),
                                    rows.floats.begin() + static_cast<std::ptrdiff_t>((row + 1) * vocab));
      const double difference = max_abs_difference(session.logits(), want);
      CAPTURE(difference);
      CHECK(difference < subject_.logit_tolerance);
      largest = std::max(largest, difference);
    }
    GenerationOptions generation;
    generation.max_new_tokens = static_cast<int32_t>(greedy.size());
    generation.ignore_eos = true;
    const Completion completion = model.new_session().generate(prompt, generation, nullptr);
    // Equal up to the first step whose margin is too small to be decided in this precision.
    size_t decided = 0;
    while (decided < greedy.size() && margins[decided] >= 2 * subject_.logit_tolerance) ++decided;
    REQUIRE(completion.ids.size() == greedy.size());
    for (size_t i = 0; i < decided; ++i) CHECK(completion.ids[i] == greedy[i]);
    if (decided == greedy.size()) CHECK(completion.text == result["greedy_text_fp32"].get<std::string>());
    return largest;
  }

  Subject subject_;
  std::filesystem::path cache_;
};

/// Every promise, each as a doctest sub-case; at the end nothing may be left alive.
inline void run_contract(const Subject& subject) {
  const int64_t alive = live_object_count();
  {
    const TempDir cache;
    const Contract contract(subject, cache.path());
    SUBCASE("pixels, features and projected tokens") { contract.stages(); }
    SUBCASE("prompt text, ids, spans, logits and greedy tokens") { contract.prompts(); }
    SUBCASE("a reused prefix changes nothing but the time") { contract.prefix_reuse(); }
    SUBCASE("what other sessions have computed is copied") { contract.prefix_cache(); }
    SUBCASE("sessions of one model in several threads") { contract.threads(); }
    SUBCASE("requests at once are answered as each alone") { contract.together(); }
    SUBCASE("slow readers, and more requests than places") { contract.slow_reader_and_places(); }
    SUBCASE("streaming, stop strings, stop ids, log probabilities, seeds") { contract.streaming_and_stops(); }
    SUBCASE("cancel from another thread") { contract.cancel(); }
    SUBCASE("one call at a time, and no more than the context holds") { contract.busy_and_capacity(); }
    SUBCASE("the image cache") { contract.image_cache(); }
  }
  CHECK(live_object_count() == alive);
}

}  // namespace vila::testing
