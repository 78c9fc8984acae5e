// SPDX-License-Identifier: Apache-2.0
// libvila_cuda.so for machines without a GPU: the runtime of the TensorRT backend as it is, on the emulated device, with engines whose
// graphs ONNX Runtime computes in float32. So a session's whole way through that backend is tested, but for TensorRT itself.
//
// Environment: EMULATED_WRONG names a label's beginning: engines of such plans give wrong numbers. EMULATED_BUILDS names a file that
// gets a line for every plan that is built, EMULATED_RUNS one that gets a line for every run: "<label> <sequences>". EMULATED_DEVICES
// says how many devices there are; one unless it does.
#include "tensorrt/emulated_library.h"

#include <cstdlib>
#include <fstream>
#include <utility>

#include "common/error.h"
#include "common/log.h"
#include "plan/tensorrt/device.h"
#include "tensorrt/emulated_engine.h"
#include "plan/tensorrt/engine_backend.h"
#include "plan/tensorrt/entry.h"
#include "plan/tensorrt/entry_log.h"
#include "plan/tensorrt/plan_file.h"

namespace vila::plan::tensorrt {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

class EmulatedBackend final : public EngineBackend {
 public:
  explicit EmulatedBackend(int32_t device) : EngineBackend(device) {
    const std::string devices = variable("EMULATED_DEVICES");
    if (!devices.empty()) emulator::set_devices(std::stoi(devices));
    int count = 0;
    cudaGetDeviceCount(&count);
    require_number(device, count);
    cudaGetDeviceProperties(&properties_, device);
  }

  std::string name() const override { return "tensorrt"; }
  std::string version() const override { return "11.2.1"; }
  std::string device() const override { return join("sm", properties_.major, properties_.minor); }
  std::string device_name() const override { return properties_.name; }

  std::string build(const graph::Graph&, const BuildRequest& request) override {
    if (!variable("EMULATED_BUILDS").empty()) std::ofstream(variable("EMULATED_BUILDS"), std::ios::app) << request.label << '\n';
    log(LogLevel::warn, "emulated: ", request.label, " is no plan of TensorRT");
    if (request.progress && !request.progress(0.5)) fail(ErrorCode::cancelled, request.label, ": cancelled");
    return pack_plan(version(), device(), "emulated " + request.label);
  }

 private:
  std::unique_ptr<Engine> engine(const BuiltPlan& plan) const override {
    if (unpack_plan(plan.bytes, version(), device(), plan.label) != "emulated " + plan.label) {
      fail(ErrorCode::bad_file, plan.label, ": the plan of another graph");
    }
    const std::string wrong = variable("EMULATED_WRONG");
    return std::make_unique<EmulatedEngine>(plan, !wrong.empty() && plan.label.starts_with(wrong),
                                            [] { return variable("EMULATED_RUNS"); });
  }

  cudaDeviceProp properties_;
};

}  // namespace
}  // namespace vila::plan::tensorrt

int32_t vila_cuda_entry_version() { return vila::plan::tensorrt::kEntryVersion; }
vila::plan::DeviceBackend* vila_cuda_backend(const vila::plan::tensorrt::EntryLog* log, const vila::plan::tensorrt::Library&,
                                             int32_t device) {
  vila::plan::tensorrt::forward_log(*log);
  return new vila::plan::tensorrt::EmulatedBackend(device);
}
const EmulatedDevice* vila_cuda_emulated_device() {
  static const EmulatedDevice device{
      [](size_t bytes) {
        void* memory = nullptr;
        return cudaMalloc(&memory, bytes) == cudaSuccess ? memory : nullptr;
      },
      [](void* memory) { cudaFree(memory); },
      []() -> void* {
        cudaStream_t stream = nullptr;
        cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
        emulator::hold(stream);
        return stream;
      },
      [](void* stream) { cudaStreamDestroy(static_cast<cudaStream_t>(stream)); },
      [](void* to, const void* from, size_t bytes, void* stream) {
        cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, static_cast<cudaStream_t>(stream));
      },
      [] {
        int number = 0;
        cudaGetDevice(&number);
        return number;
      },
      [](int number) { cudaSetDevice(number); },
      [](int number) { return emulator::bytes_in_use(number); }};
  return &device;
}
