// SPDX-License-Identifier: Apache-2.0
#include "plan/onnxruntime/packed_matrices.h"

#include <algorithm>

namespace vila::plan::onnxruntime {
namespace {

using kernels::PackedShape;

constexpr int64_t kLongest = 1 << 24;  ///< of n and k: far beyond any model, far below overflow

}  // namespace

PackedMatrices::PackedMatrices(const OrtApi& api, const OrtKernelInfo* info, const char* op, size_t count) : shapes_(count) {
  const int64_t k = attribute(api, info, op, "k", 1, kLongest);
  const auto read = [&](const char* name, int64_t low, int64_t high) { return attributes(api, info, op, name, count, low, high); };
  const auto n = read("n", 1, kLongest), group = read("group", kernels::kBlock, kLongest), bits = read("bits", 4, 8),
             zero = read("zero", 0, 2);
  for (size_t i = 0; i < count; ++i) {
    shapes_[i] = {n[i], k, group[i], static_cast<int32_t>(bits[i]), static_cast<kernels::Zero>(zero[i])};
    if (group[i] % kernels::kBlock != 0) fail(ErrorCode::backend, op, ", group: ", group[i], ", expected a multiple of 32");
    if (bits[i] != 4 && bits[i] != 8) fail(ErrorCode::backend, op, ", bits: ", bits[i], ", expected 4 or 8");
    if (shapes_[i].padded_k() != shapes_[0].padded_k()) {
      fail(ErrorCode::backend, op, ", group: the last of ", group[i], " ends at ", shapes_[i].padded_k(), ", expected ",
           shapes_[0].padded_k(), ", where the first matrix's ends");
    }
  }
}

Tensor<float> PackedMatrices::x(const Call& call) const {
  auto x = call.input<float>(0);
  call.expect("columns of x:", x.shape.empty() ? 0 : x.shape.back(), shapes_[0].k);
  return x;
}

kernels::PackedMatrix PackedMatrices::matrix(const Call& call, size_t index) const {
  const auto weights = call.input<uint8_t>(1 + index);
  call.expect("bytes of weights:", weights.elements(), static_cast<int64_t>(shapes_[index].bytes()));
  return {shapes_[index], weights.data};
}

Tensor<float> PackedMatrices::bias(const Call& call, size_t input, size_t index) const {
  auto bias = call.input<float>(input);
  if (bias.data != nullptr) call.expect("biases:", bias.elements(), shapes_[index].n);
  return bias;
}

float* PackedMatrices::y(const Call& call, const Tensor<float>& x, size_t index) const {
  std::vector<int64_t> shape = x.shape;
  shape.back() = shapes_[index].n;
  return call.output<float>(index, shape);
}

kernels::QuantizedRows PackedMatrices::rounded(const Call& call, const Tensor<float>& x) const {
  static thread_local Scratch activations;  // A run stays on its thread until the products are done.
  const kernels::Product& product = kernels::products().front();
  const int64_t rows = this->rows(x), k = shapes_[0].k, padded = shapes_[0].padded_k();
  const kernels::RowsBuffer to(activations.reserve(kernels::RowsBuffer::bytes(rows, padded)), rows, padded);
  for_each_row(call, rows, [&](int64_t row) { product.quantize(x.data, row, k, padded, to); });
  return {rows, padded, to.q, to.scales, to.sums};
}

kernels::PackedMatrix pairs_of(const kernels::PackedMatrix& matrix, int64_t begin, int64_t end) {
  kernels::PackedMatrix pairs = matrix;
  pairs.shape.n = std::min(kPairOutputs * end, matrix.shape.n) - kPairOutputs * begin;
  pairs.data += static_cast<size_t>(2 * begin) * matrix.shape.panel_bytes();
  return pairs;
}

void multiply(const kernels::PackedMatrix& matrix, const kernels::QuantizedRows& rows, float* y, int64_t stride) {
  static thread_local Scratch unpacked;
  const kernels::Product& product = kernels::products().front();
  product.multiply(matrix, rows, 0, matrix.shape.panels(), y, stride, unpacked.reserve(product.scratch_bytes(matrix.shape)));
}

}  // namespace vila::plan::onnxruntime
