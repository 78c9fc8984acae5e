// SPDX-License-Identifier: Apache-2.0
// vila_gpu_probe: the first questions to a GPU, answered with a few decoder layers of a real model's sizes: whether plans can be
// built at all with the libraries that are there, which attention is right and how fast, what 4-bit weights give, what a larger
// cache costs, what a plan without weights costs when it is loaded. Answers are kept as they come, so that what was ended goes
// on.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/mapped_file.h"
#include "graph/builders.h"
#include "graph/names.h"
#include "graph/qdq_weights.h"
#include "plan/device_backend.h"
#include "plan/plan.h"
#include "session/device_precision.h"
#include "session/engine.h"
#include "session/plan_files.h"
#include "session/synthetic.h"

namespace {

namespace fs = std::filesystem;
namespace names = vila::graph::names;
using Clock = std::chrono::steady_clock;
using Record = nlohmann::ordered_json;
using vila::fail;
using vila::join;

constexpr const char* kUsage =
    "usage: vila_gpu_probe --write DIR [--like NAME] [--layers N]\n"
    "       vila_gpu_probe --model DIR --cache-dir DIR --out PREFIX [--precisions P,...] [--variants V,...] [--capacities N,...]\n"
    "                      [--at N,...] [--steps N] QUESTION...\n"
    "  --write DIR        writes a synthetic checkpoint of so many layers (4) of a model (llama3-8b) with 256 tokens into DIR,\n"
    "                     whose weights vila_random_checkpoint fills in\n"
    "  QUESTION           build: does TensorRT build a plan at all; attention: which one is right, and how fast; int4: against\n"
    "                     fp16; bucket: a larger cache while a sequence grows; load: plans with and without weights\n"
    "  --precisions P     of attention: fp16, bf16, fp32 (fp16,bf16)\n"
    "  --variants V       of attention: mask, wide (a mask, in fp32), lengths, plugin (all four)\n"
    "  --capacities N     rows of the cache (512,4096,16384)\n"
    "  --at N             positions before the step that is compared and timed (300,3000)\n"
    "  --steps N          steps that are timed, of which the median is reported (100)\n"
    "  --out PREFIX       writes PREFIX.md and PREFIX.json; answers that PREFIX.json has already are not asked for again\n";

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Arguments {
  std::string write, model, cache_dir, out, like = "llama3-8b";
  std::vector<std::string> questions, precisions{"fp16", "bf16"}, variants{"mask", "wide", "lengths", "plugin"};
  std::vector<int64_t> capacities{512, 4096, 16384}, at{300, 3000};
  int64_t layers = 4, steps = 100;
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::vector<int64_t> numbers(const std::string& option, const std::string& text) {
  std::vector<int64_t> values;
  for (const std::string& part : split(text)) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (error != std::errc() || end != part.data() + part.size() || value < 1 || value > 1 << 20) {
      throw UsageError(option + ": \"" + part + "\", expected whole numbers from 1 to 1048576");
    }
    values.push_back(value);
  }
  return values;
}

void require_known(const std::string& what, const std::vector<std::string>& values, const std::vector<std::string>& known) {
  for (const std::string& value : values) {
    if (std::find(known.begin(), known.end(), value) == known.end()) throw UsageError(what + ": unknown: " + value);
  }
}

Arguments parse(const std::vector<std::string>& words) {
  Arguments a;
  const std::map<std::string, std::function<void(const std::string& option, const std::string& value)>> options = {
      {"--write", [&](auto&, auto& value) { a.write = value; }},
      {"--like", [&](auto&, auto& value) { a.like = value; }},
      {"--layers", [&](auto& option, auto& value) { a.layers = numbers(option, value).front(); }},
      {"--model", [&](auto&, auto& value) { a.model = value; }},
      {"--cache-dir", [&](auto&, auto& value) { a.cache_dir = value; }},
      {"--out", [&](auto&, auto& value) { a.out = value; }},
      {"--precisions", [&](auto&, auto& value) { a.precisions = split(value); }},
      {"--variants", [&](auto&, auto& value) { a.variants = split(value); }},
      {"--capacities", [&](auto& option, auto& value) { a.capacities = numbers(option, value); }},
      {"--at", [&](auto& option, auto& value) { a.at = numbers(option, value); }},
      {"--steps", [&](auto& option, auto& value) { a.steps = numbers(option, value).front(); }}};
  for (size_t i = 0; i < words.size(); ++i) {
    const auto found = options.find(words[i]);
    if (found == options.end()) {
      a.questions.push_back(words[i]);
      continue;
    }
    if (++i == words.size()) throw UsageError(found->first + " needs a value");
    found->second(found->first, words[i]);
  }
  require_known("question", a.questions, {"build", "attention", "int4", "bucket", "load"});
  require_known("--precisions", a.precisions, {"fp16", "bf16", "fp32"});
  require_known("--variants", a.variants, {"mask", "wide", "lengths", "plugin"});
  std::sort(a.at.begin(), a.at.end());
  if (a.write.empty() && (a.model.empty() || a.out.empty() || a.questions.empty())) {
    throw UsageError("--write, or --model, --out and a question are needed");
  }
  return a;
}

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double product = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    product += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  return product / std::sqrt(aa * bb);
}

double worst(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - b[i]);
    if (!(difference <= most)) most = difference;  // NaN too
  }
  return most;
}

/// Attention that is told how many rows of the cache count, instead of a mask over all of them.
void use_lengths(vila::graph::Graph& graph) {
  const std::string one = "probe.one", lengths = "probe.lengths";
  vila::graph::Initializer constant{one, vila::DType::i64, {1}, vila::graph::PackedType::none, std::vector<uint8_t>(8), nullptr};
  constant.inline_data[0] = 1;
  graph.initializers.push_back(std::move(constant));
  for (vila::graph::Node& node : graph.nodes) {
    if (node.op == "Attention") node.inputs = {node.inputs.at(0), node.inputs.at(1), node.inputs.at(2), "", "", "", lengths};
  }
  graph.nodes.insert(graph.nodes.begin(), {"Add", "", "probe.add", {names::kPastLengths, one}, {lengths}, {}});
}

/// The answers so far, as a list of what was asked with what was found.
class Answers {
 public:
  explicit Answers(std::string prefix) : prefix_(std::move(prefix)) {
    std::ifstream in(prefix_ + ".json");
    if (in) records_ = Record::parse(in).at("answers");
  }
  bool has(const Record& asked) const {
    return std::any_of(records_.begin(), records_.end(), [&](const Record& record) { return record.at("asked") == asked; });
  }
  /// Asks unless it was asked before; what goes wrong is an answer, too.
  void ask(const Record& asked, const std::function<Record()>& work) {
    if (has(asked)) return;
    std::cerr << asked.dump() << " ...\n";
    Record record{{"asked", asked}};
    try {
      record["found"] = work();
    } catch (const vila::Error& error) {
      if (error.code() == vila::ErrorCode::not_found) throw;  // a library is missing: nothing can be asked
      record["error"] = error.what();
    }
    std::cerr << record.dump() << '\n';
    records_.push_back(std::move(record));
    save();
  }
  void save() const {
    write(prefix_ + ".json", Record{{"answers", records_}}.dump(2) + "\n");
    write(prefix_ + ".md", table());
  }

 private:
  static void write(const std::string& path, const std::string& text) {
    const std::string fresh = path + ".new";
    {
      std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
      if (!(out << text).flush()) throw std::runtime_error(fresh + ": cannot be written");
    }
    fs::rename(fresh, path);
  }
  static std::string words(const Record& values) {
    std::string text;
    for (const auto& [key, value] : values.items()) {
      text += (text.empty() ? "" : ", ") + key + " ";
      if (value.is_number_float()) {
        char number[32];
        std::snprintf(number, sizeof number, "%.5g", value.get<double>());
        text += number;
      } else {
        text += value.is_string() ? value.get<std::string>() : value.dump();
      }
    }
    return text;
  }
  std::string table() const {
    std::string text = "| asked | found |\n|---|---|\n";
    for (const Record& record : records_) {
      text += "| " + words(record.at("asked")) + " | " +
              (record.contains("error") ? "FAILED: " + record.at("error").get<std::string>() : words(record.at("found"))) + " |\n";
    }
    return text;
  }

  const std::string prefix_;
  Record records_ = Record::array();
};

/// A decode plan and how it was asked for.
struct Variant {
  std::string precision = "fp16", attention = "wide";
  int64_t capacity = 512;
  bool strip = true;
};

class Probe {
 public:
  explicit Probe(const Arguments& arguments)
      : arguments_(arguments),
        checkpoint_(vila::Checkpoint::open(arguments.model)),
        backend_(vila::plan::tensorrt_backend(0)),
        answers_(arguments.out) {
    vila::LoadOptions options;
    options.backend = "onnxruntime";
    options.precision = "fp32";
    options.cache_dir = arguments.cache_dir;
    options_ = options;
  }

  void run() {
    for (const std::string& question : arguments_.questions) {
      if (question == "build") build();
      if (question == "attention") attention();
      if (question == "int4") int4();
      if (question == "bucket") bucket();
      if (question == "load") load();
    }
    answers_.save();
  }

 private:
  const vila::LanguageSpec& language() const { return checkpoint_->spec().language; }
  std::string plain() const { return arguments_.precisions.front(); }

  vila::graph::Graph graph_of(const Variant& variant, const vila::graph::QdqWeights* weights) const {
    vila::graph::BuildOptions build;
    const vila::DevicePrecision precision = vila::parse_device_precision(variant.precision, vila::DType::f16);
    build.dialect = vila::graph::DialectKind::tensorrt;
    build.compute = precision.compute;
    build.tensorrt.phase = vila::graph::DecoderPhase::decode;
    build.tensorrt.capacity = variant.capacity;
    build.tensorrt.wide_attention = variant.attention == "wide";
    build.tensorrt.attention_plugin = variant.attention == "plugin";
    build.tensorrt.weights = weights;
    vila::graph::Graph graph = vila::graph::build_language(*checkpoint_, build);
    if (variant.attention == "lengths") use_lengths(graph);
    return graph;
  }

  /// Layers in 4 bits, in a file of the cache's folder.
  const vila::graph::QdqWeights& int4_weights(vila::DType compute) {
    std::optional<vila::graph::QdqWeights>& weights = int4_[compute];
    if (!weights) {
      vila::PlanFiles files(*checkpoint_, arguments_.cache_dir, nullptr, nullptr);
      const auto layers = vila::graph::qdq_layers(language(), vila::graph::QdqFormat::int4);
      const auto pieces = [&] { return vila::graph::qdq_pieces(layers, checkpoint_->language(), compute); };
      const std::string path = files.weights(join("probe-int4-", name_of(compute)), "int4 weights", pieces).path;
      weights.emplace(fs::canonical(path).string());
    }
    return *weights;
  }

  vila::plan::BuiltPlan built(const Variant& variant, double* seconds = nullptr) {
    const vila::DevicePrecision precision = vila::parse_device_precision(variant.precision, vila::DType::f16);
    const vila::graph::QdqWeights* weights = precision.format ? &int4_weights(precision.compute) : nullptr;
    vila::plan::BuiltPlan plan;
    plan.graph = graph_of(variant, weights);
    plan.label = join("probe-", variant.precision, "-", variant.attention, "-c", variant.capacity);
    vila::plan::BuildRequest request;
    request.label = plan.label;
    request.strip = variant.strip;
    std::vector<vila::plan::InputRange> inputs{fixed(names::kInputsEmbeds, {1, 1, language().hidden}),
                                               fixed(names::kPastLengths, {1})};
    const std::vector<int64_t> rows{1, language().kv_heads, variant.capacity, language().head_dim};
    for (int64_t layer = 0; layer < language().layers; ++layer) {
      inputs.push_back(fixed(names::past_key(layer), rows));
      inputs.push_back(fixed(names::past_value(layer), rows));
    }
    request.ranges = {std::move(inputs)};
    const auto start = Clock::now();
    plan.bytes = backend_->build(plan.graph, request);
    if (seconds != nullptr) *seconds = seconds_since(start);
    return plan;
  }
  static vila::plan::InputRange fixed(const std::string& name, const std::vector<int64_t>& shape) {
    return {name, shape, shape, shape};
  }

  /// A decoder whose plans take single positions.
  std::unique_ptr<vila::plan::Decoder> decoder(const std::string& precision, const std::vector<int64_t>& capacities,
                                               std::function<vila::plan::BuiltPlan(int64_t)> plan_of) const {
    const vila::DType compute = vila::parse_device_precision(precision, vila::DType::f16).compute;
    const vila::LanguageSpec& l = language();
    const vila::plan::DecoderSizes sizes{l.layers, l.kv_heads, l.head_dim, l.hidden, l.vocab, compute, capacities, {1}, 1};
    const vila::EmbeddingTable table(*checkpoint_);
    auto resident = backend_->load_table({table.tensor().data(), table.tensor().dtype, l.vocab, l.hidden}, compute);
    return backend_->make_decoder(sizes, std::move(resident), [plan_of = std::move(plan_of)](int64_t capacity) {
      vila::plan::BuiltPlan plan = plan_of(capacity);
      return vila::plan::BucketPlans{plan, std::make_unique<vila::plan::BuiltPlan>(plan)};
    });
  }

  int32_t id_at(int64_t position) const { return static_cast<int32_t>(position * 37 % language().vocab); }

  void step(vila::plan::Decoder& decoder, vila::plan::SequenceCache& cache, int64_t position, float* logits) {
    cache.reserve(position + 1, position);
    const int32_t id = id_at(position);
    decoder.run({{&cache, position, &id, nullptr, logits, nullptr}}, 1, nullptr);
  }

  /// Logits of the CPU in float32 at a position.
  const std::vector<float>& reference(int64_t position) {
    if (const auto found = references_.find(position); found != references_.end()) return found->second;
    if (!cpu_) cpu_ = vila::make_plans(*checkpoint_, *vila::plan::onnxruntime_backend(), options_, nullptr, nullptr);
    const int64_t count = position + 1;
    std::vector<float> logits(static_cast<size_t>(language().vocab));
    std::vector<int32_t> ids;
    for (int64_t i = 0; i < count; ++i) ids.push_back(id_at(i));
    const auto cache = cpu_->decoder->new_cache(count);
    cache->reserve(count, 0);
    for (int64_t at = 0; at < count;) {
      const int64_t size = std::min(cpu_->decoder->chunk(), count - at);
      cpu_->decoder->run({{cache.get(), at, ids.data() + at, nullptr, logits.data(), nullptr}}, size, nullptr);
      at += size;
    }
    return references_[position] = logits;
  }

  /// Compares and times steps at the positions that a cache of this capacity has.
  Record steps(vila::plan::Decoder& decoder, int64_t capacity) {
    const auto cache = decoder.new_cache(capacity);
    std::vector<float> logits(static_cast<size_t>(language().vocab));
    Record found = Record::object();
    int64_t position = 0;
    for (const int64_t at : arguments_.at) {
      if (at >= capacity) continue;
      for (; position < at; ++position) step(decoder, *cache, position, nullptr);
      step(decoder, *cache, at, logits.data());
      const std::vector<float>& wanted = reference(at);
      const std::string where = "at_" + std::to_string(at);
      found[where + "_cosine"] = cosine(logits, wanted);
      found[where + "_max_error"] = worst(logits, wanted);
      std::vector<double> times;
      for (int64_t i = 0; i < arguments_.steps + 5; ++i) {
        const auto start = Clock::now();
        step(decoder, *cache, at, nullptr);  // the same row again
        if (i >= 5) times.push_back(1e6 * seconds_since(start));
      }
      found[where + "_us"] = median(times);
    }
    return found;
  }

  /// Builds, compares and times one plan.
  Record measure(const Variant& variant) {
    double seconds = 0;
    const vila::plan::BuiltPlan plan = built(variant, &seconds);
    Record found{{"build_s", seconds}, {"plan_mb", static_cast<double>(plan.bytes.size()) / 1e6}};
    const auto made = decoder(variant.precision, {variant.capacity}, [&plan](int64_t) { return plan; });
    found.update(steps(*made, variant.capacity));
    return found;
  }

  Record asked(const char* question, const Variant& variant) const {
    return {{"question", question},
            {"precision", variant.precision},
            {"attention", variant.attention},
            {"capacity", variant.capacity},
            {"layers", language().layers}};
  }

  void build() {
    const Variant variant{plain(), "mask", arguments_.capacities.front()};
    Record question = asked("build", variant);
    question["tensorrt"] = vila::tensorrt_path();
    answers_.ask(question, [&] { return measure(variant); });
  }

  void attention() {
    for (const int64_t capacity : arguments_.capacities) {
      for (const std::string& precision : arguments_.precisions) {
        for (const std::string& attention : arguments_.variants) {
          const Variant variant{precision, attention, capacity};
          answers_.ask(asked("attention", variant), [&] { return measure(variant); });
        }
      }
    }
  }

  void int4() {
    for (const std::string& precision : {plain(), std::string("int4")}) {
      const Variant variant{precision, "mask", arguments_.capacities.front()};
      answers_.ask(asked("int4", variant), [&] {
        Record found = measure(variant);
        found["block_weights_mb"] = block_bytes(precision == "int4" ? 4.25 : precision == "fp32" ? 32 : 16) / 1e6;
        return found;
      });
    }
  }

  double block_bytes(double bits) const {
    double numbers = 0;
    for (const vila::graph::QdqLayer& layer : vila::graph::qdq_layers(language(), vila::graph::QdqFormat::int8)) {
      numbers += static_cast<double>(layer.out) * static_cast<double>(layer.in);
    }
    return numbers * bits / 8;
  }

  /// A sequence that outgrows the first capacity: the step that pays for it when the next plans are loaded already, and one before.
  void bucket() {
    if (arguments_.capacities.size() < 2) return;
    const int64_t small = arguments_.capacities[0], large = arguments_.capacities[1];
    Variant variant{plain(), "mask", small};
    Record question = asked("bucket", variant);
    question["next"] = large;
    answers_.ask(question, [&] {
      const vila::plan::BuiltPlan first = built(variant);
      variant.capacity = large;
      const vila::plan::BuiltPlan second = built(variant);
      const auto plan_of = [&](int64_t capacity) { return capacity == small ? first : second; };
      const auto made = decoder(variant.precision, {small, large}, plan_of);
      Record found = Record::object();
      for (const char* time : {"first", "again"}) {
        const auto cache = made->new_cache(large);
        std::vector<double> before;
        double crossing = 0, behind = 0;
        for (int64_t position = 0; position < small + 2; ++position) {
          const auto start = Clock::now();
          step(*made, *cache, position, nullptr);
          const double us = 1e6 * seconds_since(start);
          if (position < small) {
            before.push_back(us);
          } else {
            (position == small ? crossing : behind) = us;
          }
        }
        found[join(time, "_before_us")] = median(before);
        found[join(time, "_crossing_us")] = crossing;
        found[join(time, "_behind_us")] = behind;
      }
      return found;
    });
  }

  void load() {
    for (const bool strip : {true, false}) {
      Variant variant{plain(), "mask", arguments_.capacities.front()};
      variant.strip = strip;
      Record question = asked("load", variant);
      question["weights"] = strip ? "from the checkpoint" : "in the plan";
      answers_.ask(question, [&] {
        double seconds = 0;
        const vila::plan::BuiltPlan plan = built(variant, &seconds);
        Record found{{"build_s", seconds}, {"plan_mb", static_cast<double>(plan.bytes.size()) / 1e6}};
        const auto made = decoder(variant.precision, {variant.capacity}, [&plan](int64_t) { return plan; });
        const auto cache = made->new_cache(variant.capacity);
        const auto start = Clock::now();
        step(*made, *cache, 0, nullptr);
        found["load_two_engines_s"] = seconds_since(start);  // a decoder's two plans are this one here
        return found;
      });
    }
  }

  const Arguments arguments_;
  const std::shared_ptr<const vila::Checkpoint> checkpoint_;
  const std::shared_ptr<vila::plan::DeviceBackend> backend_;
  Answers answers_;
  vila::LoadOptions options_;
  std::optional<vila::Plans> cpu_;
  std::map<int64_t, std::vector<float>> references_;
  std::map<vila::DType, std::optional<vila::graph::QdqWeights>> int4_;
};

void write_layers(const Arguments& arguments) {
  vila::SyntheticModel model = vila::synthetic_model(arguments.like);
  model.language["num_hidden_layers"] = arguments.layers;
  model.language["vocab_size"] = 256;
  model.language["max_position_embeddings"] = 32768;
  model.tower["num_hidden_layers"] = 2;
  vila::write_synthetic(model, arguments.write);
}

/// The engine's warnings and errors, to stderr.
struct Warnings final : vila::LogListener {
  void on_log(vila::LogLevel, const std::string& message) override { std::fprintf(stderr, "%s\n", message.c_str()); }
};

}  // namespace

int main(int count, char** words) {
  static Warnings warnings;
  vila::set_log_listener(&warnings, vila::LogLevel::warn);
  int status = 0;
  try {
    const Arguments arguments = parse({words + 1, words + count});
    arguments.write.empty() ? Probe(arguments).run() : write_layers(arguments);
  } catch (const UsageError& error) {
    std::cerr << "vila_gpu_probe: " << error.what() << '\n' << kUsage;
    status = 2;
  } catch (const std::exception& error) {
    std::cerr << "vila_gpu_probe: " << error.what() << '\n';
    status = 1;
  }
  vila::set_log_listener(nullptr, vila::LogLevel::warn);
  return status;
}
