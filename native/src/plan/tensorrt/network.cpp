// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/network.h"

#include "common/error.h"
#include "common/single_line.h"
#include "plan/tensorrt/data_type.h"

namespace vila::plan::tensorrt {
namespace {

static_assert(NV_TENSORRT_MAJOR == kMajor, "these are the headers of another TensorRT than the one that is loaded");

/// Any file in the folder that external data is relative to.
constexpr const char* kModelPath = "/model.onnx";

std::string words_of(const nvonnxparser::IParser& parser, Logger& logger) {
  if (parser.getNbErrors() == 0) return logger.take_error();
  const nvonnxparser::IParserError& error = *parser.getError(0);
  const std::string node = error.nodeName() != nullptr ? single_line(error.nodeName()) : std::string();
  const std::string words = single_line(error.desc());
  return node.empty() ? words : join("node ", node, " (", error.nodeOperator(), "): ", words);
}

}  // namespace

Network::Network(const Library& library, const std::string& onnx, const std::string& label)
    : label_(label), logger_(std::make_unique<Logger>()) {
  builder_.reset(static_cast<nvinfer1::IBuilder*>(library.create_builder(logger_.get(), NV_TENSORRT_VERSION)));
  if (builder_ == nullptr) fail(ErrorCode::backend, label, ": TensorRT ", library.version, " makes no builder: ", logger_->take_error());
  definition_.reset(builder_->createNetworkV2(0));  // strongly typed, the only kind of this version
  if (definition_ == nullptr) fail(ErrorCode::backend, label, ": TensorRT makes no network: ", logger_->take_error());
  parser_.reset(static_cast<nvonnxparser::IParser*>(library.create_parser(definition_.get(), logger_.get(), NV_ONNX_PARSER_VERSION)));
  if (parser_ == nullptr) fail(ErrorCode::backend, label, ": TensorRT makes no ONNX parser: ", logger_->take_error());
  if (!parser_->parse(onnx.data(), onnx.size(), kModelPath)) {
    fail(ErrorCode::backend, label, ": TensorRT cannot read the graph: ", words_of(*parser_, *logger_));
  }
}

NetworkTensor Network::describe(const nvinfer1::ITensor& tensor) const {
  NetworkTensor result;
  result.name = tensor.getName();
  result.dtype = dtype_of(tensor.getType(), join(label_, ": ", result.name));
  const nvinfer1::Dims dims = tensor.getDimensions();
  for (int32_t i = 0; i < dims.nbDims; ++i) result.shape.push_back(dims.d[i]);
  return result;
}

std::vector<NetworkTensor> Network::inputs() const {
  std::vector<NetworkTensor> tensors;
  for (int32_t i = 0; i < definition_->getNbInputs(); ++i) tensors.push_back(describe(*definition_->getInput(i)));
  return tensors;
}

std::vector<NetworkTensor> Network::outputs() const {
  std::vector<NetworkTensor> tensors;
  for (int32_t i = 0; i < definition_->getNbOutputs(); ++i) tensors.push_back(describe(*definition_->getOutput(i)));
  return tensors;
}

}  // namespace vila::plan::tensorrt
