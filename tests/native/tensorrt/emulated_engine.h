// SPDX-License-Identifier: Apache-2.0
// An engine for the emulated device, whose graph ONNX Runtime computes.
#pragma once

#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/error.h"
#include "graph/graph.h"
#include "plan/device_backend.h"
#include "plan/plan.h"
#include "plan/tensorrt/device.h"
#include "plan/tensorrt/engine.h"

namespace vila::plan::tensorrt {

/// A graph of the TensorRT dialect in float32 on memory of the emulated device.
class EmulatedEngine final : public Engine {
 public:
  /// `wrong` turns every second number of its outputs over. `runs`, which may be empty, is asked at every run for the name of a file
  /// that gets a line for it, "<label> <sequences>"; an empty name: none.
  explicit EmulatedEngine(const BuiltPlan& plan, bool wrong = false, std::function<std::string()> runs = {})
      : label_(plan.label),
        plan_(onnxruntime_backend()->compile(graph::serialize(plan.graph), plan.label, {1})),
        wrong_(wrong),
        runs_(std::move(runs)) {
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
      const std::string runs = runs_ ? runs_() : "";
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
  const std::function<std::string()> runs_;
  std::vector<EngineTensor> tensors_;
  std::map<std::string, void*> memory_;
  std::map<std::string, std::vector<int64_t>> shapes_;
};

}  // namespace vila::plan::tensorrt
