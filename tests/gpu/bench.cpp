// SPDX-License-Identifier: Apache-2.0
// vila_gpu_bench: what a model costs on a backend, through the public API alone: plans, loading, images, prefill, decoding, first
// tokens, requests at once, and what it costs to outgrow a cache, beside what the GPU's memory gives. Writes a table (Markdown) and
// its numbers (JSON). Made for the backend tensorrt; it runs on onnxruntime too, which is how it is tested.
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "copy_bandwidth.h"
#include "vila/vila.h"

namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

constexpr const char* kUsage =
    "usage: vila_gpu_bench --model DIR [--backend NAME] [--precision P] [--cache-dir DIR] [--context N] [--runs N] [--tokens N]\n"
    "                      [--prefill N,...] [--decode-at N,...] [--requests N,...] [--buckets N,...] [--title TEXT]\n"
    "                      [--matrix-peak N] [--out PREFIX]\n"
    "       vila_gpu_bench --doctor\n"
    "  --runs N          runs of each figure behind one to warm up (5); figures are medians\n"
    "  --tokens N        tokens to decode in a run (64)\n"
    "  --prefill N,...   prompts of so many positions (256,1024,4096)\n"
    "  --decode-at N,... decoding behind so many positions (300,2000)\n"
    "  --requests N,...  requests that decode at once, behind each of these, too (1,4,16,64)\n"
    "  --buckets N,...   capacities of a cache that a request outgrows while it decodes (512,1024,2048)\n"
    "  --matrix-peak N   bf16 products that this GPU was measured to give, in TFLOP/s: prefill's share of it is printed\n"
    "  --out PREFIX      writes PREFIX.md and PREFIX.json; else the table goes to stdout\n"
    "Lengths that the context does not hold are left out, which the table says.\n";

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Arguments {
  std::string model, title, out;
  vila::LoadOptions load;
  int runs = 5, tokens = 64;
  std::vector<int> prefill{256, 1024, 4096}, decode_at{300, 2000}, requests{1, 4, 16, 64}, buckets{512, 1024, 2048};
  int matrix_peak = 0;
  bool doctor = false;
};

int number(const std::string& option, const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > 1 << 20) {
    throw UsageError(option + ": \"" + text + "\", expected a whole number from 1 to 1048576");
  }
  return value;
}

std::vector<int> numbers(const std::string& option, const std::string& text) {
  std::vector<int> values;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    values.push_back(number(option, text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return values;
}

Arguments parse(const std::vector<std::string>& words) {
  Arguments arguments;
  const std::map<std::string, std::function<void(const std::string& option, const std::string& value)>> options = {
      {"--model", [&](auto&, auto& value) { arguments.model = value; }},
      {"--title", [&](auto&, auto& value) { arguments.title = value; }},
      {"--out", [&](auto&, auto& value) { arguments.out = value; }},
      {"--backend", [&](auto&, auto& value) { arguments.load.backend = value; }},
      {"--precision", [&](auto&, auto& value) { arguments.load.precision = value; }},
      {"--cache-dir", [&](auto&, auto& value) { arguments.load.cache_dir = value; }},
      {"--context", [&](auto& option, auto& value) { arguments.load.context_length = number(option, value); }},
      {"--runs", [&](auto& option, auto& value) { arguments.runs = number(option, value); }},
      {"--tokens", [&](auto& option, auto& value) { arguments.tokens = number(option, value); }},
      {"--prefill", [&](auto& option, auto& value) { arguments.prefill = numbers(option, value); }},
      {"--decode-at", [&](auto& option, auto& value) { arguments.decode_at = numbers(option, value); }},
      {"--requests", [&](auto& option, auto& value) { arguments.requests = numbers(option, value); }},
      {"--matrix-peak", [&](auto& option, auto& value) { arguments.matrix_peak = number(option, value); }},
      {"--buckets", [&](auto& option, auto& value) { arguments.buckets = numbers(option, value); }}};
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--doctor") {
      arguments.doctor = true;
      continue;
    }
    const auto found = options.find(words[i]);
    if (found == options.end()) throw UsageError("unknown argument: " + words[i]);
    if (++i == words.size()) throw UsageError(found->first + " needs a value");
    found->second(found->first, words[i]);
  }
  if (!arguments.doctor && arguments.model.empty()) throw UsageError("--model is needed");
  arguments.load.max_requests = std::max(1, *std::max_element(arguments.requests.begin(), arguments.requests.end()));
  return arguments;
}

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

template <typename Work>
double seconds_of(Work&& work) {
  const auto start = Clock::now();
  work();
  return seconds_since(start);
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// When each token of an answer came.
struct TokenTimes final : vila::TokenListener {
  bool on_token(int32_t id, const std::string&) override {
    if (id >= 0) times.push_back(Clock::now());
    return true;
  }
  /// Milliseconds from token to token.
  std::vector<double> steps() const {
    std::vector<double> steps;
    for (size_t i = 1; i < times.size(); ++i) {
      steps.push_back(std::chrono::duration<double, std::milli>(times[i] - times[i - 1]).count());
    }
    return steps;
  }
  std::vector<Clock::time_point> times;
};

/// Tokens a second of all together while every one of them decodes; over the whole time where there is no such while.
double rate_together(const std::vector<TokenTimes>& requests) {
  auto begin = requests.front().times.front(), end = requests.front().times.back();
  auto first = begin, last = end;
  for (const TokenTimes& request : requests) {
    begin = std::max(begin, request.times.front());
    end = std::min(end, request.times.back());
    first = std::min(first, request.times.front());
    last = std::max(last, request.times.back());
  }
  if (end <= begin) {
    begin = first;
    end = last;
  }
  size_t tokens = 0;
  for (const TokenTimes& request : requests) {
    tokens += static_cast<size_t>(std::count_if(request.times.begin(), request.times.end(),
                                                [&](const auto& time) { return time > begin && time <= end; }));
  }
  return static_cast<double>(tokens) / std::max(std::chrono::duration<double>(end - begin).count(), 1e-9);
}

/// A picture that differs from those of other numbers, so that no cache knows it.
vila::Image picture(int number) {
  constexpr int kSide = 384;
  std::vector<uint8_t> rgb(size_t{kSide} * kSide * 3);
  for (size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<uint8_t>(i * 7 / 3 + i / 1152);
  rgb[0] = static_cast<uint8_t>(number);
  rgb[1] = static_cast<uint8_t>(number >> 8);
  return vila::Image::from_rgb(rgb.data(), rgb.size(), kSide, kSide);
}

vila::Prompt prompt_of(const std::string& text, const std::vector<vila::Image>& images) {
  vila::Prompt prompt;
  prompt.begin_turn(vila::Role::user);
  for (const vila::Image& image : images) prompt.add_image(image);
  prompt.add_text(text);
  return prompt;
}

vila::GenerationOptions options(int tokens, bool reuse) {
  vila::GenerationOptions options;
  options.max_new_tokens = tokens;
  options.ignore_eos = true;
  options.reuse_prefix = reuse;
  return options;
}

class Bench {
 public:
  explicit Bench(const Arguments& arguments) : arguments_(arguments) {}

  void run() {
    auto start = Clock::now();
    const std::vector<std::string> plans = vila::Model::compile(arguments_.model, arguments_.load, nullptr);
    const double build = seconds_since(start);
    if (arguments_.load.backend == "tensorrt") copy_bandwidth_ = copy_bytes_per_second();
    start = Clock::now();
    const vila::Model model = vila::Model::load(arguments_.model, arguments_.load, nullptr);
    const double load = seconds_since(start);
    model_ = &model;
    info_ = model.info();
    figures_["backend"] = info_.backend;
    figures_["precision"] = info_.precision;
    figures_["language_model"] = info_.language_model;
    figures_["context"] = info_.context_length;
    figures_["runs"] = arguments_.runs;
    figures_["plans"] = plans;
    const auto there = std::count_if(plans.begin(), plans.end(), [](const auto& line) { return line.ends_with("already there"); });
    row("plans: " + std::to_string(plans.size()) + " files, " + std::to_string(there) + " of them there already", "build_seconds",
        build, "s");
    row("loading, with plans in the cache", "load_seconds", load, "s");
    if (copy_bandwidth_) {
      row("copies within the GPU's memory, read and written", "copy_gb_per_second", 1e-9 * *copy_bandwidth_, "GB/s");
    }
    vila::Session session = model.new_session();
    session.generate(text('a', 10), options(1, false), nullptr);
    row("loading to the first token", "load_to_first_token_seconds", seconds_since(start), "s");
    images();
    prefill(session);
    decoding(session);
    first_tokens(session);
    together();
    for (const int capacity : arguments_.buckets) outgrow(capacity);
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    row("most memory of the host", "peak_rss_gib", static_cast<double>(usage.ru_maxrss) / (1 << 20), "GiB");
  }

  std::string table() const {
    std::string text = "### " + (arguments_.title.empty() ? info_.language_model : arguments_.title) + "\n\n" + info_.backend +
                       ", " + info_.precision + ", context " + std::to_string(info_.context_length) + "; medians of " +
                       std::to_string(arguments_.runs) + " runs\n\n| | |\n|---|---|\n" + rows_;
    for (const std::string& line : left_out_) text += "\nLeft out: " + line + "\n";
    return text;
  }

  std::string json() const { return figures_.dump(2) + "\n"; }

 private:
  void row(const std::string& what, const std::string& key, double value, const std::string& unit) {
    char number[32];
    std::snprintf(number, sizeof number, value < 1000 ? "%.4g" : "%.0f", value);
    figures_[key] = value;
    rows_ += "| " + what + " | " + number + " " + unit + " |\n";
    std::cerr << what << ": " << number << ' ' << unit << '\n';
  }

  /// Whether the context holds so many positions; else it is noted.
  bool fits(const std::string& what, int positions) {
    if (positions <= info_.context_length) return true;
    left_out_.push_back(what + ": needs " + std::to_string(positions) + " positions, the context has " +
                        std::to_string(info_.context_length));
    return false;
  }

  /// Medians over the runs, the first left out.
  template <typename Work>
  double runs(Work&& work) {
    std::vector<double> values;
    for (int run = 0; run <= arguments_.runs; ++run) values.push_back(work(run));
    values.erase(values.begin());
    return median(values);
  }

  int positions(const vila::Prompt& prompt) const { return model_->tokenize(prompt).sequence_length; }

  /// The shortest prompt of this kind with at least so many positions, or the shortest there is.
  vila::Prompt text(char letter, int at_least, const std::vector<vila::Image>& images = {}) const {
    const auto make = [&](int letters) {
      std::string words;
      for (int i = 0; i < letters; ++i) words += i % 2 == 0 ? letter : ' ';
      return prompt_of(words, images);
    };
    int low = 1, high = 1;
    while (positions(make(high)) < at_least) {
      low = high;
      high *= 2;
    }
    while (low < high) {
      const int middle = (low + high) / 2;
      positions(make(middle)) < at_least ? low = middle + 1 : high = middle;
    }
    return make(high);
  }

  void images() {
    const double time = runs([&](int run) { return seconds_of([&] { model_->encode_image(picture(run)); }); });
    row("an image (" + std::to_string(info_.tokens_per_image) + " tokens)", "image_ms", 1e3 * time, "ms");
  }

  void prefill(vila::Session& session) {
    for (const int length : arguments_.prefill) {
      if (!fits("prefill of " + std::to_string(length), length + 1)) continue;
      const vila::Prompt prompt = text('a', length);
      const int exact = positions(prompt);
      const double time = runs([&](int) { return session.generate(prompt, options(1, false), nullptr).prefill_seconds; });
      const std::string key = "prefill_" + std::to_string(length);
      row("prefill of " + std::to_string(exact) + " positions", key + "_ms", 1e3 * time, "ms");
      const double rate = exact / std::max(time, 1e-9);
      row("… positions a second", key + "_per_second", rate, "/s");
      // Two operations for each multiply-accumulate of the blocks' linear layers; attention is not counted.
      const double products = 2e-12 * rate * static_cast<double>(info_.block_parameters);
      row("… of the linear layers", key + "_tflops", products, "TFLOP/s");
      if (arguments_.matrix_peak > 0) {
        row("… of the matrix peak", key + "_matrix_share", 100 * products / arguments_.matrix_peak, "%");
      }
    }
  }

  void decoding(vila::Session& session) {
    for (const int length : arguments_.decode_at) {
      if (!fits("decoding behind " + std::to_string(length), length + arguments_.tokens + 1)) continue;
      const vila::Prompt prompt = text('a', length);
      const double step = runs([&](int) {
        TokenTimes times;
        session.generate(prompt, options(arguments_.tokens + 1, false), &times);
        return median(times.steps());
      });
      const std::string key = "decode_at_" + std::to_string(length);
      row("decoding behind " + std::to_string(positions(prompt)) + " positions, a token", key + "_ms", step, "ms");
      bandwidth_share(key, 1, length + arguments_.tokens / 2, 1e-3 * step);
    }
  }

  void first_tokens(vila::Session& session) {
    constexpr int kQuestion = 45;
    const int length = info_.tokens_per_image + kQuestion;
    if (!fits("first tokens of a turn with an image", length + 1)) return;
    std::map<std::string, std::vector<double>> times;
    for (int run = 0; run <= arguments_.runs; ++run) {
      const std::vector<vila::Image> image{picture(1000 + run)};
      const vila::Prompt turn = text('a', length, image), another = text('b', length, image);
      const auto measure = [&](const std::string& key, const vila::Prompt& prompt, bool reuse) {
        const double time = seconds_of([&] { session.generate(prompt, options(1, reuse), nullptr); });
        if (run > 0) times[key].push_back(1e3 * time);
      };
      measure("first_token_ms", turn, false);
      measure("first_token_cached_image_ms", turn, false);
      measure("first_token_second_turn_ms", another, true);
    }
    const auto report = [&](const std::string& what, const std::string& key) { row(what, key, median(times[key]), "ms"); };
    report("first token: an image and " + std::to_string(kQuestion) + " tokens", "first_token_ms");
    report("… with the image's tokens cached", "first_token_cached_image_ms");
    report("… another question about it, prefix cached", "first_token_second_turn_ms");
  }

  /// The share of the copies' bandwidth at which a step reads what it must: the linear layers and the keys and values.
  void bandwidth_share(const std::string& key, int requests, int positions, double seconds) {
    if (!copy_bandwidth_) return;
    const std::string& precision = info_.precision;
    const bool bytes = precision.starts_with("fp8") || precision.starts_with("int8");
    // Blocks of 128 weights of 4 bits share a scale of 16; the head keeps 16 bits.
    const double wide = precision.starts_with("fp32") ? 4 : 2;
    const double weight = precision.starts_with("int4") ? 0.5 + 2.0 / 128 : bytes ? 1 : wide;
    const double read = weight * static_cast<double>(info_.block_parameters) + wide * info_.vocab_size * info_.hidden_size +
                        static_cast<double>(info_.kv_bytes_per_token) * requests * positions;
    row("… of the copies' bandwidth", key + "_bandwidth_share", 100 * read / std::max(seconds, 1e-9) / *copy_bandwidth_, "%");
  }

  void together() {
    for (const int length : arguments_.decode_at) {
      if (fits("requests at once behind " + std::to_string(length), length + arguments_.tokens + 1)) together(length);
    }
  }

  void together(int length) {
    const vila::Prompt prompt = text('a', length);
    std::vector<vila::Session> sessions;
    double one = 0;
    for (const int count : arguments_.requests) {
      while (static_cast<int>(sessions.size()) < count) sessions.push_back(model_->new_session());
      const double rate = runs([&](int) {
        std::vector<TokenTimes> times(static_cast<size_t>(count));
        std::vector<std::exception_ptr> errors(times.size());
        std::vector<std::thread> threads;
        for (size_t i = 0; i < times.size(); ++i) {
          threads.emplace_back([&, i] {
            try {
              sessions[i].generate(prompt, options(arguments_.tokens + 1, true), &times[i]);
            } catch (...) {
              errors[i] = std::current_exception();
            }
          });
        }
        for (std::thread& thread : threads) thread.join();
        for (const std::exception_ptr& error : errors) {
          if (error) std::rethrow_exception(error);
        }
        return rate_together(times);
      });
      if (one == 0) one = rate / count;
      const std::string key = "requests_" + std::to_string(count) + "_at_" + std::to_string(length);
      row(std::to_string(count) + (count == 1 ? " request" : " requests at once") + " behind " + std::to_string(length) +
              " positions, tokens a second",
          key + "_per_second", rate, "/s");
      const double step = count / std::max(rate, 1e-9);
      row("… a token of each", key + "_ms", 1e3 * step, "ms");
      bandwidth_share(key, count, length + arguments_.tokens / 2, step);
      if (count > 1) row("… of one's", key + "_ratio", rate / one, "x");
    }
  }

  /// A request whose cache is outgrown while it decodes: a step before and behind that, and the step that pays for it, the first
  /// time (plans are loaded) and the next.
  void outgrow(int capacity) {
    constexpr int kBefore = 8, kSteps = 24;
    const std::string name = std::to_string(capacity);
    if (!fits("outgrowing a cache of " + name, capacity + kSteps)) return;
    const vila::Prompt prompt = text('a', capacity - kBefore);
    const int length = positions(prompt);
    if (length >= capacity) return left_out_.push_back("outgrowing a cache of " + name + ": the shortest prompt is longer");
    const auto crossing = static_cast<size_t>(capacity - length);
    for (const bool first : {true, false}) {
      vila::Session session = model_->new_session();
      TokenTimes times;
      session.generate(prompt, options(kSteps, false), &times);
      const std::vector<double> steps = times.steps();
      const auto longest = std::max_element(steps.begin(), steps.end());
      row("outgrowing a cache of " + name + (first ? ", first time" : ", again") + ": the longest step",
          "bucket_" + name + (first ? "_first_ms" : "_again_ms"), longest == steps.end() ? 0 : *longest, "ms");
      if (first || crossing + 2 >= steps.size()) continue;
      const auto middle = steps.begin() + static_cast<std::ptrdiff_t>(crossing);
      row("… a step before", "bucket_" + name + "_before_ms", median({steps.begin(), middle - 1}), "ms");
      row("… a step behind", "bucket_" + name + "_behind_ms", median({middle + 2, steps.end()}), "ms");
    }
  }

  const Arguments arguments_;
  const vila::Model* model_ = nullptr;
  vila::ModelInfo info_;
  Json figures_ = Json::object();
  std::string rows_;
  std::vector<std::string> left_out_;
  std::optional<double> copy_bandwidth_;
};

void write(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  if (!(out << text).flush()) throw std::runtime_error(path + ": cannot be written");
}

/// The engine's warnings and errors, to stderr.
struct Warnings final : vila::LogListener {
  void on_log(vila::LogLevel, const std::string& message) override { std::fprintf(stderr, "%s\n", message.c_str()); }
};

int doctor() {
  for (const vila::Check& check : vila::doctor()) {
    std::cout << (check.ok ? "ok      " : check.required ? "MISSING " : "absent  ") << check.name << ": " << check.detail << '\n';
  }
  return 0;
}

}  // namespace

int main(int count, char** words) {
  static Warnings warnings;
  vila::set_log_listener(&warnings, vila::LogLevel::warn);
  int status = 0;
  try {
    const Arguments arguments = parse({words + 1, words + count});
    if (arguments.doctor) {
      status = doctor();
    } else {
      Bench bench(arguments);
      bench.run();
      if (arguments.out.empty()) {
        std::cout << bench.table();
      } else {
        write(arguments.out + ".md", bench.table());
        write(arguments.out + ".json", bench.json());
      }
    }
  } catch (const UsageError& error) {
    std::cerr << "vila_gpu_bench: " << error.what() << '\n' << kUsage;
    status = 2;
  } catch (const std::exception& error) {
    std::cerr << "vila_gpu_bench: " << error.what() << '\n';
    status = 1;
  }
  vila::set_log_listener(nullptr, vila::LogLevel::warn);
  return status;
}
