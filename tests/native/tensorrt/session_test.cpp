// SPDX-License-Identifier: Apache-2.0
// The contract of every backend on a GPU.
#include <dlfcn.h>

#include <iostream>

#include "plan/device_backend.h"
#include "session/contract.h"

namespace {

/// Whether there is a GPU with everything that the backend needs; else a line says what is missing.
bool available() {
  static const bool found = [] {
    try {
      const std::string name = vila::plan::tensorrt_backend(0)->device_name();
      std::cout << "device: " << name << '\n';
      return true;
    } catch (const vila::Error& error) {
      std::cout << "SKIPPED: the TensorRT backend has not run: " << error.what() << '\n';
      return false;
    }
  }();
  return found;
}

/// What a caller does with the driver alone, opened at run time: memory of the first device's primary context, and a stream.
class Driver {
 public:
  Driver() : library_(dlopen("libcuda.so.1", RTLD_NOW)) {
    REQUIRE(library_ != nullptr);
    void* context = nullptr;
    REQUIRE(call<int(unsigned)>("cuInit")(0) == 0);
    REQUIRE(call<int(void**, int)>("cuDevicePrimaryCtxRetain")(&context, 0) == 0);
    REQUIRE(call<int(void*)>("cuCtxSetCurrent")(context) == 0);
    REQUIRE(call<int(void**, unsigned)>("cuStreamCreate")(&stream_, 1) == 0);
  }
  void* stream() const { return stream_; }
  void* allocate(size_t bytes) {
    unsigned long long memory = 0;
    REQUIRE(call<int(unsigned long long*, size_t)>("cuMemAlloc_v2")(&memory, bytes) == 0);
    return reinterpret_cast<void*>(memory);  // NOLINT
  }
  void copy(void* to, const void* from, size_t bytes) {
    const auto device = reinterpret_cast<unsigned long long>(to);  // NOLINT
    REQUIRE(call<int(unsigned long long, const void*, size_t, void*)>("cuMemcpyHtoDAsync_v2")(device, from, bytes, stream_) == 0);
  }

 private:
  template <typename Function>
  Function* call(const char* name) {
    auto* function = reinterpret_cast<Function*>(dlsym(library_, name));
    REQUIRE((function != nullptr));
    return function;
  }
  void* library_;
  void* stream_ = nullptr;
};

void run(const vila::testing::Subject& subject) {
  if (available()) vila::testing::run_contract(subject);
}

}  // namespace

// Against the fp32 goldens 16 bits and 8 bits may cost what tests/data/README.md says of bf16.
TEST_CASE("TensorRT, fp32") { run({"tensorrt", "fp32", 2e-2, 5e-2, true}); }
TEST_CASE("TensorRT, fp16") { run({"tensorrt", "fp16", 0.1, 0.3, true}); }
TEST_CASE("TensorRT, bf16") { run({"tensorrt", "bf16", 0.5, 1.5, true}); }
TEST_CASE("TensorRT, fp8") { run({"tensorrt", "fp8", 0.5, 1.5, true}); }
TEST_CASE("TensorRT, int8") { run({"tensorrt", "int8", 0.5, 1.5, true}); }

TEST_CASE("TensorRT, images whose pixels are on the device: the pixels and the answers of the host's") {
  using namespace vila;           // NOLINT
  using namespace vila::testing;  // NOLINT
  if (!available()) return;
  const TempDir cache;
  LoadOptions options;
  options.backend = "tensorrt";
  options.precision = "fp16";
  options.cache_dir = cache.path().string();
  GenerationOptions generation;
  generation.max_new_tokens = 8;
  generation.ignore_eos = true;
  for (const char* name : {"vila15-llama3-siglip", "nvila-lite-dynamic"}) {
    CAPTURE(name);
    const Model model = Model::load((data("cases") / name / "model").string(), options, nullptr);
    const Image host = test_image("photo.png");
    Driver driver;
    void* memory = driver.allocate(host.rgb_size());
    driver.copy(memory, host.rgb(), host.rgb_size());
    const Image image = Image::from_device(memory, host.width(), host.height(), int64_t{3} * host.width(), driver.stream(), "");
    const EncodedImage found = model.encode_image(image), wanted = model.encode_image(host);
    CHECK(found.pixel_values == wanted.pixel_values);
    CHECK(found.projected == wanted.projected);
    const auto answer = [&](const Image& shown) {
      Prompt prompt;
      prompt.begin_turn(Role::user).add_image(shown).add_text("What is this?");
      return model.new_session().generate(prompt, generation, nullptr).ids;
    };
    CHECK(answer(image) == answer(host));
    const Image nowhere = Image::from_device(host.rgb(), host.width(), host.height(), int64_t{3} * host.width(), nullptr, "");
    CHECK(error_of([&] { model.encode_image(nowhere); }).starts_with("1:image begins at 0x"));
  }
}
