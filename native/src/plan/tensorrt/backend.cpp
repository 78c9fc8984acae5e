// SPDX-License-Identifier: Apache-2.0
// What libvila_cuda.so exports.
#include "common/error.h"
#include "cuda/decode_attention.h"
#include "graph/graph.h"
#include "plan/tensorrt/decode_attention_plugin.h"
#include "plan/tensorrt/device.h"
#include "plan/tensorrt/engine_backend.h"
#include "plan/tensorrt/entry.h"
#include "plan/tensorrt/entry_log.h"
#include "plan/tensorrt/plan_builder.h"
#include "plan/tensorrt/plan_file.h"
#include "plan/tensorrt/trt_engine.h"

namespace vila::plan::tensorrt {
namespace {

/// The device of this number among those that CUDA lists (CUDA_VISIBLE_DEVICES hides some), if it is there and new enough.
cudaDeviceProp properties_of(int32_t device) {
  int driver = 0, count = 0;
  if (cudaDriverGetVersion(&driver) == cudaSuccess && driver == 0) {
    fail(ErrorCode::backend, "backend tensorrt: no CUDA device: no NVIDIA driver is installed");
  }
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) {
    fail(ErrorCode::backend, "backend tensorrt: no CUDA device: ", error != cudaSuccess ? cudaGetErrorString(error) : "none found");
  }
  require_number(device, count);
  cudaDeviceProp properties;
  check_cuda(cudaGetDeviceProperties(&properties, device), "CUDA device");
  if (properties.major < kLeastComputeCapability) {
    fail(ErrorCode::unsupported, "backend tensorrt: ", properties.name, ": compute capability ", properties.major, ".",
         properties.minor, ", expected at least ", kLeastComputeCapability, ".0");
  }
  return properties;
}

class TensorRtBackend final : public EngineBackend {
 public:
  TensorRtBackend(const Library& library, int32_t device)
      : EngineBackend(device), properties_(properties_of(device)), library_(library) {
    register_decode_attention(library_, cuda::decode_attention_functions());
  }

  std::string name() const override { return "tensorrt"; }
  std::string version() const override { return library_.version; }
  std::string device() const override { return join("sm", properties_.major, properties_.minor); }
  std::string device_name() const override { return properties_.name; }

  std::string build(const graph::Graph& graph, const BuildRequest& request) override {
    const DeviceScope scope(number());
    Network network(library_, graph::serialize(graph), request.label);
    return pack_plan(version(), device(), build_plan(network, request));
  }

 private:
  std::unique_ptr<Engine> engine(const BuiltPlan& plan) const override {
    const std::string_view bytes = unpack_plan(plan.bytes, version(), device(), plan.label);
    return std::make_unique<TrtEngine>(library_, bytes, plan.graph, plan.label);
  }

  const cudaDeviceProp properties_;
  const Library library_;
};

}  // namespace
}  // namespace vila::plan::tensorrt

int32_t vila_cuda_entry_version() { return vila::plan::tensorrt::kEntryVersion; }

vila::plan::DeviceBackend* vila_cuda_backend(const vila::plan::tensorrt::EntryLog* log, const vila::plan::tensorrt::Library& library,
                                             int32_t device) {
  using namespace vila::plan::tensorrt;
  forward_log(*log);
  return new TensorRtBackend(library, device);
}
