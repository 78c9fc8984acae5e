// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/decode_attention_plugin.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>

#include "common/error.h"
#include "common/log.h"
#include "graph/names.h"

namespace vila::plan::tensorrt {
namespace {

using nvinfer1::DataType;
namespace names = graph::names;

constexpr const char* kScale = "scale";
constexpr const char* kMultiprocessors = "multiprocessors";
constexpr int32_t kMostMultiprocessors = 1 << 16;

enum Input : int32_t { kQ, kKeys, kValues, kLengths, kInputs };

/// Runs `call`, which returns what TensorRT is to get; what it throws becomes a line of log and `failed`.
template <typename Result, typename Call>
Result guarded(Result failed, const Call& call) noexcept {
  try {
    return call();
  } catch (const std::exception& error) {
    try {
      log(LogLevel::error, "TensorRT plugin ", names::kDecodeAttention, ": ", error.what());
    } catch (...) {  // Out of memory: the line is lost.
    }
  } catch (...) {
  }
  return failed;
}

/// Throws backend unless they are equal.
void expect(const char* what, int64_t found, int64_t expected) {
  if (found != expected) fail(ErrorCode::backend, what, " ", found, ", expected ", expected);
}

/// What the tensors' dimensions say. A batch that is not fixed yet is -1.
struct Sizes {
  int64_t batch, heads, kv_heads, head_dim, capacity;
};
Sizes sizes_of(const nvinfer1::Dims& q, const nvinfer1::Dims& keys, const nvinfer1::Dims& values, const nvinfer1::Dims& lengths) {
  expect("dimensions of q:", q.nbDims, 4);
  expect("dimensions of keys:", keys.nbDims, 4);
  expect("dimensions of values:", values.nbDims, 4);
  expect("dimensions of lengths:", lengths.nbDims, 1);
  const Sizes sizes{q.d[0], q.d[1], keys.d[1], q.d[3], keys.d[2]};
  expect("positions of q:", q.d[2], 1);
  expect("head_dim of keys:", keys.d[3], sizes.head_dim);
  for (int i = 1; i < 4; ++i) expect("dimension of values:", values.d[i], keys.d[i]);
  for (const int64_t batch : {keys.d[0], values.d[0], lengths.d[0]}) expect("batch:", batch, sizes.batch);
  if (!cuda::decode_attention_takes(sizes.head_dim)) {
    fail(ErrorCode::backend, "head_dim ", sizes.head_dim, ", expected a multiple of 8 from 8 to 128");
  }
  if (sizes.kv_heads < 1 || sizes.heads < 1 || sizes.heads % sizes.kv_heads != 0 || sizes.heads > 65535) {
    fail(ErrorCode::backend, sizes.heads, " heads over ", sizes.kv_heads, ", expected a multiple of at most 65535");
  }
  if (sizes.capacity < 1 || sizes.capacity > (1 << 30)) {
    fail(ErrorCode::backend, "capacity ", sizes.capacity, ", expected 1 to ", 1 << 30);
  }
  if (sizes.batch < -1 || sizes.batch > 65535) fail(ErrorCode::backend, "batch ", sizes.batch, ", expected at most 65535");
  return sizes;
}
Sizes sizes_of(const nvinfer1::PluginTensorDesc* inputs) {
  return sizes_of(inputs[kQ].dims, inputs[kKeys].dims, inputs[kValues].dims, inputs[kLengths].dims);
}
/// Of the profile's largest shapes.
Sizes largest_of(const nvinfer1::DynamicPluginTensorDesc* inputs) {
  return sizes_of(inputs[kQ].max, inputs[kKeys].max, inputs[kValues].max, inputs[kLengths].max);
}

bool takes(DataType type) { return type == DataType::kHALF || type == DataType::kBF16; }

/// The value of a field of one number; throws backend unless it is there, of that type.
template <typename Number>
Number field(const nvinfer1::PluginFieldCollection* fields, const char* name, nvinfer1::PluginFieldType type) {
  for (int32_t i = 0; fields != nullptr && i < fields->nbFields; ++i) {
    const nvinfer1::PluginField& found = fields->fields[i];
    if (found.name == nullptr || std::strcmp(found.name, name) != 0) continue;
    if (found.type != type || found.length != 1 || found.data == nullptr) {
      fail(ErrorCode::backend, "field ", name, " has type ", static_cast<int>(found.type), " and length ", found.length,
           ", expected type ", static_cast<int>(type), " and length 1");
    }
    Number value;
    std::memcpy(&value, found.data, sizeof value);
    return value;
  }
  fail(ErrorCode::backend, "there is no field ", name);
}

}  // namespace

DecodeAttentionPlugin::DecodeAttentionPlugin(const cuda::DecodeAttentionFunctions& functions, const Fields& fields)
    : functions_(functions),
      fields_(fields),
      description_(join(kScale, "=", fields.scale, " ", kMultiprocessors, "=", fields.multiprocessors)),
      serialized_{{kScale, &fields_.scale, nvinfer1::PluginFieldType::kFLOAT32, 1},
                  {kMultiprocessors, &fields_.multiprocessors, nvinfer1::PluginFieldType::kINT32, 1}},
      collection_{2, serialized_} {}

nvinfer1::IPluginCapability* DecodeAttentionPlugin::getCapabilityInterface(nvinfer1::PluginCapabilityType type) noexcept {
  switch (type) {
    case nvinfer1::PluginCapabilityType::kCORE: return static_cast<nvinfer1::IPluginV3OneCore*>(this);
    case nvinfer1::PluginCapabilityType::kBUILD: return static_cast<nvinfer1::IPluginV3OneBuild*>(this);
    case nvinfer1::PluginCapabilityType::kRUNTIME: return static_cast<nvinfer1::IPluginV3OneRuntime*>(this);
  }
  return nullptr;
}

nvinfer1::IPluginV3* DecodeAttentionPlugin::clone() noexcept {
  return guarded<nvinfer1::IPluginV3*>(nullptr, [&] { return new DecodeAttentionPlugin(functions_, fields_); });
}

const char* DecodeAttentionPlugin::getPluginName() const noexcept { return names::kDecodeAttention; }
const char* DecodeAttentionPlugin::getPluginVersion() const noexcept { return names::kPluginVersion; }
const char* DecodeAttentionPlugin::getPluginNamespace() const noexcept { return names::kVila; }

int32_t DecodeAttentionPlugin::getOutputDataTypes(DataType* output_types, int32_t outputs, const DataType* input_types,
                                                  int32_t inputs) const noexcept {
  return guarded(1, [&] {
    expect("inputs:", inputs, kInputs);
    expect("outputs:", outputs, 1);
    if (!takes(input_types[kQ])) {
      fail(ErrorCode::backend, "q has TensorRT's type ", static_cast<int>(input_types[kQ]), ", expected fp16 or bf16");
    }
    output_types[0] = input_types[kQ];
    return 0;
  });
}

int32_t DecodeAttentionPlugin::getOutputShapes(const nvinfer1::DimsExprs* inputs, int32_t input_count,
                                               const nvinfer1::DimsExprs* /*shape_inputs*/, int32_t /*shape_input_count*/,
                                               nvinfer1::DimsExprs* outputs, int32_t output_count,
                                               nvinfer1::IExprBuilder& /*expressions*/) noexcept {
  return guarded(1, [&] {
    expect("inputs:", input_count, kInputs);
    expect("outputs:", output_count, 1);
    expect("dimensions of q:", inputs[kQ].nbDims, 4);
    outputs[0] = inputs[kQ];
    return 0;
  });
}

bool DecodeAttentionPlugin::supportsFormatCombination(int32_t position, const nvinfer1::DynamicPluginTensorDesc* tensors,
                                                      int32_t inputs, int32_t outputs) noexcept {
  if (inputs != kInputs || outputs != 1 || position < 0 || position >= inputs + outputs) return false;
  const nvinfer1::PluginTensorDesc& asked = tensors[position].desc;
  if (asked.format != nvinfer1::TensorFormat::kLINEAR) return false;
  if (position == kLengths) return asked.type == DataType::kINT32;
  return takes(asked.type) && asked.type == tensors[kQ].desc.type;
}

int32_t DecodeAttentionPlugin::configurePlugin(const nvinfer1::DynamicPluginTensorDesc* inputs, int32_t input_count,
                                               const nvinfer1::DynamicPluginTensorDesc* /*outputs*/,
                                               int32_t output_count) noexcept {
  return guarded(1, [&] {
    expect("inputs:", input_count, kInputs);
    expect("outputs:", output_count, 1);
    largest_of(inputs);
    return 0;
  });
}

size_t DecodeAttentionPlugin::getWorkspaceSize(const nvinfer1::DynamicPluginTensorDesc* inputs, int32_t input_count,
                                               const nvinfer1::DynamicPluginTensorDesc* /*outputs*/,
                                               int32_t /*output_count*/) const noexcept {
  return guarded(size_t{0}, [&] {
    expect("inputs:", input_count, kInputs);
    const Sizes sizes = largest_of(inputs);
    const auto kv_heads = static_cast<int32_t>(sizes.kv_heads), heads = static_cast<int32_t>(sizes.heads);
    size_t floats = 0;  // a smaller batch may be split into more
    for (int32_t batch = 1; batch <= sizes.batch; ++batch) {
      const int32_t splits = functions_.splits(batch, kv_heads, sizes.capacity, fields_.multiprocessors);
      floats = std::max(floats, functions_.workspace(batch, heads, static_cast<int32_t>(sizes.head_dim), splits));
    }
    return floats * sizeof(float);
  });
}

int32_t DecodeAttentionPlugin::onShapeChange(const nvinfer1::PluginTensorDesc* inputs, int32_t input_count,
                                             const nvinfer1::PluginTensorDesc* /*outputs*/, int32_t output_count) noexcept {
  return guarded(1, [&] {
    expect("inputs:", input_count, kInputs);
    expect("outputs:", output_count, 1);
    sizes_of(inputs);
    return 0;
  });
}

int32_t DecodeAttentionPlugin::enqueue(const nvinfer1::PluginTensorDesc* input_tensors,
                                       const nvinfer1::PluginTensorDesc* /*output_tensors*/, const void* const* inputs,
                                       void* const* outputs, void* workspace, cudaStream_t stream) noexcept {
  return guarded(1, [&] {
    const Sizes sizes = sizes_of(input_tensors);
    cuda::DecodeAttention step;
    step.batch = static_cast<int32_t>(sizes.batch);
    step.heads = static_cast<int32_t>(sizes.heads);
    step.kv_heads = static_cast<int32_t>(sizes.kv_heads);
    step.head_dim = static_cast<int32_t>(sizes.head_dim);
    step.capacity = sizes.capacity;
    step.splits = functions_.splits(step.batch, step.kv_heads, step.capacity, fields_.multiprocessors);
    step.scale = fields_.scale;
    step.type = input_tensors[kQ].type == DataType::kBF16 ? DType::bf16 : DType::f16;
    step.q = inputs[kQ];
    step.keys = inputs[kKeys];
    step.values = inputs[kValues];
    step.lengths = static_cast<const int32_t*>(inputs[kLengths]);
    step.workspace = static_cast<float*>(workspace);
    step.out = outputs[0];
    functions_.launch(step, stream);
    return 0;
  });
}

nvinfer1::IPluginV3* DecodeAttentionPlugin::attachToContext(nvinfer1::IPluginResourceContext* /*context*/) noexcept {
  return clone();
}

DecodeAttentionCreator::DecodeAttentionCreator(const cuda::DecodeAttentionFunctions& functions)
    : functions_(functions), scale_(kScale, nullptr, nvinfer1::PluginFieldType::kFLOAT32, 1), collection_{1, &scale_} {}

nvinfer1::IPluginV3* DecodeAttentionCreator::createPlugin(const char* /*name*/, const nvinfer1::PluginFieldCollection* fields,
                                                          nvinfer1::TensorRTPhase phase) noexcept {
  return guarded<nvinfer1::IPluginV3*>(nullptr, [&] {
    DecodeAttentionPlugin::Fields read;
    read.scale = field<float>(fields, kScale, nvinfer1::PluginFieldType::kFLOAT32);
    if (!std::isfinite(read.scale)) fail(ErrorCode::backend, kScale, " ", read.scale, ", expected a finite number");
    read.multiprocessors = phase == nvinfer1::TensorRTPhase::kBUILD
                               ? functions_.multiprocessors()
                               : field<int32_t>(fields, kMultiprocessors, nvinfer1::PluginFieldType::kINT32);
    if (read.multiprocessors < 1 || read.multiprocessors > kMostMultiprocessors) {
      fail(ErrorCode::backend, kMultiprocessors, " ", read.multiprocessors, ", expected 1 to ", kMostMultiprocessors);
    }
    return new DecodeAttentionPlugin(functions_, read);
  });
}

const char* DecodeAttentionCreator::getPluginName() const noexcept { return names::kDecodeAttention; }
const char* DecodeAttentionCreator::getPluginVersion() const noexcept { return names::kPluginVersion; }
const char* DecodeAttentionCreator::getPluginNamespace() const noexcept { return names::kVila; }

void register_decode_attention(const Library& library, const cuda::DecodeAttentionFunctions& functions) {
  static std::mutex mutex;
  static DecodeAttentionCreator* registered = nullptr;  // never deleted: the registry refers to it until the process ends
  const std::lock_guard lock(mutex);
  if (registered != nullptr) return;
  auto* registry = static_cast<nvinfer1::IPluginRegistry*>(library.plugin_registry());
  if (registry == nullptr) fail(ErrorCode::backend, "TensorRT ", library.version, " has no plugin registry");
  auto creator = std::make_unique<DecodeAttentionCreator>(functions);
  if (!registry->registerCreator(*creator, names::kVila)) {
    fail(ErrorCode::backend, "TensorRT ", library.version, " does not take the plugin ", names::kDecodeAttention,
         ", is another of that name registered?");
  }
  registered = creator.release();
}

}  // namespace vila::plan::tensorrt
