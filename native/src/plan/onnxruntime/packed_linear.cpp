// SPDX-License-Identifier: Apache-2.0
#include "plan/onnxruntime/packed_linear.h"

#include <algorithm>

#include "kernels/product.h"
#include "plan/onnxruntime/linear_tasks.h"
#include "plan/onnxruntime/operator.h"

namespace vila::plan::onnxruntime {
namespace {

using kernels::kLanes;
using kernels::PackedShape;

constexpr int64_t kLongest = 1 << 24;  ///< of n and k: far beyond any model, far below overflow

class PackedLinear {
 public:
  static constexpr const char* kName = "PackedLinear";
  static constexpr ONNXTensorElementDataType kInputs[] = {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
                                                          ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT};
  static constexpr size_t kOptional = 2;
  static constexpr ONNXTensorElementDataType kOutputs[] = {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT};

  PackedLinear(const OrtApi& api, const OrtKernelInfo* info) : api_(api) {
    const auto read = [&](const char* name, int64_t low, int64_t high) { return attribute(api, info, kName, name, low, high); };
    shape_.n = read("n", 1, kLongest);
    shape_.k = read("k", 1, kLongest);
    shape_.group = read("group", kernels::kBlock, kLongest);
    shape_.bits = static_cast<int32_t>(read("bits", 4, 8));
    shape_.zero = static_cast<kernels::Zero>(read("zero", 0, 2));
    if (shape_.group % kernels::kBlock != 0)
      fail(ErrorCode::backend, kName, ", group: ", shape_.group, ", expected a multiple of 32");
    if (shape_.bits != 4 && shape_.bits != 8) fail(ErrorCode::backend, kName, ", bits: ", shape_.bits, ", expected 4 or 8");
  }
  const OrtApi& api() const { return api_; }

  void compute(const Call& call) const {
    const auto x = call.input<float>(0);
    const auto weights = call.input<uint8_t>(1);
    const auto bias = call.input<float>(2);
    call.expect("columns of x:", x.shape.empty() ? 0 : x.shape.back(), shape_.k);
    call.expect("bytes of weights:", weights.elements(), static_cast<int64_t>(shape_.bytes()));
    if (bias.data != nullptr) call.expect("biases:", bias.elements(), shape_.n);
    std::vector<int64_t> output_shape = x.shape;
    output_shape.back() = shape_.n;
    auto* y = call.output<float>(0, output_shape);
    const int64_t rows = x.elements() / shape_.k, padded = shape_.padded_k();
    if (rows == 0) return;

    static thread_local Scratch activations;  // A run stays on its thread until the product is done.
    const kernels::Product& product = kernels::products().front();
    const kernels::RowsBuffer to(activations.reserve(kernels::RowsBuffer::bytes(rows, padded)), rows, padded);
    for_each_row(call, rows, [&](int64_t row) { product.quantize(x.data, row, shape_.k, padded, to); });
    const kernels::QuantizedRows quantized{rows, padded, to.q, to.scales, to.sums};
    const int64_t pairs = (shape_.panels() + 1) / 2;
    const int64_t tasks = linear_tasks(shape_.bytes(), rows, pairs);
    call.parallel_for(tasks, [&](int64_t task) {
      static thread_local Scratch unpacked;
      const int64_t begin = 2 * (pairs * task / tasks), end = std::min(2 * (pairs * (task + 1) / tasks), shape_.panels());
      product.multiply({shape_, weights.data}, quantized, begin, end, y, shape_.n, unpacked.reserve(product.scratch_bytes(shape_)));
      if (bias.data != nullptr) add_bias(bias.data, rows, begin * kLanes, std::min(end * kLanes, shape_.n), y, shape_.n);
    });
  }

 private:
  const OrtApi& api_;
  PackedShape shape_;
};

}  // namespace

const OrtCustomOp* packed_linear_op() {
  static const OrtCustomOp op = make_operator<PackedLinear>();
  return &op;
}

}  // namespace vila::plan::onnxruntime
