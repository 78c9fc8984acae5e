// SPDX-License-Identifier: Apache-2.0
// An ONNX graph as a strongly typed TensorRT network: what a plan is built from.
#pragma once

#include <NvInfer.h>
#include <NvOnnxParser.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/dtype.h"
#include "plan/tensorrt/library.h"
#include "plan/tensorrt/logger.h"

namespace vila::plan::tensorrt {

/// An input or output as TensorRT sees it.
struct NetworkTensor {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;  ///< -1 where dynamic
};

/// A builder, and the network that it read. One thread.
class Network {
 public:
  /// Reads serialised ONNX; external data lies under "/" (graph::serialize). `label` begins messages. Throws backend with TensorRT's
  /// own words when there is no builder (no driver, no device, or no builder resource of that device's generation) or the parser
  /// refuses a node.
  Network(const Library& library, const std::string& onnx, const std::string& label);

  std::vector<NetworkTensor> inputs() const;
  std::vector<NetworkTensor> outputs() const;

  nvinfer1::IBuilder& builder() { return *builder_; }
  nvinfer1::INetworkDefinition& definition() { return *definition_; }
  /// Keeps what builds measured for as long as the builder, which refers to it.
  void keep(std::unique_ptr<nvinfer1::ITimingCache> cache) { timing_cache_ = std::move(cache); }
  /// TensorRT's last error since the last call, in one line.
  std::string take_error() { return logger_->take_error(); }

 private:
  NetworkTensor describe(const nvinfer1::ITensor& tensor) const;

  std::string label_;
  std::unique_ptr<Logger> logger_;  // in this order: each is used by those below
  std::unique_ptr<nvinfer1::ITimingCache> timing_cache_;
  std::unique_ptr<nvinfer1::IBuilder> builder_;
  std::unique_ptr<nvinfer1::INetworkDefinition> definition_;
  std::unique_ptr<nvonnxparser::IParser> parser_;  // owns weights that the definition refers to
};

}  // namespace vila::plan::tensorrt
