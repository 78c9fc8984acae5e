// SPDX-License-Identifier: Apache-2.0
#include "plan/onnxruntime/bf16_linear.h"

#include <algorithm>

#include "graph/names.h"
#include "kernels/bf16_product.h"
#include "kernels/epilogue.h"
#include "plan/onnxruntime/linear_tasks.h"
#include "plan/onnxruntime/operator.h"

namespace vila::plan::onnxruntime {
namespace {

using kernels::kBf16Panel;

class Bf16Linear {
 public:
  static constexpr const char* kName = graph::names::kBf16Linear;
  static constexpr ONNXTensorElementDataType kInputs[] = {
      ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT};
  static constexpr size_t kOptional = 2;
  static constexpr ONNXTensorElementDataType kOutputs[] = {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT};

  Bf16Linear(const OrtApi& api, const OrtKernelInfo*) : api_(api) {}
  const OrtApi& api() const { return api_; }

  void compute(const Call& call) const {
    const auto x = call.input<float>(0);
    const auto weights = call.input<uint8_t>(1);  // bytes, as files need not align their tensors
    const auto bias = call.input<float>(2);
    call.expect("dimensions of weights:", static_cast<int64_t>(weights.shape.size()), 2);
    const kernels::Bf16Matrix matrix{weights.shape[0], weights.shape[1], weights.data};
    if (matrix.n < 1 || matrix.k < 1) fail(ErrorCode::backend, kName, ": weights [", matrix.n, ",", matrix.k, "], expected some");
    call.expect("columns of x:", x.shape.empty() ? 0 : x.shape.back(), matrix.k);
    if (bias.data != nullptr) call.expect("biases:", bias.elements(), matrix.n);
    std::vector<int64_t> output_shape = x.shape;
    output_shape.back() = matrix.n;
    auto* y = call.output<float>(0, output_shape);
    const int64_t rows = x.elements() / matrix.k;
    if (rows == 0) return;

    static thread_local Scratch activations;  // A run stays on its thread until the product is done.
    const kernels::Bf16Product& product = kernels::bf16_products().front();
    uint8_t* prepared = activations.reserve(static_cast<size_t>(rows) * product.row_bytes(matrix.k));
    for_each_row(call, rows, [&](int64_t row) { product.prepare(x.data, row, matrix.k, prepared); });
    const int64_t panels = (matrix.n + kBf16Panel - 1) / kBf16Panel;
    const int64_t tasks = linear_tasks(static_cast<size_t>(matrix.n * matrix.k) * sizeof(uint16_t), rows, panels);
    call.parallel_for(tasks, [&](int64_t task) {
      static thread_local Scratch transposed;
      const int64_t begin = kBf16Panel * (panels * task / tasks);
      const int64_t end = std::min(kBf16Panel * (panels * (task + 1) / tasks), matrix.n);
      product.multiply(matrix, prepared, rows, begin, end, y, matrix.n, transposed.reserve(product.scratch_bytes));
      if (bias.data == nullptr) return;
      kernels::epilogues().front().finish({bias.data + begin, {}, nullptr}, rows, end - begin, y + begin, matrix.n);
    });
  }

 private:
  const OrtApi& api_;
};

}  // namespace

const OrtCustomOp* bf16_linear_op() {
  static const OrtCustomOp op = make_operator<Bf16Linear>();
  return &op;
}

}  // namespace vila::plan::onnxruntime
