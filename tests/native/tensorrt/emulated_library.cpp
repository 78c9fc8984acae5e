// SPDX-License-Identifier: Apache-2.0
// libvila_cuda.so for machines without a GPU: the runtime of the TensorRT backend as it is, on the emulated device, with engines whose
// graphs ONNX Runtime computes in float32. So a session's whole way through that backend is tested, but for TensorRT itself.
//
// Environment: EMULATED_WRONG names a label's beginning: engines of such plans give wrong numbers. EMULATED_BUILDS names a file that
// gets a line for every plan that is built, EMULATED_RUNS one that gets a line for every run: "<label> <sequences>".
#include <cstdlib>
#include <fstream>
#include <map>
#include <utility>

#include "common/error.h"
#include "common/log.h"
#include "graph/graph.h"
#include "graph/names.h"
#include "plan/plan.h"
#include "plan/tensorrt/device.h"
#include "plan/tensorrt/engine_backend.h"
#include "plan/tensorrt/entry.h"
#include "plan/tensorrt/plan_file.h"

namespace vila::plan::tensorrt {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

/// A graph of the TensorRT dialect in float32 on memory of the emulated device.
class EmulatedEngine final : public Engine {
 public:
  explicit EmulatedEngine(const BuiltPlan& plan)
      : label_(plan.label),
        plan_(onnxruntime_backend()->compile(graph::serialize(plan.graph), plan.label, {1})),
        wrong_(!variable("EMULATED_WRONG").empty() && plan.label.starts_with(variable("EMULATED_WRONG"))) {
    for (const auto* values : {&plan.graph.inputs, &plan.graph.outputs}) {
      for (const graph::ValueInfo& value : *values) {
        EngineTensor tensor{value.name, value.dtype, {}, values == &plan.graph.inputs};
        for (const graph::Dim& dim : value.shape) tensor.shape.push_back(dim.name.empty() ? dim.value : -1);
        tensors_.push_back(std::move(tensor));
      }
    }
  }

  const std::vector<EngineTensor>& tensors() const override { return tensors_; }
  void bind(const std::string& name, void* memory) override { memory_[name] = memory; }
  void shape(const std::string& name, const std::vector<int64_t>& shape) override { shapes_[name] = shape; }

  void enqueue(cudaStream_t stream) override {
    std::vector<Binding> inputs, outputs;
    for (const EngineTensor& tensor : tensors_) {
      if (!memory_.contains(tensor.name)) fail(ErrorCode::backend, tensor.name, " is not bound");
      std::vector<int64_t> shape = tensor.shape;
      if (tensor.input && shapes_.contains(tensor.name)) shape = shapes_.at(tensor.name);
      if (!tensor.input && shape[0] < 0) shape[0] = batch();
      (tensor.input ? inputs : outputs).push_back({tensor.name, tensor.dtype, std::move(shape), memory_.at(tensor.name)});
    }
    emulator::enqueue(stream, [this, batch = batch(), inputs = std::move(inputs), outputs = std::move(outputs)] {
      const std::string runs = variable("EMULATED_RUNS");
      if (!runs.empty()) std::ofstream(runs, std::ios::app) << label_ << ' ' << batch << '\n';
      plan_->run(inputs, outputs, nullptr);
      if (wrong_) spoil(outputs);
      return cudaSuccess;
    });
  }

  std::unique_ptr<Engine> for_range(int32_t, cudaStream_t) override {
    auto other = std::make_unique<EmulatedEngine>(*this);
    other->memory_.clear();
    other->shapes_.clear();
    return other;
  }

 private:
  /// Turns every second number of the first output over.
  static void spoil(const std::vector<Binding>& outputs) {
    for (const Binding& output : outputs) {
      if (output.name.starts_with("present_")) continue;
      size_t count = 1;
      for (const int64_t dim : output.shape) count *= static_cast<size_t>(dim);
      for (size_t i = 0; i < count; i += 2) static_cast<float*>(output.data)[i] *= -1;
    }
  }

  /// Of the first input that has one.
  int64_t batch() const {
    for (const EngineTensor& tensor : tensors_) {
      if (tensor.input && tensor.shape[0] < 0 && shapes_.contains(tensor.name)) return shapes_.at(tensor.name)[0];
    }
    return 1;
  }

  const std::string label_;
  const std::shared_ptr<Plan> plan_;
  const bool wrong_;
  std::vector<EngineTensor> tensors_;
  std::map<std::string, void*> memory_;
  std::map<std::string, std::vector<int64_t>> shapes_;
};

class EmulatedBackend final : public EngineBackend {
 public:
  std::string name() const override { return "tensorrt"; }
  std::string version() const override { return "11.2.1"; }
  std::string device() const override { return "sm00"; }
  std::string device_name() const override { return "emulator"; }

  std::string build(const graph::Graph&, const BuildRequest& request) override {
    if (!variable("EMULATED_BUILDS").empty()) std::ofstream(variable("EMULATED_BUILDS"), std::ios::app) << request.label << '\n';
    if (request.progress && !request.progress(0.5)) fail(ErrorCode::cancelled, request.label, ": cancelled");
    return pack_plan(version(), device(), "emulated " + request.label);
  }

 private:
  std::unique_ptr<Engine> engine(const BuiltPlan& plan) const override {
    if (unpack_plan(plan.bytes, version(), device(), plan.label) != "emulated " + plan.label) {
      fail(ErrorCode::bad_file, plan.label, ": the plan of another graph");
    }
    return std::make_unique<EmulatedEngine>(plan);
  }
};

}  // namespace
}  // namespace vila::plan::tensorrt

int32_t vila_cuda_entry_version() { return vila::plan::tensorrt::kEntryVersion; }
vila::plan::DeviceBackend* vila_cuda_backend(const vila::plan::tensorrt::EntryLog*, const vila::plan::tensorrt::Library&) {
  return new vila::plan::tensorrt::EmulatedBackend();
}
