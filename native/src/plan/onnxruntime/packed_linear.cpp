// SPDX-License-Identifier: Apache-2.0
#include "plan/onnxruntime/packed_linear.h"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "common/error.h"
#include "kernels/product.h"
#include "plan/onnxruntime/handle.h"

namespace vila::plan::onnxruntime {
namespace {

using kernels::kLanes;
using kernels::PackedShape;

constexpr int64_t kLongestInput = 1 << 24;    ///< of n and k: far beyond any model, far below overflow
constexpr size_t kTaskBytes = 64 << 10;       ///< weights that one task of a decode step reads
constexpr int64_t kMostTasks = 64;
constexpr int64_t kRowsPerTask = 16;          ///< rows that one task quantises

/// Memory of a thread that only grows, at a multiple of 64.
class Scratch {
 public:
  uint8_t* reserve(size_t bytes) {
    if (bytes > size_) {
      memory_.reset();
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

struct Kernel {
  const OrtApi& api;
  PackedShape shape;
};

int64_t attribute(const OrtApi& api, const OrtKernelInfo* info, const char* name, int64_t low, int64_t high) {
  int64_t value = 0;
  check(api, api.KernelInfoGetAttribute_int64(info, name, &value), join("PackedLinear, attribute ", name));
  if (value < low || value > high) {
    fail(ErrorCode::backend, "PackedLinear, attribute ", name, ": ", value, ", expected ", low, " to ", high);
  }
  return value;
}

std::unique_ptr<Kernel> make_kernel(const OrtApi& api, const OrtKernelInfo* info) {
  PackedShape shape;
  shape.n = attribute(api, info, "n", 1, kLongestInput);
  shape.k = attribute(api, info, "k", 1, kLongestInput);
  shape.group = attribute(api, info, "group", kernels::kBlock, kLongestInput);
  if (shape.group % kernels::kBlock != 0) fail(ErrorCode::backend, "PackedLinear, group: ", shape.group, ", expected a multiple of 32");
  shape.bits = static_cast<int32_t>(attribute(api, info, "bits", 4, 8));
  if (shape.bits != 4 && shape.bits != 8) fail(ErrorCode::backend, "PackedLinear, bits: ", shape.bits, ", expected 4 or 8");
  shape.zero = static_cast<kernels::Zero>(attribute(api, info, "zero", 0, 2));
  return std::unique_ptr<Kernel>(new Kernel{api, shape});
}

/// An input's memory and dimensions.
template <typename T>
struct Tensor {
  const T* data = nullptr;
  std::vector<int64_t> shape;
  int64_t elements() const {
    int64_t product = 1;
    for (const int64_t dim : shape) product *= dim;
    return product;
  }
};

template <typename T>
Tensor<T> input(const OrtApi& api, const OrtKernelContext* context, size_t index) {
  Tensor<T> tensor;
  const OrtValue* value = nullptr;
  check(api, api.KernelContext_GetInput(context, index, &value), "PackedLinear, input");
  if (value == nullptr) return tensor;
  OrtTensorTypeAndShapeInfo* raw = nullptr;
  check(api, api.GetTensorTypeAndShape(value, &raw), "PackedLinear, input");
  const Handle<OrtTensorTypeAndShapeInfo> info(raw, api.ReleaseTensorTypeAndShapeInfo);
  size_t rank = 0;
  check(api, api.GetDimensionsCount(raw, &rank), "PackedLinear, input");
  tensor.shape.resize(rank);
  check(api, api.GetDimensions(raw, tensor.shape.data(), rank), "PackedLinear, input");
  void* data = nullptr;  // The C API has no const form; nothing is written to it.
  check(api, api.GetTensorMutableData(const_cast<OrtValue*>(value), &data), "PackedLinear, input");
  tensor.data = static_cast<const T*>(data);
  return tensor;
}

/// Runs task(i) for i below `tasks` in ONNX Runtime's pool.
template <typename Task>
void parallel_for(const OrtApi& api, const OrtKernelContext* context, int64_t tasks, const Task& task) {
  if (tasks == 1) return task(size_t{0});
  const auto call = [](void* data, size_t i) { (*static_cast<const Task*>(data))(i); };
  check(api, api.KernelContext_ParallelFor(context, call, static_cast<size_t>(tasks), 0, const_cast<Task*>(&task)), "PackedLinear");
}

void compute(const Kernel& kernel, OrtKernelContext* context) {
  const OrtApi& api = kernel.api;
  const PackedShape& shape = kernel.shape;
  const auto x = input<float>(api, context, 0);
  const auto weights = input<uint8_t>(api, context, 1);
  const auto bias = input<float>(api, context, 2);
  if (x.shape.empty() || x.shape.back() != shape.k) {
    fail(ErrorCode::backend, "PackedLinear: x has ", x.shape.empty() ? 0 : x.shape.back(), " columns, expected ", shape.k);
  }
  if (weights.elements() != static_cast<int64_t>(shape.bytes())) {
    fail(ErrorCode::backend, "PackedLinear: ", weights.elements(), " bytes of weights, expected ", shape.bytes());
  }
  if (bias.data != nullptr && bias.elements() != shape.n) {
    fail(ErrorCode::backend, "PackedLinear: ", bias.elements(), " biases, expected ", shape.n);
  }
  std::vector<int64_t> output_shape = x.shape;
  output_shape.back() = shape.n;
  OrtValue* output = nullptr;
  check(api, api.KernelContext_GetOutput(context, 0, output_shape.data(), output_shape.size(), &output), "PackedLinear, output");
  void* data = nullptr;
  check(api, api.GetTensorMutableData(output, &data), "PackedLinear, output");
  auto* y = static_cast<float*>(data);

  const int64_t rows = x.elements() / shape.k, padded = shape.padded_k();
  if (rows == 0) return;
  static thread_local Scratch activations;  // A run stays on its thread until the product is done.
  const kernels::Product& product = kernels::products().front();
  const kernels::RowsBuffer to(activations.reserve(kernels::RowsBuffer::bytes(rows, padded)), rows, padded);
  parallel_for(api, context, (rows + kRowsPerTask - 1) / kRowsPerTask, [&](size_t task) {
    const int64_t first = static_cast<int64_t>(task) * kRowsPerTask;
    for (int64_t row = first; row < std::min(first + kRowsPerTask, rows); ++row) product.quantize(x.data, row, shape.k, padded, to);
  });
  const kernels::QuantizedRows quantized{rows, padded, to.q, to.scales, to.sums};
  const int64_t pairs = (shape.panels() + 1) / 2;
  const auto by_size = static_cast<int64_t>(shape.bytes() / kTaskBytes) * (rows > 1 ? 8 : 1);
  const int64_t tasks = std::clamp<int64_t>(by_size, 1, std::min(kMostTasks, pairs));
  parallel_for(api, context, tasks, [&](size_t task) {
    static thread_local Scratch unpacked;
    const auto i = static_cast<int64_t>(task);
    const int64_t begin = 2 * (pairs * i / tasks), end = std::min(2 * (pairs * (i + 1) / tasks), shape.panels());
    product.multiply({shape, weights.data}, quantized, begin, end, y, shape.n, unpacked.reserve(product.scratch_bytes(shape)));
    if (bias.data == nullptr) return;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t n = begin * kLanes; n < std::min(end * kLanes, shape.n); ++n) y[row * shape.n + n] += bias.data[n];
    }
  });
}

/// Runs `call`; what it throws becomes a status.
template <typename Call>
OrtStatus* status_of(const OrtApi& api, const Call& call) {
  try {
    call();
    return nullptr;
  } catch (const std::exception& error) {
    return api.CreateStatus(ORT_FAIL, error.what());
  } catch (...) {
    return api.CreateStatus(ORT_FAIL, "PackedLinear: unknown exception");
  }
}

OrtCustomOp make_op() {
  OrtCustomOp op{};
  op.version = ORT_API_VERSION;
  op.GetName = [](const OrtCustomOp*) { return "PackedLinear"; };
  op.GetExecutionProviderType = [](const OrtCustomOp*) -> const char* { return nullptr; };
  op.GetInputTypeCount = [](const OrtCustomOp*) { return size_t{3}; };
  op.GetInputType = [](const OrtCustomOp*, size_t index) {
    return index == 1 ? ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 : ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  };
  op.GetInputCharacteristic = [](const OrtCustomOp*, size_t index) {
    return index == 2 ? INPUT_OUTPUT_OPTIONAL : INPUT_OUTPUT_REQUIRED;
  };
  op.GetInputMemoryType = [](const OrtCustomOp*, size_t) { return OrtMemTypeDefault; };
  op.GetOutputTypeCount = [](const OrtCustomOp*) { return size_t{1}; };
  op.GetOutputType = [](const OrtCustomOp*, size_t) { return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT; };
  op.GetOutputCharacteristic = [](const OrtCustomOp*, size_t) { return INPUT_OUTPUT_REQUIRED; };
  op.GetVariadicInputMinArity = [](const OrtCustomOp*) { return 0; };
  op.GetVariadicInputHomogeneity = [](const OrtCustomOp*) { return 0; };
  op.GetVariadicOutputMinArity = [](const OrtCustomOp*) { return 0; };
  op.GetVariadicOutputHomogeneity = [](const OrtCustomOp*) { return 0; };
  op.GetStartVersion = [](const OrtCustomOp*) { return 1; };
  op.GetEndVersion = [](const OrtCustomOp*) { return 1; };
  op.CreateKernelV2 = [](const OrtCustomOp*, const OrtApi* api, const OrtKernelInfo* info, void** kernel) -> OrtStatusPtr {
    return status_of(*api, [&] { *kernel = make_kernel(*api, info).release(); });
  };
  op.KernelComputeV2 = [](void* kernel, OrtKernelContext* context) -> OrtStatusPtr {
    const auto* self = static_cast<const Kernel*>(kernel);
    return status_of(self->api, [&] { compute(*self, context); });
  };
  op.KernelDestroy = [](void* kernel) { delete static_cast<Kernel*>(kernel); };
  return op;
}

}  // namespace

const OrtCustomOp* packed_linear_op() {
  static const OrtCustomOp op = make_op();
  return &op;
}

}  // namespace vila::plan::onnxruntime
