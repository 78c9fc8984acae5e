// SPDX-License-Identifier: Apache-2.0
// TensorRT's own engine.
#pragma once

#include <NvInferRuntime.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "plan/tensorrt/engine.h"
#include "plan/tensorrt/library.h"
#include "plan/tensorrt/logger.h"

namespace vila::plan::tensorrt {

/// A plan in device memory, with its weights.
class TrtEngine final : public Engine {
 public:
  /// Reads TensorRT's bytes and, where they lack weights, takes those of `graph`, which must outlive only this call. Throws backend
  /// with TensorRT's own words and what weights_named() throws.
  TrtEngine(const Library& library, std::string_view plan, const graph::Graph& graph, const std::string& label);

  const std::vector<EngineTensor>& tensors() const override { return tensors_; }
  void bind(const std::string& name, void* memory) override;
  void shape(const std::string& name, const std::vector<int64_t>& shape) override;
  void enqueue(cudaStream_t stream) override;
  std::unique_ptr<Engine> for_range(int32_t range, cudaStream_t stream) override;

 private:
  TrtEngine(const TrtEngine& first, int32_t range, cudaStream_t stream);
  void refit(const Library& library, const graph::Graph& graph);
  [[noreturn]] void fail_with(const std::string& what);

  const std::string label_;
  std::shared_ptr<Logger> logger_;  // in this order: each is used by those below
  std::shared_ptr<nvinfer1::IRuntime> runtime_;
  std::shared_ptr<nvinfer1::ICudaEngine> engine_;
  std::unique_ptr<nvinfer1::IExecutionContext> context_;
  std::vector<EngineTensor> tensors_;
  std::map<std::string, std::vector<int64_t>> shapes_;  ///< as they were set last: TensorRT prepares anew for each it is told
};

}  // namespace vila::plan::tensorrt
