// SPDX-License-Identifier: Apache-2.0
#include "plan/onnxruntime/packed_linear.h"

#include <algorithm>
#include <array>

#include "graph/names.h"
#include "kernels/epilogue.h"
#include "plan/onnxruntime/packed_matrices.h"

namespace vila::plan::onnxruntime {
namespace {

constexpr ONNXTensorElementDataType kFloat = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, kByte = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8;

class PackedLinear {
 public:
  static constexpr const char* kName = graph::names::kPackedLinear;
  static constexpr ONNXTensorElementDataType kInputs[] = {kFloat, kByte, kFloat, kFloat};
  static constexpr size_t kOptional = 2;
  static constexpr ONNXTensorElementDataType kOutputs[] = {kFloat};

  PackedLinear(const OrtApi& api, const OrtKernelInfo* info)
      : api_(api),
        matrices_(api, info, kName, 1),
        curve_{float_attribute(api, info, kName, "linear"), float_attribute(api, info, kName, "cubic")} {}
  const OrtApi& api() const { return api_; }

  void compute(const Call& call) const {
    const auto x = matrices_.x(call);
    const kernels::PackedMatrix matrix = matrices_.matrix(call, 0);
    const auto bias = matrices_.bias(call, 2, 0);
    const auto addend = call.input<float>(3);
    const kernels::PackedShape& shape = matrix.shape;
    const int64_t rows = matrices_.rows(x);
    if (addend.data != nullptr) call.expect("elements of addend:", addend.elements(), rows * shape.n);
    float* y = matrices_.y(call, x, 0);
    if (rows == 0) return;
    const kernels::QuantizedRows rounded = matrices_.rounded(call, x);
    share_pairs(call, shape.bytes(), rows, panel_pairs(shape), [&](int64_t begin, int64_t end) {
      const kernels::PackedMatrix pairs = pairs_of(matrix, begin, end);
      const int64_t first = kPairOutputs * begin;
      multiply(pairs, rounded, y + first, shape.n);
      const auto from = [first](const Tensor<float>& tensor) { return tensor.data == nullptr ? nullptr : tensor.data + first; };
      kernels::epilogues().front().finish({from(bias), curve_, from(addend)}, rows, pairs.shape.n, y + first, shape.n);
    });
  }

 private:
  const OrtApi& api_;
  PackedMatrices matrices_;
  kernels::Curve curve_;
};

class PackedLinears {
 public:
  static constexpr const char* kName = graph::names::kPackedLinears;
  static constexpr size_t kCount = graph::names::kPackedLinearsCount;
  static constexpr ONNXTensorElementDataType kInputs[] = {kFloat, kByte, kByte, kByte, kFloat, kFloat, kFloat};
  static constexpr size_t kOptional = 1 + kCount;
  static constexpr ONNXTensorElementDataType kOutputs[] = {kFloat, kFloat, kFloat};
  static_assert(std::size(kInputs) == 1 + 2 * kCount && std::size(kOutputs) == kCount);

  PackedLinears(const OrtApi& api, const OrtKernelInfo* info) : api_(api), matrices_(api, info, kName, kCount) {}
  const OrtApi& api() const { return api_; }

  void compute(const Call& call) const {
    struct Part {
      kernels::PackedMatrix matrix;
      Tensor<float> bias;
      float* y;
      int64_t first;  ///< of its pairs of panels among those of all
    };
    const auto x = matrices_.x(call);
    const int64_t rows = matrices_.rows(x);
    std::array<Part, kCount> parts;
    size_t bytes = 0;
    int64_t pairs = 0;
    for (size_t i = 0; i < kCount; ++i) {
      parts[i] = {matrices_.matrix(call, i), matrices_.bias(call, 1 + kCount + i, i), matrices_.y(call, x, i), pairs};
      bytes += parts[i].matrix.shape.bytes();
      pairs += panel_pairs(parts[i].matrix.shape);
    }
    if (rows == 0) return;
    const kernels::QuantizedRows rounded = matrices_.rounded(call, x);
    share_pairs(call, bytes, rows, pairs, [&](int64_t begin, int64_t end) {
      for (const Part& part : parts) {
        const kernels::PackedShape& shape = part.matrix.shape;
        const int64_t from = std::max<int64_t>(begin - part.first, 0), to = std::min(end - part.first, panel_pairs(shape));
        if (from >= to) continue;
        const kernels::PackedMatrix matrix = pairs_of(part.matrix, from, to);
        float* y = part.y + kPairOutputs * from;
        multiply(matrix, rounded, y, shape.n);
        if (part.bias.data == nullptr) continue;
        kernels::epilogues().front().finish({part.bias.data + kPairOutputs * from, {}, nullptr}, rows, matrix.shape.n, y, shape.n);
      }
    });
  }

 private:
  const OrtApi& api_;
  PackedMatrices matrices_;
};

class PackedGated {
 public:
  static constexpr const char* kName = graph::names::kPackedGated;
  static constexpr ONNXTensorElementDataType kInputs[] = {kFloat, kByte, kByte};
  static constexpr size_t kOptional = std::size(kInputs);
  static constexpr ONNXTensorElementDataType kOutputs[] = {kFloat};

  PackedGated(const OrtApi& api, const OrtKernelInfo* info) : api_(api), matrices_(api, info, kName, 2) {
    const int64_t gates = matrices_.shape(0).n, ups = matrices_.shape(1).n;
    if (gates != ups) fail(ErrorCode::backend, kName, ", n: ", gates, " and ", ups, ", expected equal ones");
  }
  const OrtApi& api() const { return api_; }

  void compute(const Call& call) const {
    const auto x = matrices_.x(call);
    const kernels::PackedMatrix gate = matrices_.matrix(call, 0), up = matrices_.matrix(call, 1);
    const int64_t rows = matrices_.rows(x), n = gate.shape.n;
    float* y = matrices_.y(call, x, 0);
    if (rows == 0) return;
    const kernels::QuantizedRows rounded = matrices_.rounded(call, x);
    share_pairs(call, gate.shape.bytes() + up.shape.bytes(), rows, panel_pairs(gate.shape), [&](int64_t begin, int64_t end) {
      static thread_local Scratch scratch;
      const kernels::PackedMatrix some_gates = pairs_of(gate, begin, end);
      const int64_t columns = some_gates.shape.n;
      auto* gates = reinterpret_cast<float*>(scratch.reserve(static_cast<size_t>(rows * columns) * sizeof(float)));
      float* to = y + kPairOutputs * begin;
      multiply(some_gates, rounded, gates, columns);
      multiply(pairs_of(up, begin, end), rounded, to, n);
      kernels::epilogues().front().gate(kernels::kSilu, gates, columns, rows, columns, to, n);
    });
  }

 private:
  const OrtApi& api_;
  PackedMatrices matrices_;
};

}  // namespace

const OrtCustomOp* packed_linear_op() {
  static const OrtCustomOp op = make_operator<PackedLinear>();
  return &op;
}

const OrtCustomOp* packed_linears_op() {
  static const OrtCustomOp op = make_operator<PackedLinears>();
  return &op;
}

const OrtCustomOp* packed_gated_op() {
  static const OrtCustomOp op = make_operator<PackedGated>();
  return &op;
}

}  // namespace vila::plan::onnxruntime
