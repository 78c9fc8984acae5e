// SPDX-License-Identifier: Apache-2.0
#include "plan/onnxruntime/row_norm.h"

#include <algorithm>

#include "kernels/layer_norm.h"
#include "plan/onnxruntime/operator.h"

namespace vila::plan::onnxruntime {
namespace {

constexpr int64_t kRowsPerTask = 16;

class RowNorm {
 public:
  static constexpr const char* kName = "RowNorm";
  static constexpr ONNXTensorElementDataType kFloat = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  static constexpr ONNXTensorElementDataType kInputs[] = {kFloat, kFloat, kFloat};
  static constexpr size_t kOptional = 3;
  static constexpr ONNXTensorElementDataType kOutputs[] = {kFloat};

  RowNorm(const OrtApi& api, const OrtKernelInfo* info) : api_(api), epsilon_(float_attribute(api, info, kName, "epsilon")) {}
  const OrtApi& api() const { return api_; }

  void compute(const Call& call) const {
    const auto x = call.input<float>(0), gain = call.input<float>(1), bias = call.input<float>(2);
    const int64_t size = gain.elements();
    call.expect("columns of x:", x.shape.empty() ? 0 : x.shape.back(), size);
    call.expect("biases:", bias.elements(), size);
    auto* y = call.output<float>(0, x.shape);
    if (x.elements() == 0) return;
    const kernels::LayerNorm& norm = kernels::layer_norms().front();
    const int64_t rows = x.elements() / size;
    call.parallel_for((rows + kRowsPerTask - 1) / kRowsPerTask, [&](int64_t task) {
      const int64_t first = task * kRowsPerTask;
      for (int64_t row = first; row < std::min(first + kRowsPerTask, rows); ++row)
        norm.normalize(x.data + row * size, gain.data, bias.data, epsilon_, size, y + row * size);
    });
  }

 private:
  const OrtApi& api_;
  float epsilon_;
};

}  // namespace

const OrtCustomOp* row_norm_op() {
  static const OrtCustomOp op = make_operator<RowNorm>();
  return &op;
}

}  // namespace vila::plan::onnxruntime
