// SPDX-License-Identifier: Apache-2.0
// A session on the TensorRT backend without a GPU: the contract, what is kept in the cache, and what is not.
#include <dlfcn.h>

#include <filesystem>
#include <latch>
#include <set>
#include <sstream>
#include <thread>

#include "common/mapped_file.h"
#include "plan/environment.h"
#include "plan/tensorrt/cuda_library.h"
#include "session/contract.h"
#include "session/device_plans.h"
#include "session/device_precision.h"
#include "tensorrt/emulated_library.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
namespace fs = std::filesystem;

namespace {

const std::string kModel = (data("cases/vila10-clip-linear") / "model").string();

LoadOptions options(const TempDir& cache) {
  LoadOptions options;
  options.backend = "tensorrt";
  options.precision = "fp32";
  options.cache_dir = cache.path().string();
  return options;
}

/// Names of the cache's plans, without the fingerprints.
std::set<std::string> plans(const TempDir& cache) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(cache.path())) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".plan")) names.insert(name.substr(0, name.rfind('-')));
  }
  return names;
}

/// The device of the library that the backend has opened.
const EmulatedDevice& device() {
  void* library = dlopen(std::getenv("VILA_CUDA"), RTLD_NOW | RTLD_NOLOAD);
  REQUIRE(library != nullptr);
  auto* found = reinterpret_cast<decltype(&vila_cuda_emulated_device)>(dlsym(library, "vila_cuda_emulated_device"));
  REQUIRE((found != nullptr));
  return *found();
}

/// Stops at a stage.
struct Stop final : ProgressListener {
  explicit Stop(std::string stage) : at(std::move(stage)) {}
  bool on_progress(const std::string& stage, double) override { return stage != at; }
  const std::string at;
};

}  // namespace

TEST_CASE("a device that is not there is refused, with those that are") {
  const TempDir cache;
  LoadOptions wrong = options(cache);
  const auto error = [&] { return error_of([&] { Model::load(kModel, wrong, nullptr); }); };
  wrong.device = 3;
  CHECK(error() == "1:device 3: found 1 device, expected 0 (CUDA_VISIBLE_DEVICES hides those that it does not name)");
  const Variable devices("EMULATED_DEVICES", "2");
  CHECK(error() == "1:device 3: found 2 devices, expected 0 to 1 (CUDA_VISIBLE_DEVICES hides those that it does not name)");
  wrong.device = -1;
  CHECK(error() == "1:device: -1, expected 0 or more");
  wrong.backend = "onnxruntime";
  wrong.device = 1;
  CHECK(error() == "1:device: 1, expected 0: only the backend tensorrt chooses among devices");
}

// Every call from whichever thread has to choose its device: work on another's stream is an error of the emulator.
TEST_CASE("TensorRT on the second of two emulated devices, fp32: the contract; nothing is on the first, and nobody's device changes") {
  const Variable devices("EMULATED_DEVICES", "2");
  Subject subject{"tensorrt", "fp32"};
  subject.device = 1;
  run_contract(subject);
  CHECK(device().current() == 0);
  CHECK(device().bytes_in_use(0) == 0);
  CHECK(device().bytes_in_use(1) == 0);  // and all that was there has gone
}

TEST_CASE("a device of its own: plans are named for it, pixels are read on it, and a thread keeps the device that it has chosen") {
  const TempDir cache;
  const Variable devices("EMULATED_DEVICES", "2");
  LoadOptions second = options(cache);
  second.device = 1;
  second.context_length = 512;
  const Model model = Model::load(kModel, second, nullptr);
  for (const std::string& name : plans(cache)) CHECK(name.ends_with("-tensorrt11-2-1-sm01"));
  device().select(1);
  const Image host = test_image("photo.png");
  void* memory = device().allocate(host.rgb_size());
  void* stream = device().slow_stream();
  device().copy(memory, host.rgb(), host.rgb_size(), stream);
  const Image image = Image::from_device(memory, host.width(), host.height(), int64_t{3} * host.width(), stream, "");
  CHECK(model.encode_image(image).projected == model.encode_image(host).projected);
  CHECK(device().current() == 1);
  device().select(0);
  CHECK(model.encode_image(image).projected == model.encode_image(host).projected);
  CHECK(device().current() == 0);

  const Model first = Model::load(kModel, options(cache), nullptr);
  const std::string error = error_of([&] { first.encode_image(image); });
  CHECK(error.starts_with("1:image begins at 0x"));
  CHECK(error.ends_with(", which is memory of device 1, expected device 0"));
  device().destroy_stream(stream);
  device().release(memory);
}

TEST_CASE("a synthetic checkpoint has no weights for the backend tensorrt: the error names what to use") {
  const TempDir cache;
  const std::string folder = synthetic_checkpoint("vila1.5-3b", cache.path().string());
  CHECK(error_of([&] { Model::load(folder, options(cache), nullptr); }) ==
        "5:" + folder + ": a synthetic checkpoint has no weights for the backend tensorrt; vila_random_checkpoint (tests/gpu) writes "
        "one of these sizes with random weights");
}

TEST_CASE("TensorRT on the emulated device: requests at once share their steps, and each gets the ids that it gets alone") {
  const TempDir cache, other;
  const Model model = Model::load(kModel, options(cache), nullptr);
  constexpr size_t kRequests = 6;
  std::vector<GenerationOptions> generation(kRequests);
  std::vector<Prompt> prompts(kRequests);
  std::vector<Completion> alone(kRequests), joined(kRequests);
  for (size_t i = 0; i < kRequests; ++i) {
    generation[i].ignore_eos = true;
    generation[i].max_new_tokens = 20 + static_cast<int32_t>(i) * 3;
    generation[i].temperature = i % 2 == 0 ? 0.0F : 0.9F;
    generation[i].top_k = i == 3 ? 20 : 0;
    generation[i].top_p = i == 5 ? 0.9F : 1.0F;
    generation[i].repetition_penalty = i < 2 ? 1.2F : 1.0F;
    generation[i].seed = static_cast<int64_t>(i);
    prompts[i].begin_turn(Role::user).add_text(std::string(1 + 40 * i, static_cast<char>('a' + i)));
    alone[i] = model.new_session().generate(prompts[i], generation[i], nullptr);
  }
  const Variable runs("EMULATED_RUNS", (other / "runs").string());
  struct Begun : TokenListener {
    std::latch* latch = nullptr;
    bool first = true;
    bool on_token(int32_t, const std::string&) override {
      if (std::exchange(first, false)) latch->arrive_and_wait();
      return true;
    }
  };
  std::latch latch(kRequests);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kRequests; ++i) {
    threads.emplace_back([&, i] {
      Begun listener;
      listener.latch = &latch;
      joined[i] = model.new_session().generate(prompts[i], generation[i], &listener);
    });
  }
  for (std::thread& thread : threads) thread.join();
  int32_t tokens = 0;
  for (size_t i = 0; i < kRequests; ++i) {
    CAPTURE(i);
    CHECK(joined[i].ids == alone[i].ids);
    tokens += joined[i].completion_tokens;
  }
  std::istringstream lines(read_file((other / "runs").string(), 1 << 20));
  int32_t steps = 0, shared = 0;
  for (std::string label, batch; lines >> label >> batch;) {
    if (!label.starts_with("decode")) continue;
    ++steps;
    shared += batch != "1" ? 1 : 0;
  }
  MESSAGE(tokens << " tokens in " << steps << " steps, " << shared << " of them shared");
  CHECK(shared > 0);
  CHECK(steps < tokens / 2);
}

TEST_CASE("TensorRT's plans: names, found again, damaged ones built again") {
  const TempDir cache, other;
  const Variable builds("EMULATED_BUILDS", (other / "builds").string());
  const std::string suffix = "-tensorrt11-2-1-sm00";
  LoadOptions small = options(cache);
  small.context_length = 600;
  const std::vector<std::string> lines = Model::compile(kModel, small, nullptr);
  std::set<std::string> expected;
  for (const char* kind : {"vision-fp32", "projector-fp32", "prefill-fp32-c512", "prefill-fp32-c600",
                           "decode-fp32-c512-b16", "decode-fp32-c600-b16"}) {
    expected.insert(kind + suffix);
  }
  CHECK(plans(cache) == expected);
  CHECK(lines.size() == 6);
  const auto built = [&] {
    const std::string text = fs::exists(other / "builds") ? read_file((other / "builds").string(), 1 << 20) : "";
    return std::count(text.begin(), text.end(), '\n');
  };
  CHECK(built() == 6);
  for (const std::string& line : Model::compile(kModel, small, nullptr)) CHECK(line.ends_with("already there"));
  CHECK(built() == 6);
  for (const auto& entry : fs::directory_iterator(cache.path())) {
    if (!entry.path().filename().string().starts_with("decode-fp32-c600")) continue;
    std::string bytes = read_file(entry.path().string(), 1 << 20);
    bytes[0] ^= 1;
    write_file(entry.path(), bytes);
  }
  struct Warnings final : LogListener {  // the library's log lines come out of ours
    std::vector<std::string> lines;
    void on_log(LogLevel level, const std::string& message) override {
      if (level == LogLevel::warn && message.starts_with("emulated: ")) lines.push_back(message);
    }
  } warnings;
  set_log_listener(&warnings, LogLevel::info);
  Model::compile(kModel, small, nullptr);
  set_log_listener(nullptr, LogLevel::info);
  CHECK(warnings.lines == std::vector<std::string>{"emulated: decode-fp32-c600-b16" + suffix + " is no plan of TensorRT"});
  CHECK(built() == 7);
  small.context_length = 512;
  Model::compile(kModel, small, nullptr);
  CHECK(built() == 7);
}

TEST_CASE("a TensorRT plan that does not compute what the CPU computes is named and never kept") {
  const std::pair<const char*, const char*> cases[] = {{"vision", "vision tower"},
                                                       {"projector", "projector"},
                                                       {"prefill", "language model, prefill"},
                                                       {"decode", "language model, decode"}};
  const TempDir cache;
  for (const auto& [wrong, layers] : cases) {
    CAPTURE(wrong);
    const Variable spoilt("EMULATED_WRONG", wrong);
    const std::string error = error_of([&] { Model::load(kModel, options(cache), nullptr); });
    CHECK(error.starts_with(join("9:", layers, ": a fresh plan differs from the CPU's float32 (cosine ")));
    CHECK(error.ends_with(", expected at least 0.9999); it is not kept"));
    for (const std::string& name : plans(cache)) CHECK_FALSE(name.starts_with(wrong));
  }
  const Variable right("EMULATED_WRONG", std::nullopt);
  CHECK_NOTHROW(Model::load(kModel, options(cache), nullptr));
}

TEST_CASE("TensorRT's plans: cancelled while one is built, the earlier ones are kept") {
  const TempDir cache;
  Stop stop("decode-fp32-c512-b16 plan");
  const std::string error = error_of([&] { Model::load(kModel, options(cache), &stop); });
  CHECK(error == "8:cancelled at stage decode-fp32-c512-b16 plan");
  CHECK(plans(cache) == std::set<std::string>{"prefill-fp32-c512-tensorrt11-2-1-sm00", "projector-fp32-tensorrt11-2-1-sm00",
                                              "vision-fp32-tensorrt11-2-1-sm00"});
}

TEST_CASE("the backend tensorrt: options and what a model says of itself") {
  const TempDir cache;
  LoadOptions small = options(cache);
  const ModelInfo info = Model::load(kModel, small, nullptr).info();
  CHECK(info.backend == "tensorrt 11.2.1, emulator");
  CHECK(info.precision == "fp32");
  small.precision = "int3";
  CHECK(error_of([&] { Model::load(kModel, small, nullptr); }) ==
        "1:precision: \"int3\", expected default, fp32, fp16, bf16, fp8, int8 or int4 for the backend tensorrt");
  small.precision = "fp32";
  small.images_only = true;
  const Model eyes = Model::load(kModel, small, nullptr);
  CHECK(error_of([&] { eyes.new_session(); }) == "5:session: the model was loaded for images only (images_only)");
  CHECK(parse_device_precision("default", DType::bf16).name == "bf16");
  CHECK(parse_device_precision("default", DType::f32).name == "fp16");
  CHECK(parse_device_precision("int4", DType::bf16).compute == DType::bf16);
  CHECK(decode_batches(1) == std::vector<int64_t>{1});
  CHECK(decode_batches(8) == std::vector<int64_t>{1, 4, 16});
  CHECK(decode_batches(64) == std::vector<int64_t>{1, 4, 16, 64});
  CHECK(cache_capacities(300) == std::vector<int64_t>{300});
  CHECK(cache_capacities(512) == std::vector<int64_t>{512});
  CHECK(cache_capacities(4096) == std::vector<int64_t>{512, 1024, 2048, 4096});
  CHECK(cache_capacities(5000) == std::vector<int64_t>{512, 1024, 2048, 4096, 5000});
}

TEST_CASE("prompts with images on the device: the same answers, tokens kept by image or key, clear errors") {
  const TempDir cache;
  GenerationOptions generation;
  generation.max_new_tokens = 8;
  generation.ignore_eos = true;
  for (const char* name : {"vila10-clip-linear", "nvila-lite-dynamic", "nvila-dynamic-s2"}) {
    CAPTURE(name);
    LoadOptions alone = options(cache);
    alone.prefix_cache_bytes = 0;  // What is counted here is what sessions look up in the image cache.
    const Model model = Model::load((data("cases") / name / "model").string(), alone, nullptr);
    const Image host = test_image("photo.png");
    const int64_t stride = int64_t{3} * host.width();
    void* memory = device().allocate(host.rgb_size());
    void* stream = device().slow_stream();
    const auto prompt = [](const Image& image) {
      Prompt asked;
      asked.begin_turn(Role::user).add_image(image).add_text("What is this?");
      return asked;
    };
    const auto there = [&](const std::string& key) {
      return Image::from_device(memory, host.width(), host.height(), stride, stream, key);
    };
    const Completion wanted = model.new_session().generate(prompt(host), generation, nullptr);
    device().copy(memory, host.rgb(), host.rgb_size(), stream);
    const Image image = there("");
    CHECK(model.tokenize(prompt(image)).sequence_length == model.tokenize(prompt(host)).sequence_length);
    Session session = model.new_session();
    CHECK(session.generate(prompt(image), generation, nullptr).ids == wanted.ids);
    CHECK(session.generate(prompt(image), generation, nullptr).cached_tokens == wanted.prompt_tokens - 1);
    const int64_t hits = model.image_cache_hits(), misses = model.image_cache_misses();
    CHECK(model.new_session().generate(prompt(image), generation, nullptr).ids == wanted.ids);
    CHECK(model.image_cache_misses() == misses);
    CHECK(model.image_cache_hits() > hits);
    CHECK(model.new_session().generate(prompt(there("")), generation, nullptr).ids == wanted.ids);
    CHECK(model.image_cache_misses() > misses);
    model.new_session().generate(prompt(there("a frame")), generation, nullptr);
    const int64_t named = model.image_cache_misses();
    CHECK(model.new_session().generate(prompt(there("a frame")), generation, nullptr).ids == wanted.ids);
    CHECK(model.image_cache_misses() == named);
    CHECK(model.encode_image(image).projected == model.encode_image(host).projected);

    const Image nowhere = Image::from_device(host.rgb(), host.width(), host.height(), stride, nullptr, "");
    const std::string error = error_of([&] { session.generate(prompt(nowhere), generation, nullptr); });
    CHECK(error.ends_with("which is no memory of a CUDA device"));
    CHECK(session.generate(prompt(host), generation, nullptr).ids == wanted.ids);
    device().destroy_stream(stream);
    device().release(memory);
  }
  LoadOptions cpu = options(cache);
  cpu.backend = "onnxruntime";
  const Model model = Model::load(kModel, cpu, nullptr);
  const uint8_t byte[3] = {};
  const Image image = Image::from_device(byte, 1, 1, 3, nullptr, "");
  Prompt prompt;
  prompt.begin_turn(Role::user).add_image(image);
  const std::string error = "5:image of 1x1 pixels in the memory of a CUDA device: this model's backend reads the host's memory, ";
  CHECK(error_of([&] { model.new_session().generate(prompt, generation, nullptr); }).starts_with(error));
  CHECK(error_of([&] { model.encode_image(image); }).starts_with(error));
}

TEST_CASE("doctor: the backend tensorrt with both libraries; with one alone, what is missing") {
  const auto detail = [](const char* name) {
    for (const Check& check : doctor()) {
      if (check.name == name) return join(check.ok ? "ok: " : "no: ", check.detail);
    }
    return join("no line ", name);
  };
  CHECK(detail("backend tensorrt") == "ok: can be used: TensorRT 11.2.1 on device 0, emulator (sm00)");
  const std::string own = std::getenv("VILA_CUDA");
  CHECK(detail("libvila_cuda.so") == "ok: " + own + ", interface 3; only the backend tensorrt uses it");
  CHECK(detail("TensorRT").starts_with("ok: 11.2.1, "));
  const Variable none("VILA_TENSORRT", std::nullopt);
  if (!tensorrt_path().empty()) return;  // the system has one
  CHECK(detail("backend tensorrt").starts_with("no: cannot be used, missing: TensorRT"));
}

TEST_CASE("libvila_cuda.so: another library and a missing one are named with what to do") {
  using plan::tensorrt::search_cuda_library;
  const plan::tensorrt::CudaSearch none = search_cuda_library("/nowhere/libvila_cuda.so");
  REQUIRE_FALSE(none.found);
  CHECK(none.all_misses() ==
        "tried the file that was set, /nowhere/libvila_cuda.so: cannot open shared object file: No such file or directory; put the "
        "Maven artifact io.github.vila4j:vila4j-gpu on the class path, or build vila4j where nvcc 12.8 or newer and TensorRT's headers "
        "are, and name its libvila_cuda.so in VILA_CUDA");
  const plan::tensorrt::CudaSearch other = search_cuda_library("libstdc++.so.6");
  REQUIRE_FALSE(other.found);
  REQUIRE(other.misses.size() == 1);
  CHECK(other.misses[0].reason == "lacks the functions of vila4j");
}
