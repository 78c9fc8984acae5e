// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/trt_engine.h"

#include "common/error.h"
#include "plan/tensorrt/data_type.h"
#include "plan/tensorrt/refit.h"

namespace vila::plan::tensorrt {
TrtEngine::TrtEngine(const Library& library, std::string_view plan, const graph::Graph& graph, const std::string& label)
    : label_(label), logger_(std::make_shared<Logger>()) {
  runtime_.reset(static_cast<nvinfer1::IRuntime*>(library.create_runtime(logger_.get(), NV_TENSORRT_VERSION)));
  if (runtime_ == nullptr) fail_with("TensorRT makes no runtime");
  engine_.reset(runtime_->deserializeCudaEngine(plan.data(), plan.size()));
  if (engine_ == nullptr) fail_with("TensorRT does not read the plan");
  if (engine_->isRefittable()) refit(library, graph);
  context_.reset(engine_->createExecutionContext());
  if (context_ == nullptr) fail_with("TensorRT makes no execution context");
  for (int32_t i = 0; i < engine_->getNbIOTensors(); ++i) {
    const char* name = engine_->getIOTensorName(i);
    EngineTensor tensor{name, dtype_of(engine_->getTensorDataType(name), join(label_, ": ", name)), {}, false};
    tensor.input = engine_->getTensorIOMode(name) == nvinfer1::TensorIOMode::kINPUT;
    const nvinfer1::Dims dims = engine_->getTensorShape(name);
    for (int32_t d = 0; d < dims.nbDims; ++d) tensor.shape.push_back(dims.d[d]);
    if (engine_->getTensorLocation(name) != nvinfer1::TensorLocation::kDEVICE) {
      fail(ErrorCode::backend, label_, ": TensorRT wants ", name, " in the host's memory, expected the device's");
    }
    tensors_.push_back(std::move(tensor));
  }
}

TrtEngine::TrtEngine(const TrtEngine& first, int32_t range, cudaStream_t stream)
    : label_(first.label_), logger_(first.logger_), runtime_(first.runtime_), engine_(first.engine_), tensors_(first.tensors_) {
  context_.reset(engine_->createExecutionContext(nvinfer1::ExecutionContextAllocationStrategy::kON_PROFILE_CHANGE));
  if (context_ == nullptr) fail_with("TensorRT makes no execution context");
  if (!context_->setOptimizationProfileAsync(range, stream)) fail_with(join("TensorRT does not take the range of shapes ", range));
}

std::unique_ptr<Engine> TrtEngine::for_range(int32_t range, cudaStream_t stream) {
  return std::unique_ptr<Engine>(new TrtEngine(*this, range, stream));
}

void TrtEngine::fail_with(const std::string& what) {
  fail(ErrorCode::backend, label_, ": ", what, ": ", logger_->take_error());
}

void TrtEngine::refit(const Library& library, const graph::Graph& graph) {
  const std::unique_ptr<nvinfer1::IRefitter> refitter(
      static_cast<nvinfer1::IRefitter*>(library.create_refitter(engine_.get(), logger_.get(), NV_TENSORRT_VERSION)));
  if (refitter == nullptr) fail_with("TensorRT makes no refitter");
  const int32_t count = refitter->getMissingWeights(0, nullptr);
  std::vector<const char*> missing(static_cast<size_t>(count));
  refitter->getMissingWeights(count, missing.data());
  for (const GraphWeights& weights : weights_named(graph, weight_names(missing, label_), label_)) {
    const nvinfer1::DataType type = data_type_of(weights.dtype, weights.packed, join(label_, ": weights ", weights.name));
    if (!refitter->setNamedWeights(weights.name.c_str(), {type, weights.data, weights.count})) {
      fail_with(join("TensorRT does not take the weights ", weights.name));
    }
  }
  if (!refitter->refitCudaEngine()) fail_with("TensorRT does not take the weights");
}

void TrtEngine::bind(const std::string& name, void* memory) {
  if (!context_->setTensorAddress(name.c_str(), memory)) fail_with(join("TensorRT does not take the memory of ", name));
}

void TrtEngine::shape(const std::string& name, const std::vector<int64_t>& shape) {
  std::vector<int64_t>& set = shapes_[name];
  if (set == shape) return;
  nvinfer1::Dims dims{};
  dims.nbDims = static_cast<int32_t>(shape.size());
  for (size_t i = 0; i < shape.size() && i < nvinfer1::Dims::MAX_DIMS; ++i) dims.d[i] = shape[i];
  if (!context_->setInputShape(name.c_str(), dims)) fail_with(join("TensorRT does not take the shape of ", name));
  set = shape;
}

void TrtEngine::enqueue(cudaStream_t stream) {
  if (!context_->enqueueV3(stream)) fail_with("TensorRT does not run the plan");
}

}  // namespace vila::plan::tensorrt
