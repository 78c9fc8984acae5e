// SPDX-License-Identifier: Apache-2.0
// What vila4j's own operators (custom_ops.h) share: reading inputs, scratch memory, ONNX Runtime's thread pool, errors as statuses.
#pragma once

#include <onnxruntime_c_api.h>

#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "common/error.h"
#include "plan/onnxruntime/handle.h"

namespace vila::plan::onnxruntime {

/// Memory of a thread that only grows, at a multiple of 64.
class Scratch {
 public:
  uint8_t* reserve(size_t bytes) {
    if (bytes > size_) {
      memory_.reset();
      size_ = 0;
      memory_.reset(static_cast<uint8_t*>(::operator new(bytes, kAlignment)));
      size_ = bytes;
    }
    return memory_.get();
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Delete {
    void operator()(uint8_t* memory) const { ::operator delete(memory, kAlignment); }
  };
  std::unique_ptr<uint8_t, Delete> memory_;
  size_t size_ = 0;
};

/// An input's memory and dimensions; data is null for an input that is left out. Weights are read where the checkpoint's file lies in
/// memory, and files need not align their tensors: what is not at a multiple of T's alignment is copied.
template <typename T>
struct Tensor {
  const T* data = nullptr;
  std::vector<int64_t> shape;
  std::unique_ptr<T[]> copy;
  int64_t elements() const {
    int64_t product = 1;
    for (const int64_t dim : shape) product *= dim;
    return product;
  }
};

/// One call of an operator's kernel.
class Call {
 public:
  Call(const OrtApi& api, OrtKernelContext* context, const char* op) : api_(api), context_(context), op_(op) {}

  template <typename T>
  Tensor<T> input(size_t index) const {
    Tensor<T> tensor;
    const OrtValue* value = nullptr;
    check(api_.KernelContext_GetInput(context_, index, &value));
    if (value == nullptr) return tensor;
    const void* data = read(value, tensor.shape);
    if (reinterpret_cast<uintptr_t>(data) % alignof(T) == 0) {
      tensor.data = static_cast<const T*>(data);
      return tensor;
    }
    const auto size = static_cast<size_t>(tensor.elements());
    tensor.copy = std::make_unique_for_overwrite<T[]>(size);
    std::memcpy(tensor.copy.get(), data, size * sizeof(T));
    tensor.data = tensor.copy.get();
    return tensor;
  }

  template <typename T>
  T* output(size_t index, const std::vector<int64_t>& shape) const {
    OrtValue* value = nullptr;
    check(api_.KernelContext_GetOutput(context_, index, shape.data(), shape.size(), &value));
    void* data = nullptr;
    check(api_.GetTensorMutableData(value, &data));
    return static_cast<T*>(data);
  }

  /// Runs task(i) for i below `tasks` in the session's thread pool.
  template <typename Task>
  void parallel_for(int64_t tasks, const Task& task) const {
    if (tasks == 1) return task(int64_t{0});
    const auto run = [](void* data, size_t i) { (*static_cast<const Task*>(data))(static_cast<int64_t>(i)); };
    check(api_.KernelContext_ParallelFor(context_, run, static_cast<size_t>(tasks), 0, const_cast<Task*>(&task)));
  }

  /// Throws backend "<operator>: <what> <found>, expected <expected>" unless they are equal.
  void expect(const char* what, int64_t found, int64_t expected) const {
    if (found != expected) fail(ErrorCode::backend, op_, ": ", what, " ", found, ", expected ", expected);
  }

 private:
  void check(OrtStatus* status) const { onnxruntime::check(api_, status, op_); }
  void* read(const OrtValue* value, std::vector<int64_t>& shape) const;

  const OrtApi& api_;
  OrtKernelContext* context_;
  const char* op_;
};

/// An operator's integer attribute; throws backend unless it lies in [low, high].
int64_t attribute(const OrtApi& api, const OrtKernelInfo* info, const char* op, const char* name, int64_t low, int64_t high);
/// A list of integers, each in [low, high]; throws backend unless there are `count`.
std::vector<int64_t> attributes(const OrtApi& api, const OrtKernelInfo* info, const char* op, const char* name, size_t count,
                                int64_t low, int64_t high);
float float_attribute(const OrtApi& api, const OrtKernelInfo* info, const char* op, const char* name);

/// Runs `call`; what it throws becomes a status.
template <typename F>
OrtStatus* status_of(const OrtApi& api, const F& call) {
  try {
    call();
    return nullptr;
  } catch (const std::exception& error) {
    return api.CreateStatus(ORT_FAIL, error.what());
  } catch (...) {
    return api.CreateStatus(ORT_FAIL, "unknown exception");
  }
}

/// The description of an operator with kernel K: K::kName, K::kInputs and K::kOutputs (element types), K::kOptional (inputs from
/// that index on may be left out), K(api, info), api() and compute(call), which several threads may call at once.
template <typename K>
OrtCustomOp make_operator() {
  OrtCustomOp op{};
  op.version = ORT_API_VERSION;
  op.GetName = [](const OrtCustomOp*) { return K::kName; };
  op.GetExecutionProviderType = [](const OrtCustomOp*) -> const char* { return nullptr; };
  op.GetInputTypeCount = [](const OrtCustomOp*) { return std::size(K::kInputs); };
  op.GetInputType = [](const OrtCustomOp*, size_t index) { return K::kInputs[index]; };
  op.GetInputCharacteristic = [](const OrtCustomOp*, size_t index) {
    return index >= K::kOptional ? INPUT_OUTPUT_OPTIONAL : INPUT_OUTPUT_REQUIRED;
  };
  op.GetInputMemoryType = [](const OrtCustomOp*, size_t) { return OrtMemTypeDefault; };
  op.GetOutputTypeCount = [](const OrtCustomOp*) { return std::size(K::kOutputs); };
  op.GetOutputType = [](const OrtCustomOp*, size_t index) { return K::kOutputs[index]; };
  op.GetOutputCharacteristic = [](const OrtCustomOp*, size_t) { return INPUT_OUTPUT_REQUIRED; };
  op.GetVariadicInputMinArity = [](const OrtCustomOp*) { return 0; };
  op.GetVariadicInputHomogeneity = [](const OrtCustomOp*) { return 0; };
  op.GetVariadicOutputMinArity = [](const OrtCustomOp*) { return 0; };
  op.GetVariadicOutputHomogeneity = [](const OrtCustomOp*) { return 0; };
  op.GetStartVersion = [](const OrtCustomOp*) { return 1; };
  op.GetEndVersion = [](const OrtCustomOp*) { return 1; };
  op.CreateKernelV2 = [](const OrtCustomOp*, const OrtApi* api, const OrtKernelInfo* info, void** kernel) -> OrtStatusPtr {
    return status_of(*api, [&] { *kernel = new K(*api, info); });
  };
  op.KernelComputeV2 = [](void* kernel, OrtKernelContext* context) -> OrtStatusPtr {
    const auto* self = static_cast<const K*>(kernel);
    return status_of(self->api(), [&] { self->compute(Call(self->api(), context, K::kName)); });
  };
  op.KernelDestroy = [](void* kernel) { delete static_cast<K*>(kernel); };
  return op;
}

}  // namespace vila::plan::onnxruntime
