// SPDX-License-Identifier: Apache-2.0
// The node DecodeAttention of decode graphs (graph/tensorrt_dialect.h) as a TensorRT plugin around the kernel of
// cuda/decode_attention.h: attention of one position per sequence whose cost follows the rows in use, not the cache's capacity.
//
// Name "DecodeAttention", namespace "vila", version "1". Inputs and output as the dialect says, linear, in fp16 or bf16, lengths in
// int32. Fields: scale (float32), from the graph; multiprocessors (int32), only in plans: the device's where the plan was built,
// because the split of the sequences, and with it the workspace, follows from it.
// Nothing is thrown through TensorRT: what goes wrong is a line of vila's log, and the call's failure.
#pragma once

#include <NvInferRuntime.h>

#include <string>

#include "cuda/decode_attention.h"
#include "plan/tensorrt/library.h"

namespace vila::plan::tensorrt {

/// One node. TensorRT clones it as it needs; const calls from any thread, others from one at a time.
class DecodeAttentionPlugin final : public nvinfer1::IPluginV3,
                                    public nvinfer1::IPluginV3OneCore,
                                    public nvinfer1::IPluginV3OneBuild,
                                    public nvinfer1::IPluginV3OneRuntime {
 public:
  struct Fields {
    float scale = 0;
    int32_t multiprocessors = 0;
  };
  /// `functions` outlive the plugin.
  DecodeAttentionPlugin(const cuda::DecodeAttentionFunctions& functions, const Fields& fields);
  DecodeAttentionPlugin(const DecodeAttentionPlugin&) = delete;
  DecodeAttentionPlugin& operator=(const DecodeAttentionPlugin&) = delete;

  nvinfer1::IPluginCapability* getCapabilityInterface(nvinfer1::PluginCapabilityType type) noexcept override;
  nvinfer1::IPluginV3* clone() noexcept override;

  const char* getPluginName() const noexcept override;
  const char* getPluginVersion() const noexcept override;
  const char* getPluginNamespace() const noexcept override;

  int32_t getNbOutputs() const noexcept override { return 1; }
  int32_t getOutputDataTypes(nvinfer1::DataType* output_types, int32_t outputs, const nvinfer1::DataType* input_types,
                             int32_t inputs) const noexcept override;
  int32_t getOutputShapes(const nvinfer1::DimsExprs* inputs, int32_t input_count, const nvinfer1::DimsExprs* shape_inputs,
                          int32_t shape_input_count, nvinfer1::DimsExprs* outputs, int32_t output_count,
                          nvinfer1::IExprBuilder& expressions) noexcept override;
  bool supportsFormatCombination(int32_t position, const nvinfer1::DynamicPluginTensorDesc* tensors, int32_t inputs,
                                 int32_t outputs) noexcept override;
  int32_t configurePlugin(const nvinfer1::DynamicPluginTensorDesc* inputs, int32_t input_count,
                          const nvinfer1::DynamicPluginTensorDesc* outputs, int32_t output_count) noexcept override;
  /// Enough for every batch up to the profile's largest.
  size_t getWorkspaceSize(const nvinfer1::DynamicPluginTensorDesc* inputs, int32_t input_count,
                          const nvinfer1::DynamicPluginTensorDesc* outputs, int32_t output_count) const noexcept override;
  const char* getTimingCacheID() noexcept override { return description_.c_str(); }
  const char* getMetadataString() noexcept override { return description_.c_str(); }

  int32_t onShapeChange(const nvinfer1::PluginTensorDesc* inputs, int32_t input_count, const nvinfer1::PluginTensorDesc* outputs,
                        int32_t output_count) noexcept override;
  int32_t enqueue(const nvinfer1::PluginTensorDesc* input_tensors, const nvinfer1::PluginTensorDesc* output_tensors,
                  const void* const* inputs, void* const* outputs, void* workspace, cudaStream_t stream) noexcept override;
  nvinfer1::IPluginV3* attachToContext(nvinfer1::IPluginResourceContext* context) noexcept override;
  const nvinfer1::PluginFieldCollection* getFieldsToSerialize() noexcept override { return &collection_; }

 private:
  const cuda::DecodeAttentionFunctions& functions_;
  Fields fields_;
  std::string description_;
  nvinfer1::PluginField serialized_[2];
  nvinfer1::PluginFieldCollection collection_;
};

/// Makes the plugins, for the parser and for plans that are loaded. Any thread.
class DecodeAttentionCreator final : public nvinfer1::IPluginCreatorV3One {
 public:
  /// `functions` outlive the creator and its plugins.
  explicit DecodeAttentionCreator(const cuda::DecodeAttentionFunctions& functions);

  /// Null for fields that are missing or make no sense; while a network is built also where the device cannot be asked.
  nvinfer1::IPluginV3* createPlugin(const char* name, const nvinfer1::PluginFieldCollection* fields,
                                    nvinfer1::TensorRTPhase phase) noexcept override;
  const nvinfer1::PluginFieldCollection* getFieldNames() noexcept override { return &collection_; }
  const char* getPluginName() const noexcept override;
  const char* getPluginVersion() const noexcept override;
  const char* getPluginNamespace() const noexcept override;

 private:
  const cuda::DecodeAttentionFunctions& functions_;
  nvinfer1::PluginField scale_;
  nvinfer1::PluginFieldCollection collection_;
};

/// Makes the plugin known to this process's TensorRT, for good: before a graph with the node is parsed and before a plan with it is
/// loaded. A second call does nothing. `functions` are those of the library of kernels, which must stay loaded. Throws backend when
/// TensorRT refuses. Any thread.
void register_decode_attention(const Library& library, const cuda::DecodeAttentionFunctions& functions);

}  // namespace vila::plan::tensorrt
